//! One second in which 30 listeners in containers lose 500 SYNs.

use std::sync::Arc;

use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::{Event, ListenerCounts, Occurrence, Reasons, Snapshot, Totals};
use backlog_trace_model::listener::{Listener, Owner};

use super::{SECOND, START, balanced, met, nginx, session};

const LISTENERS: u16 = 30;
const LOSSES: u64 = 500;

/// The listener of each number loses as many as that number, and the last what is
/// missing from 500: in turns, each from three clients.
pub(crate) fn second() -> Vec<Event> {
    let mut left: Vec<u64> = (1..=u64::from(LISTENERS)).collect();
    let others: u64 = left.iter().rev().skip(1).sum();
    *left.last_mut().unwrap() = LOSSES - others;
    let lost = left.clone();
    let mut events = vec![Event::Started(Arc::new(session()))];
    events.extend((1..=LISTENERS).map(|number| Event::Listener(Arc::new(listener(number)))));
    let mut details = Vec::new();
    while left.iter().any(|count| *count > 0) {
        for (number, count) in (1..).zip(&mut left).filter(|(_, count)| **count > 0) {
            *count -= 1;
            let us = 1_000_000 + 1_900 * details.len() as u64;
            let client = 40_000 + u16::try_from(*count % 3).unwrap();
            let lost = met(us, Reason::SynAcceptQueueFull, ("10.0.0.7", client));
            details.push(Occurrence { listener: key(number), port: 8000 + number, ..lost });
        }
    }
    assert_eq!(details.len() as u64, LOSSES);
    events.push(Event::Details(details));
    let mut all = Reasons::default();
    all[Reason::SynAcceptQueueFull] = LOSSES;
    let counts = |(number, count): (u16, &u64)| {
        let mut reasons = Reasons::default();
        reasons[Reason::SynAcceptQueueFull] = *count;
        let totals = Totals {
            syns: *count,
            sk_drops: *count,
            accept_queue_max: 129,
            syn_queue_max: 3,
            limit: 128,
            reasons,
            ..Totals::default()
        };
        ListenerCounts { id: u32::from(number), totals, sk_drops: Some(*count), ..ListenerCounts::default() }
    };
    let snapshot = Snapshot {
        time: START + 3 * SECOND,
        listeners: (1..).zip(&lost).map(counts).collect(),
        namespaces: vec![balanced(&all)],
        details_seen: LOSSES,
        ..Snapshot::default()
    };
    events.extend([Event::Snapshot(Arc::new(snapshot)), Event::Finished]);
    events
}

fn key(number: u16) -> u64 {
    5000 + u64::from(number)
}

/// Of Docker, of a pod, of a service, of a user's session, and of nobody that can be seen.
fn listener(number: u16) -> Listener {
    let id = format!("{number:04x}91b0c4d5").repeat(6)[..64].to_owned();
    let (owners, cgroup) = match number % 5 {
        0 => (vec![], None),
        1 => (vec![Owner::new(700, "java")], Some(format!("/system.slice/docker-{id}.scope"))),
        2 => {
            let pod = format!("/kubepods/burstable/pod{number:04x}aaaa-0000-4000-8000-000000000001/{id}");
            (vec![Owner::new(800, "envoy"), Owner::new(801, "envoy")], Some(pod))
        }
        3 => (vec![Owner::new(900, "haproxy")], Some("/system.slice/haproxy.service".to_owned())),
        _ => (vec![Owner::new(950, "node")], Some("/user.slice/user-1000.slice/session-3.scope".to_owned())),
    };
    Listener {
        id: u32::from(number),
        keys: vec![key(number)],
        cookie: Some(key(number)),
        port: 8000 + number,
        inode: u64::from(number) + 1,
        owners,
        cgroup,
        ..nginx()
    }
}
