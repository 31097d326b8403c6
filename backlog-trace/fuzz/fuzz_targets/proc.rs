//! Files and links of /proc and /sys hold names that processes chose: each
//! parser takes any bytes.
#![no_main]

use backlog_trace::hostile;
use backlog_trace_model::escape::Sanitized;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hostile::listener::proc(bytes);
    hostile::kernel::files(bytes);
    let text = String::from_utf8_lossy(bytes);
    // What is shown of it moves no cursor and ends no line.
    let shown = Sanitized(&text).to_string();
    assert!(!shown.chars().any(char::is_control));
});
