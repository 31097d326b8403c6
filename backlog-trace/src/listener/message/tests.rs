//! Messages built by hand from the layout in include/uapi/linux/inet_diag.h.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

const SEQUENCE: u32 = 7;

/// A netlink message around `body`, padded as the kernel pads.
fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `struct inet_diag_msg` of a listener on port 8080, cookie 2^32 + 2, queue
/// 129 of 128, uid 33, inode 102322.
fn listener(family: u8, address: [u8; 16], attributes: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![family, 10, 0, 0];
    body.extend(8080u16.to_be_bytes());
    body.extend([0; 2]);
    body.extend(address);
    body.extend([0; 16]);
    body.extend(0u32.to_ne_bytes());
    body.extend(2u32.to_ne_bytes());
    body.extend(1u32.to_ne_bytes());
    for word in [0u32, 129, 128, 33, 102_322] {
        body.extend(word.to_ne_bytes());
    }
    for (kind, value) in attributes {
        body.extend(u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    body
}

/// `INET_DIAG_SKMEMINFO`: nine words, the last one `sk_drops`.
fn memory(drops: u32) -> (u16, Vec<u8>) {
    (7, [0, 0, 0, 0, 0, 0, 0, 0, drops].iter().flat_map(|word: &u32| word.to_ne_bytes()).collect())
}

fn v4() -> Vec<u8> {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[10, 0, 0, 1]);
    listener(2, address, &[memory(319), (21, 9001u64.to_ne_bytes().to_vec())])
}

#[track_caller]
fn check(datagram: &[u8], progress: Progress, malformed: u32, sockets: usize) -> Vec<Socket> {
    let (mut flaws, mut found) = (Flaws::default(), Vec::new());
    assert_eq!(read(datagram, SEQUENCE, &mut flaws, |socket| found.push(socket)), progress);
    assert_eq!((flaws.malformed, found.len()), (malformed, sockets));
    found
}

#[test]
fn every_field_of_an_ipv4_listener() {
    let found = check(&message(20, 2, SEQUENCE, &v4()), Progress::More, 0, 1);
    assert_eq!(
        found[0],
        Socket {
            cookie: Some((1 << 32) + 2),
            address: Ipv4Addr::new(10, 0, 0, 1).into(),
            port: 8080,
            inode: 102_322,
            accept_queue: 129,
            limit: Some(128),
            drops: Some(319),
            v6only: false,
            uid: 33,
            cgroup: Some(9001),
        }
    );
}

#[test]
fn an_ipv6_listener_says_whether_it_takes_ipv4_clients() {
    for only in [false, true] {
        let body = listener(10, Ipv6Addr::UNSPECIFIED.octets(), &[(11, vec![u8::from(only)])]);
        let found = check(&message(20, 2, SEQUENCE, &body), Progress::More, 0, 1);
        assert_eq!((found[0].address, found[0].v6only), (Ipv6Addr::UNSPECIFIED.into(), only));
        assert_eq!((found[0].drops, found[0].cgroup), (None, None));
    }
}

#[test]
fn several_messages_in_one_datagram_until_done() {
    let mut datagram = message(20, 2, SEQUENCE, &v4());
    datagram.extend(message(20, 2, SEQUENCE, &v4()));
    datagram.extend(message(3, 2, SEQUENCE, &0u32.to_ne_bytes()));
    check(&datagram, Progress::Done, 0, 2);
}

#[test]
fn how_a_dump_ends() {
    let failed = |errno: i32| Progress::Failed(errno);
    check(&message(3, 2, SEQUENCE, &[]), Progress::Done, 0, 0);
    check(&message(3, 2, SEQUENCE, &(-105i32).to_ne_bytes()), failed(105), 0, 0);
    check(&message(2, 0, SEQUENCE, &(-2i32).to_ne_bytes()), failed(2), 0, 0);
    check(&message(2, 0, SEQUENCE, &i32::MIN.to_ne_bytes()), failed(0), 0, 0);
    check(&message(4, 0, SEQUENCE, &[]), failed(105), 0, 0);
}

#[test]
fn an_answer_to_another_request_is_left_out() {
    let mut datagram = message(20, 2, SEQUENCE - 1, &v4());
    datagram.extend(message(3, 2, SEQUENCE - 1, &0u32.to_ne_bytes()));
    check(&datagram, Progress::More, 0, 0);
}

#[test]
fn an_interrupted_dump_is_noticed() {
    let mut flaws = Flaws::default();
    read(&message(20, 0x12, SEQUENCE, &v4()), SEQUENCE, &mut flaws, |_| {});
    assert!(flaws.interrupted);
}

#[test]
fn a_broken_message_costs_only_itself() {
    let mut datagram = message(20, 2, SEQUENCE, &v4()[..40]);
    datagram.extend(message(20, 2, SEQUENCE, &listener(1, [0; 16], &[])));
    datagram.extend(message(20, 2, SEQUENCE, &v4()));
    check(&datagram, Progress::More, 2, 1);
}

#[test]
fn a_length_that_makes_no_sense_ends_the_datagram() {
    for length in [0u32, 15, 4000, u32::MAX] {
        let mut datagram = message(20, 2, SEQUENCE, &v4());
        datagram.extend(message(20, 2, SEQUENCE, &v4()));
        let second = datagram.len() / 2;
        datagram[second..second + 4].copy_from_slice(&length.to_ne_bytes());
        check(&datagram, Progress::More, 1, 1);
    }
}

#[test]
fn a_datagram_cut_anywhere_is_read_without_panic() {
    let whole = message(20, 2, SEQUENCE, &v4());
    for end in 0..whole.len() {
        let _ = check(&whole[..end], Progress::More, u32::from(end > 0), 0);
    }
}

/// `struct inet_diag_req_v2`: family, protocol, extensions, pad, states, and
/// an id of zeroes.
#[test]
fn the_request_asks_for_what_it_should() {
    for (states, mask) in [(States::Listen, 1u32 << 10), (States::HalfOpen, 1 << 12)] {
        for family in [2, 10] {
            let mut body = vec![family, 6, 1 << 6, 0];
            body.extend(mask.to_ne_bytes());
            body.extend([0; 48]);
            assert_eq!(request(family, states, SEQUENCE), message(20, 0x301, SEQUENCE, &body));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
        read(&bytes, SEQUENCE, &mut Flaws::default(), |_| {});
    }

    #[test]
    fn any_body_and_any_flipped_byte_are_read_without_panic(
        body: Vec<u8>, kind in 0u16..24, at: prop::sample::Index, with: u8,
    ) {
        read(&message(kind, 2, SEQUENCE, &body), SEQUENCE, &mut Flaws::default(), |_| {});
        let mut flipped = message(20, 2, SEQUENCE, &v4());
        let at = at.index(flipped.len());
        flipped[at] = with;
        read(&flipped, SEQUENCE, &mut Flaws::default(), |_| {});
    }
}
