//! A `sock_diag` answer is read as hostile: each datagram ends, and no more
//! sockets come of it than messages fit into it.
//!
//! The first byte chooses. Even: the rest is the datagram as it is. Odd: it is
//! cut into the bodies of sound messages, so that what lies behind the header
//! is reached.
#![no_main]

use backlog_trace::hostile;
use libfuzzer_sys::fuzz_target;

const SEQUENCE: u32 = 1;
/// `SOCK_DIAG_BY_FAMILY`, include/uapi/linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
const HEADER: usize = 16;

fuzz_target!(|input: &[u8]| {
    let datagram = match input {
        [choice, rest @ ..] if choice % 2 == 1 => messages(rest),
        [_, rest @ ..] => rest.to_vec(),
        [] => Vec::new(),
    };
    let sockets = hostile::listener::netlink(&datagram, SEQUENCE);
    assert!(sockets.len() <= datagram.len() / HEADER);
});

/// Each message: kind or 0 for a socket, length, then its body.
fn messages(mut rest: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    while let [kind, length, tail @ ..] = rest {
        let (body, behind) = tail.split_at(usize::from(*length).min(tail.len()));
        let length = u32::try_from(HEADER + body.len()).expect("inputs are short");
        let kind = if *kind == 0 { BY_FAMILY } else { u16::from(*kind) };
        datagram.extend(length.to_ne_bytes());
        datagram.extend(kind.to_ne_bytes());
        datagram.extend(2u16.to_ne_bytes());
        datagram.extend(SEQUENCE.to_ne_bytes());
        datagram.extend([0; 4]);
        datagram.extend(body);
        datagram.resize(datagram.len().next_multiple_of(4), 0);
        rest = behind;
    }
    datagram
}
