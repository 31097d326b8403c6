//! Occurrences by hand, of which every line and every sum is known.

use std::net::Ipv4Addr;

use backlog_trace_common::detail::Outcome;

use super::*;
use crate::event::{Occurrence, What};

/// A packet of client `client` that met a reason on the listener with this key.
fn packet(key: u64, reason: Reason, client: u32) -> (Attributed, Met) {
    let met = Met { outcome: Outcome::Silent, ..Met::only(reason) };
    let peer = Peer { address: Ipv4Addr::from_bits(client).into(), port: 40_000 };
    let occurrence = Occurrence {
        time: 0,
        listener: key,
        netns: 5,
        port: 8080,
        peer: Some(peer),
        accept_queue: 9,
        syn_queue: client % 4,
        limit: 8,
        cpu: 0,
        what: What::Met(met),
    };
    (Attributed { who: Who::unknown(&occurrence), occurrence }, met)
}

/// What is told of packets by listener, reason and client, all in one second.
fn told(packets: impl IntoIterator<Item = (u64, Reason, u32)>) -> Told {
    let mut second = Second::default();
    for (key, reason, client) in packets {
        let (item, met) = packet(key, reason, client);
        second.add_met(0, &item, met);
    }
    second.take()
}

/// Listener, packets and clients of each line.
fn lines(told: &Told) -> Vec<(u64, u64, usize)> {
    let line = |entry: &Entry| match entry {
        Entry::Met(line) => Some((line.first.occurrence.listener, line.packets, line.clients.len())),
        Entry::Life(_) => None,
    };
    told.entries.iter().filter_map(line).collect()
}

const SYN: Reason = Reason::SynAcceptQueueFull;
const ACK: Reason = Reason::AckAcceptQueueFull;

#[test]
fn packets_that_met_the_same_on_one_listener_are_one_line() {
    let told = told([(1, SYN, 1), (2, SYN, 1), (1, SYN, 2), (1, SYN, 2), (1, ACK, 2)]);
    assert_eq!(lines(&told), [(1, 3, 2), (2, 1, 1), (1, 1, 1)]);
    let Some(Entry::Met(line)) = told.entries.first() else { panic!("{told:?}") };
    assert_eq!((line.accept_queue, line.syn_queue, line.met.reason), (9, 2, SYN));
    assert_eq!(told.rest, Rest::default());
}

#[test]
fn what_was_answered_otherwise_is_a_line_of_its_own() {
    let mut second = Second::default();
    for outcome in [Outcome::Silent, Outcome::Reset, Outcome::Silent] {
        let (item, met) = packet(1, ACK, 1);
        second.add_met(0, &item, Met { outcome, ..met });
    }
    assert_eq!(lines(&second.take()), [(1, 2, 1), (1, 1, 1)]);
}

/// Listener 1 loses one packet, listener 2 two and so on: the last twenty are told.
#[test]
fn of_more_lines_than_a_screen_holds_those_with_fewest_packets_are_summed_up() {
    let of = |key: u32| (0..key).map(move |client| (u64::from(key), SYN, client));
    let told = told((1..=30).flat_map(of));
    let most = u64::try_from(LINES).unwrap();
    let listeners = (31 - most..=30).zip(31 - LINES..=30);
    assert_eq!(lines(&told), listeners.map(|(key, count)| (key, key, count)).collect::<Vec<_>>());
    let packets = (1..=30 - most).sum();
    let listeners = 30 - LINES;
    assert_eq!(told.rest, Rest { packets, are_losses: true, listeners, ..Rest::default() });
}

/// What is sent again is no loss, however often: every loss goes before it.
#[test]
fn losses_go_before_what_is_none() {
    let again = (0..100).map(|_| (1, Reason::SynackRetransmit, 1));
    let told = told(again.chain((2..2 + LINES as u64).map(|key| (key, SYN, 1))));
    assert!(lines(&told).iter().all(|(_, packets, _)| *packets == 1));
    assert_eq!(told.rest, Rest { packets: 100, listeners: 1, ..Rest::default() });
}

/// Ten times as many listeners, clients and openings as are told apart.
#[test]
fn no_second_holds_more_than_its_bounds() {
    let mut second = Second::default();
    let lots = 10 * u32::try_from(CLIENTS).unwrap();
    for number in 0..lots {
        let (item, met) = packet(u64::from(number), SYN, number);
        second.add_met(0, &item, met);
        let (item, met) = packet(0, SYN, number);
        second.add_met(0, &item, met);
        second.add_life(0, &item);
    }
    assert_eq!(second.places.len(), TRACKED);
    assert_eq!(second.entries.len(), TRACKED + LINES);
    let held = second.entries.iter().map(|entry| match entry {
        Entry::Met(line) => line.clients.len(),
        Entry::Life(_) => 0,
    });
    assert_eq!(held.sum::<usize>(), CLIENTS);
    let told = second.take();
    assert_eq!(lines(&told).len(), LINES);
    // No packet is left out of the sum.
    let shown: u64 = lines(&told).iter().map(|(_, packets, _)| packets).sum();
    assert_eq!(shown + told.rest.packets, 2 * u64::from(lots));
    assert!(told.rest.has_more_listeners);
    assert_eq!(told.rest.lives, u64::from(lots) - LINES as u64);
    let Some(Entry::Met(line)) = told.entries.first() else { panic!("no line") };
    assert!(line.has_more_clients);
}

#[test]
fn a_later_second_begins_another_and_what_is_a_little_late_joins() {
    let mut second = Second::default();
    assert!(!second.is_over_at(0) && !second.is_over_at(i64::MAX));
    let (item, met) = packet(1, SYN, 1);
    second.add_met(10, &item, met);
    for (at, is_over) in [(10, false), (9, false), (11, true), (8, true), (i64::MIN, true), (i64::MAX, true)]
    {
        assert_eq!(second.is_over_at(at), is_over, "{at}");
    }
    second.take();
    assert!(!second.is_over_at(8));
}

#[test]
fn a_second_is_over_at_the_third_tick_after_it_began() {
    let mut second = Second::default();
    assert!((0..10).all(|_| !second.tick()));
    for _ in 0..2 {
        let (item, met) = packet(1, SYN, 1);
        second.add_met(10, &item, met);
        assert_eq!([second.tick(), second.tick(), second.tick()], [false, false, true]);
        assert_eq!(second.take().entries.len(), 1);
    }
    second.add_missed(10, 5, 3);
    second.add_missed(10, 6, 4);
    assert_eq!(second.take().missed, Some((6, 7)));
}
