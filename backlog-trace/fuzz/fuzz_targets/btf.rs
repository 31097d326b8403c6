//! The kernel's types are read before anything is attached: whatever bytes
//! they are, there is an answer or an error, and looking things up ends.
//!
//! The first byte chooses. Even: the rest is the blob as it is. Odd: it is
//! type records and strings behind a sound header, split by the second byte,
//! so that what lies behind the header's checks is reached.
#![no_main]

use backlog_trace::hostile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let blob = match input {
        [choice, at, rest @ ..] if choice % 2 == 1 => behind_a_header(rest, *at),
        [_, rest @ ..] => rest.to_vec(),
        [] => Vec::new(),
    };
    hostile::kernel::types(blob);
});

/// Include/uapi/linux/btf.h: 24 bytes of header, then types, then strings.
fn behind_a_header(rest: &[u8], at: u8) -> Vec<u8> {
    let (types, strings) = rest.split_at(rest.len() * usize::from(at) / 256);
    let length = |bytes: usize| u32::try_from(bytes).expect("inputs are short").to_le_bytes();
    let mut blob = vec![0x9f, 0xeb, 1, 0];
    blob.extend(length(24));
    blob.extend(length(0));
    blob.extend(length(types.len()));
    blob.extend(length(types.len()));
    // Strings begin and end with a NUL.
    blob.extend(length(strings.len() + 2));
    blob.extend(types);
    blob.push(0);
    blob.extend(strings);
    blob.push(0);
    blob
}
