//! Files and links of /proc and /sys hold names that processes chose: each
//! parser takes any bytes.
#![no_main]

use backlog_trace::kernel::possible_cpus::CpuList;
use backlog_trace::kernel::preflight::Lockdown;
use backlog_trace::kernel::release::Release;
use backlog_trace::kernel::symbols::Symbols;
use backlog_trace::listener::hostile;
use backlog_trace_model::escape::Sanitized;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    hostile::proc(bytes);
    let text = String::from_utf8_lossy(bytes);
    if let Some(list) = CpuList::parse(&text) {
        assert!(list.count() >= 1 && list.iter().all(|cpu| cpu <= list.highest()));
    }
    let _ = Lockdown::parse(&text);
    let _ = Release::parse(&text);
    if let Ok(symbols) = Symbols::parse(bytes, &["tcp_check_req", "a"]) {
        let _ = (symbols.range("tcp_check_req"), symbols.address("a"));
    }
    // What is shown of it moves no cursor and ends no line.
    let shown = Sanitized(&text).to_string();
    assert!(!shown.chars().any(char::is_control));
});
