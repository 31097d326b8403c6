//! A client's way across sockets: what it sees of a listener is an address and
//! a port, and a service that restarts keeps them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the scene")]
mod scene;

use std::sync::Arc;

use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::{Event, Occurrence, Snapshot, What};
use backlog_trace_model::listener::{Filter, Listener, Owner};
use backlog_trace_model::tally::Selection;
use backlog_trace_model::view::HistJson;
use scene::shown::{Asked, shown};
use serde_json::Value;

const SECOND_US: u64 = 1_000_000;
const CLIENTS: u16 = 142;

/// nginx after a restart: the same address, another socket and process.
fn restarted(id: u32, key: u64) -> Listener {
    let owners = vec![Owner::new(900 + id, "nginx")];
    Listener { id, keys: vec![key], cookie: Some(key), inode: 200_000 + key, owners, ..scene::nginx() }
}

/// What 142 clients meet: refused by the first socket, which closes; every
/// third is refused by its successor too, and all but the last ten get in there.
fn restart() -> Vec<Event> {
    let successor = restarted(1, 5000);
    let refused = What::Met(scene::told(Reason::SynAcceptQueueFull));
    let met = |us, what, client: u16, key| Occurrence {
        listener: key,
        ..scene::happened(us, what, ("10.0.0.7", 40_000 + client))
    };
    let life = |us, what, key| Occurrence { peer: None, ..met(us, what, 0, key) };
    let mut details: Vec<Occurrence> =
        (0..CLIENTS).map(|client| met(1000 + u64::from(client), refused, client, 4129)).collect();
    details.push(life(SECOND_US / 2, What::Closed, 4129));
    details.push(life(SECOND_US / 2 + 1, What::Opened, 5000));
    for client in 0..CLIENTS {
        let first_retry = SECOND_US + u64::from(client);
        if client % 3 == 0 {
            details.push(met(first_retry, refused, client, 5000));
        }
        if client < CLIENTS - 10 {
            let us = first_retry + if client % 3 == 0 { 2 * SECOND_US } else { 0 };
            details.push(met(us, What::Established, client, 5000));
        }
    }
    details.sort_by_key(|detail| detail.time);
    vec![
        Event::Started(Arc::new(scene::session())),
        Event::Listener(Arc::new(scene::nginx())),
        Event::Listener(Arc::new(successor)),
        Event::Details(details),
        Event::Snapshot(Arc::new(Snapshot {
            time: scene::START + 10 * scene::SECOND,
            ..Snapshot::default()
        })),
        Event::Finished,
    ]
}

/// What `hist` says of the listeners' connections by this name, added up.
fn sum(events: &[Event], selection: Selection, name: &str) -> u64 {
    let asked = Asked::only(selection.clone());
    let printed = shown(events, &asked, |out| Box::new(HistJson::new(out, selection)));
    let report: Value = serde_json::from_str(&printed).unwrap();
    let listeners = report["listeners"].as_array().unwrap();
    listeners.iter().map(|listener| listener["connections"][name].as_u64().unwrap()).sum()
}

/// The sums over all listeners of what `hist` says of connections.
fn connections(events: &[Event], selection: &Selection) -> (u64, u64, u64) {
    let of = |name| sum(events, selection.clone(), name);
    (of("lost"), of("recovered"), of("not_recovered"))
}

#[test]
fn a_client_that_the_successor_lets_in_got_in() {
    assert_eq!(connections(&restart(), &Selection::default()), (142, 132, 10));
}

#[test]
fn who_let_the_client_in_need_not_be_asked_for() {
    let listeners = Filter { pids: vec![812], ..Filter::default() };
    let asked_for = Selection { listeners, ..Selection::default() };
    assert_eq!(connections(&restart(), &asked_for), (142, 132, 10));
}

/// Clients that a listener refuses so long after the start.
#[track_caller]
fn check_midway(seconds: u64, lost_before: bool, expected: u64) {
    let listener = Listener { lost_before, ..scene::nginx() };
    let peer = ("10.0.0.7", 40_000);
    let refused = |us| scene::met(us, Reason::SynAcceptQueueFull, peer);
    let first = seconds * SECOND_US;
    let events = [
        Event::Started(Arc::new(scene::session())),
        Event::Listener(Arc::new(listener)),
        Event::Details(vec![refused(first), refused(first + 2 * SECOND_US)]),
        Event::Finished,
    ];
    assert_eq!(sum(&events, Selection::default(), "maybe_midway"), expected, "{seconds} s");
}

#[test]
fn a_client_that_was_refused_before_the_start_is_met_in_the_middle_of_its_tries() {
    check_midway(1, true, 1);
    check_midway(64, true, 1);
    // After its longest silence a client that comes first then has begun then.
    check_midway(65, true, 0);
    // A listener that had dropped nothing had refused nobody.
    check_midway(1, false, 0);
}
