//! TCP sockets from the text of `/proc/net/tcp` and `/proc/net/tcp6`: what
//! there is where the kernel does not list sockets by `sock_diag`. Pure.
//!
//! A listener's address, port, inode and accept queue are in it (`rx_queue` is
//! `sk_ack_backlog` there: `get_tcp4_sock()`, net/ipv4/tcp_ipv4.c, 4.4 to 7.2),
//! and each half-open request. No limit, no drops and no cookie.
//!
//! It reads line by line and keeps what was asked for: such a table holds every
//! connection of a namespace. A line that makes no sense costs only itself.

use std::io::{self, BufRead, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::message::{Socket, States};

/// Longest line that makes sense; the kernel pads lines to 150 characters, and
/// IPv6 ones are some 180.
const LONGEST_LINE: u64 = 1024;

/// `TCP_LISTEN` (include/net/tcp_states.h).
const LISTEN: u8 = 10;

/// `TCP_SYN_RECV`, which a half-open request is shown as (`get_openreq4()`).
const SYN_RECV: u8 = 3;

/// Words on the line of a half-open request. A socket's own line has five more,
/// from its timers to `ssthresh`; so a Fast Open child, which is in `SYN_RECV`
/// too, is no half-open request.
const WORDS_OF_REQUEST: usize = 12;

/// The sockets of a table in these states.
///
/// # Errors
/// Those of the reader.
pub(super) fn sockets(mut table: impl BufRead, states: States) -> io::Result<Vec<Socket>> {
    let mut found = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if table.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(found);
        }
        found.extend(std::str::from_utf8(&line).ok().and_then(|line| socket(line, states)));
    }
}

/// The socket of one line, if it is in one of these states.
fn socket(line: &str, states: States) -> Option<Socket> {
    let words: Vec<&str> = line.split_ascii_whitespace().take(WORDS_OF_REQUEST + 1).collect();
    let [_, local, _, state, queues, _, _, uid, _, inode, ..] = words.as_slice() else { return None };
    let state = u8::from_str_radix(state, 16).ok()?;
    let wanted = match states {
        States::Listen => state == LISTEN,
        States::HalfOpen => state == SYN_RECV && words.len() == WORDS_OF_REQUEST,
    };
    if !wanted {
        return None;
    }
    let (address, port) = local.split_once(':')?;
    let (_, accept_queue) = queues.split_once(':')?;
    Some(Socket {
        cookie: None,
        address: self::address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        inode: inode.parse().ok()?,
        accept_queue: u32::from_str_radix(accept_queue, 16).ok()?,
        limit: None,
        drops: None,
        v6only: false,
        uid: uid.parse().ok()?,
        cgroup: None,
    })
}

/// One or four words of 32 bits, each printed as this host's number.
fn address(text: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    let words = text.as_bytes().chunks_exact(8);
    if !words.remainder().is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let count = words.len();
    for (word, place) in words.zip(bytes.chunks_exact_mut(4)) {
        let number = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        place.copy_from_slice(&number.to_ne_bytes());
    }
    let [a, b, c, d, ..] = bytes;
    match count {
        1 => Some(Ipv4Addr::new(a, b, c, d).into()),
        4 => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADING: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    /// 127.0.0.1:8080, 9 connections wait.
    const V4: &str = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000009 00:00000000 00000000    33        0 102322 1 0000000000000000 100 0 0 10 0\n";
    /// [::1]:80.
    const V6: &str = "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 70 1 0000000000000000 100 0 0 10 0\n";
    const ESTABLISHED: &str = "   2: 0100007F:1F90 0100007F:D8B2 01 00000000:00000000 00:00000000 00000000     0        0 103 1 0000000000000000 20 4 30 10 -1\n";
    const REQUEST: &str = "   3: 0100007F:1F90 020000C6:4E21 03 00000000:00000000 01:00000063 00000000     0        0 0 0 0000000000000000\n";
    /// A Fast Open child: a socket of its own.
    const CHILD: &str = "   4: 0100007F:1F90 020000C6:4E22 03 00000000:00000000 01:00000063 00000000     0        0 0 1 0000000000000000 20 4 30 10 -1\n";

    #[track_caller]
    fn check(table: &str, states: States, expected: &[(&str, u16, u32, u32)]) {
        let found = sockets(table.as_bytes(), states).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|socket| (socket.address.to_string(), socket.port, socket.inode, socket.accept_queue))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(address, port, inode, queue)| ((*address).to_owned(), *port, *inode, *queue))
            .collect();
        assert_eq!(seen, expected);
        assert!(found.iter().all(|socket| (socket.cookie, socket.limit, socket.drops) == (None, None, None)));
    }

    #[test]
    fn listeners_and_requests_are_told_apart_from_the_rest() {
        let table = [HEADING, V4, V6, ESTABLISHED, REQUEST, CHILD].concat();
        check(&table, States::Listen, &[("127.0.0.1", 8080, 102_322, 9), ("::1", 80, 70, 0)]);
        check(&table, States::HalfOpen, &[("127.0.0.1", 8080, 0, 0)]);
    }

    #[test]
    fn a_line_that_makes_no_sense_costs_only_itself() {
        let long = "x".repeat(3000);
        for broken in [
            "\n",
            "nonsense\n",
            &V4.replace("0100007F", "0100007"),
            &V4.replace(":1F90", ":1F901"),
            &format!("{long}\n"),
        ] {
            check(&format!("{broken}{V4}"), States::Listen, &[("127.0.0.1", 8080, 102_322, 9)]);
        }
        check("", States::Listen, &[]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(bytes: Vec<u8>, words in "([0-9A-F:]{0,40} ?){0,20}\n") {
            for states in [States::Listen, States::HalfOpen] {
                let _ = sockets(bytes.as_slice(), states);
                let _ = sockets(words.as_bytes(), states);
            }
        }
    }

    /// The kernel's own table agrees with what was opened.
    #[test]
    fn this_kernels_table_has_a_listener_of_this_process() {
        use std::os::fd::AsFd;
        use std::os::unix::fs::MetadataExt;
        for (address, table) in [("127.0.0.1:0", "tcp"), ("[::1]:0", "tcp6")] {
            let listener = std::net::TcpListener::bind(address).unwrap();
            let bound = listener.local_addr().unwrap();
            let _waits = std::net::TcpStream::connect(bound).unwrap();
            let inode =
                std::fs::File::from(listener.as_fd().try_clone_to_owned().unwrap()).metadata().unwrap().ino();
            let text = std::fs::read(format!("/proc/thread-self/net/{table}")).unwrap();
            let found = sockets(text.as_slice(), States::Listen).unwrap();
            let own = found.iter().find(|socket| u64::from(socket.inode) == inode).unwrap();
            assert_eq!((own.address, own.port, own.accept_queue), (bound.ip(), bound.port(), 1));
        }
    }
}
