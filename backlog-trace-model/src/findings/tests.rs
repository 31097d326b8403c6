//! Each finding on a report in which it must be found, and beside it one in which
//! it must not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backlog_trace_common::bucket::{WAIT_BUCKETS, bucket_of};
use backlog_trace_common::counter::{COUNTERS, Counter};
use backlog_trace_common::detail::{Cause, Outcome};
use backlog_trace_common::reason::{Class, Reason};

use super::*;
use crate::event::{Asked, Clock, Figure, HookState, Met, Reasons, Rung, Session, Totals};
use crate::listener::{Listener, Owner, State, Sysctls};
use crate::tally::{
    Arrival, ConnectionCounts, DetailCounts, History, ListenerReport, NamespaceAudit, Report, Signs,
    SocketDrops, WhatIf, Who,
};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const DROPS: usize = Counter::ListenDrops.index();

/// The host's own network namespace.
const HOST: u32 = 1;

pub(super) fn listener() -> Listener {
    Listener {
        id: 0,
        keys: vec![1],
        netns: HOST,
        cookie: Some(1),
        address: "0.0.0.0".parse().unwrap(),
        port: 8080,
        inode: 1,
        owners: vec![Owner::new(812, "nginx")],
        cgroup: None,
        limit: Some(128),
        somaxconn: Some(4096),
        netns_name: None,
        lost_before: false,
        v6only: false,
        closed: false,
        namespace: None,
    }
}

fn known(listener: Listener) -> Who {
    Who::Known(Arc::new(listener))
}

/// A listener with a backlog of 8 that has accepted 100 connections at once in ten seconds.
fn healthy() -> ListenerReport {
    let mut totals = Totals {
        syns: 100,
        established: 100,
        accepted: 100,
        accept_queue_max: 1,
        limit: 8,
        ..Totals::default()
    };
    totals.accept_wait_us[4] = 100;
    ListenerReport {
        who: known(listener()),
        totals,
        limit: Some(8),
        waiting: Some([0, 0]),
        connections: ConnectionCounts::default(),
        sk_drops: SocketDrops { kernel: Some(0), ..SocketDrops::default() },
        stalled_since: None,
        history: Some(History::default()),
    }
}

/// Ten seconds on a host where every hook is attached and every counter balances.
fn report(listeners: Vec<ListenerReport>) -> Report {
    let mut counters = [0; COUNTERS];
    counters[DROPS] = listeners.iter().map(|listener| listener.totals.reasons.counters()[DROPS]).sum();
    let hook = HookState {
        hook: "syn".to_owned(),
        rung: Some(Rung::Fentry),
        state: "attached".to_owned(),
        why: None,
    };
    let session = Session {
        version: String::new(),
        host: String::new(),
        kernel: String::new(),
        netns: Some(HOST),
        start: 0,
        clock: Clock { unix_minus_monotonic: 0 },
        zone: None,
        asked: Asked::default(),
        hooks: vec![hook],
        sources: Vec::new(),
    };
    let audit = NamespaceAudit {
        netns: HOST,
        kernel: Some(counters),
        attributed: counters,
        unaccounted: Some([0; COUNTERS]),
        unlisted: Reasons::default(),
    };
    Report {
        session: Some(Arc::new(session)),
        sources: Arc::default(),
        is_final: true,
        complete: true,
        gaps: Vec::new(),
        from: 0,
        to: 10 * SECOND,
        listeners,
        audit: vec![audit],
        sysctls: Arc::default(),
        details: DetailCounts::default(),
    }
}

/// A listener that refused so many SYNs, each of another client, because its accept queue was full.
fn refusing(clients: u64, queue: Option<&WhatIf>) -> ListenerReport {
    let mut ill = healthy();
    ill.totals.reasons[Reason::SynAcceptQueueFull] = clients;
    ill.totals.accept_queue_max = 9;
    ill.connections.lost = clients;
    ill.sk_drops = SocketDrops { kernel: Some(clients), attributed: clients, ..SocketDrops::default() };
    ill.history.get_or_insert_default().need = queue.and_then(|queue| queue.need(10 * SECOND));
    ill
}

/// A queue with room for 9 that refuses a client every so many ms, while one is
/// accepted every so many ms, whose place the next client takes.
fn overload(refused: u64, every_ms: u64, accept_every_ms: u64) -> WhatIf {
    let mut queue = WhatIf::default();
    let mut next_accept = accept_every_ms;
    for number in 0..refused {
        let now = number * every_ms;
        queue.see(now * MS, 9, Arrival::Refused);
        while next_accept <= now {
            queue.see(now * MS, 9, Arrival::Finished);
            next_accept += accept_every_ms;
        }
    }
    queue
}

/// 80 clients in 80 ms, of which 7 take the places of those that were accepted.
fn burst() -> ListenerReport {
    refusing(80, Some(&overload(80, 1, 10)))
}

fn kinds(judged: &Judged) -> Vec<Kind> {
    judged.findings.iter().map(|finding| finding.kind).collect()
}

#[track_caller]
fn check(listeners: Vec<ListenerReport>, expected: &[Kind]) -> Judged {
    let judged = Judged::of(report(listeners));
    assert_eq!(kinds(&judged), expected, "{:#?}", judged.findings);
    judged
}

#[track_caller]
fn fact(judged: &Judged, name: &str) -> Number {
    let facts = judged.findings.iter().flat_map(|finding| &finding.facts);
    facts.filter(|fact| fact.name == name).map(|fact| fact.number.clone()).next().unwrap()
}

#[track_caller]
fn check_counts(judged: &Judged, expected: &[(&str, u64)]) {
    for (name, count) in expected {
        assert_eq!(fact(judged, name), Number::Count(*count), "{name}");
    }
}

fn lines(judged: &Judged) -> Vec<&str> {
    judged.findings[0].actions.iter().filter_map(|action| action.line.as_deref()).collect()
}

#[test]
fn a_host_that_refused_nobody_is_acquitted_and_another_is_not() {
    let judged = check(vec![healthy(), healthy()], &[Kind::NobodyRefused]);
    assert_eq!(judged.findings[0].certainty, Certainty::Certain);
    assert_eq!((judged.of_host().len(), judged.verdict(0).is_none()), (1, true));
    // Filters let the healthy one through, and another lost something.
    let mut hidden = report(vec![healthy()]);
    hidden.audit[0].attributed[DROPS] = 1;
    assert!(kinds(&Judged::of(hidden)).is_empty());
    let mut unsure = report(vec![healthy()]);
    unsure.audit[0].kernel = None;
    assert_eq!(Judged::of(unsure).findings[0].certainty, Certainty::Likely);
    let interval = Report { is_final: false, ..report(vec![healthy()]) };
    assert!(kinds(&Judged::of(interval)).is_empty());
}

/// Its accept queue is full, and nothing was accepted since then.
fn stuck(since: u64) -> ListenerReport {
    let mut stuck = refusing(5, Some(&overload(5, 300, 100_000)));
    stuck.waiting = Some([0, 9]);
    stuck.stalled_since = Some(since);
    stuck
}

#[test]
fn nobody_accepts() {
    let judged = check(vec![stuck(9 * SECOND)], &[Kind::NotAccepting]);
    assert_eq!(fact(&judged, "nothing_accepted_seconds"), Number::Real(1.0));
    // It has just accepted something.
    check(vec![stuck(9 * SECOND + 1)], &[Kind::AcceptQueueFull]);
    // It has closed, and took them with it.
    let who = known(Listener { closed: true, ..listener() });
    let closed = ListenerReport { who, waiting: Some([0, 0]), ..stuck(0) };
    let closed = check(vec![closed], &[Kind::NotAccepting]);
    assert_eq!(fact(&closed, "nothing_accepted_seconds"), Number::Real(1.2));
    let emptied = ListenerReport { waiting: Some([0, 7]), ..stuck(5 * SECOND) };
    check(vec![emptied], &[Kind::AcceptQueueFull]);
}

#[test]
fn what_the_process_does_decides_what_to_do() {
    let owner = Owner { state: Some(State::Stopped), ..Owner::new(812, "nginx") };
    let who = known(Listener { owners: vec![owner], ..listener() });
    let judged = check(vec![ListenerReport { who, ..stuck(5 * SECOND) }], &[Kind::NotAccepting]);
    assert!(judged.findings[0].because.ends_with("; nginx/812 is stopped by a signal"));
    assert_eq!(lines(&judged), ["kill -CONT 812"]);
    let judged = check(vec![stuck(5 * SECOND)], &[Kind::NotAccepting]);
    assert!(lines(&judged)[0].starts_with("ps "));
}

#[test]
fn a_burst_is_held_by_a_longer_queue_and_a_lasting_overload_by_none() {
    let judged = check(vec![burst()], &[Kind::Burst]);
    check_counts(&judged, &[("needed_limit", 88), ("advised_limit", 110)]);
    assert_eq!(
        (fact(&judged, "cap"), lines(&judged)),
        (Number::Word("application"), vec!["listen PORT backlog=110;"])
    );

    let lasting = refusing(600, Some(&overload(600, 10, 50)));
    let judged = check(vec![lasting], &[Kind::AcceptsTooSlowly]);
    let Number::Real(times) = fact(&judged, "acceptors_factor") else { panic!("no number") };
    assert!((5.5..6.5).contains(&times), "100 were refused and 20 accepted a second: {times}");
    // The same for half a second is a burst.
    check(vec![refusing(50, Some(&overload(50, 10, 50)))], &[Kind::Burst]);
}

#[test]
fn what_cannot_be_told_is_not_guessed() {
    let mut missed = report(vec![burst()]);
    missed.details.missed = 1;
    assert_eq!(kinds(&Judged::of(missed)), [Kind::AcceptQueueFull]);
    let mut unknown = burst();
    unknown.totals.unknown.insert(Figure::Accepted);
    check(vec![unknown], &[Kind::AcceptQueueFull]);
    check(vec![refusing(80, None)], &[Kind::AcceptQueueFull]);
}

#[test]
fn each_cap_that_stands_in_the_way_is_raised() {
    let capped = |limit, somaxconn| {
        let owners = vec![Owner::new(812, "redis-server")];
        let who = known(Listener { somaxconn: Some(somaxconn), netns: 2, owners, ..listener() });
        check(vec![ListenerReport { who, limit: Some(limit), ..burst() }], &[Kind::Burst])
    };
    let inside = "nsenter --net=/proc/812/ns/net sysctl -w net.core.somaxconn=110";
    let both = capped(8, 64);
    assert_eq!((fact(&both, "cap"), lines(&both)), (Number::Word("both"), vec![inside, "tcp-backlog 110"]));
    let cut = capped(64, 64);
    assert_eq!(
        (fact(&cut, "cap"), lines(&cut)),
        (Number::Word("somaxconn"), vec![inside, "tcp-backlog 110"])
    );
    let own = capped(8, 4096);
    assert_eq!((fact(&own, "cap"), lines(&own)), (Number::Word("application"), vec!["tcp-backlog 110"]));
}

#[test]
fn floods_and_cookies() {
    let refused = |syns: u64, established| {
        let mut ill = healthy();
        ill.totals.reasons[Reason::SynQueueFull] = syns;
        ill.totals.established = established;
        ill.connections.lost = syns;
        vec![ill]
    };
    let judged = check(refused(100, 5), &[Kind::SynFlood]);
    assert_eq!(lines(&judged), ["sysctl -w net.ipv4.tcp_syncookies=1"]);
    check(refused(100, 50), &[Kind::SynQueueFull]);
    check(refused(10, 0), &[Kind::SynQueueFull]);
    let cookies = |sent, finished| {
        let mut answered = healthy();
        answered.totals.reasons[Reason::SynCookieSent] = sent;
        answered.totals.established_by_cookie = finished;
        vec![answered]
    };
    check(cookies(100, 5), &[Kind::FloodHeldOff, Kind::NobodyRefused]);
    check(cookies(100, 60), &[Kind::CookiesHideBacklog, Kind::NobodyRefused]);
    check(cookies(100, 20), &[Kind::NobodyRefused]);
    // A limit is given one number.
    let mut both = burst();
    both.totals.reasons[Reason::SynCookieSent] = 100;
    both.totals.established_by_cookie = 60;
    let judged = check(vec![both], &[Kind::Burst, Kind::CookiesHideBacklog]);
    let numbers =
        judged.findings.iter().flat_map(|finding| &finding.actions).filter(|action| action.line.is_some());
    assert_eq!(numbers.count(), 1);
    check(cookies(15, 15), &[Kind::NobodyRefused]);
}

#[test]
fn one_member_of_a_group_takes_the_losses() {
    let member = |id, lost: u64, closed| {
        let member = if lost > 0 { refusing(lost, None) } else { healthy() };
        ListenerReport { who: known(Listener { id, closed, ..listener() }), ..member }
    };
    let group = |lost: [u64; 3]| {
        vec![member(0, lost[0], false), member(1, lost[1], false), member(2, lost[2], false)]
    };
    let judged = check(group([20, 0, 0]), &[Kind::AcceptQueueFull, Kind::ReuseportSkew]);
    check_counts(&judged, &[("members", 3), ("members_without_loss", 2)]);
    check(group([20, 20, 20]), &[Kind::AcceptQueueFull; 3]);
    check(group([20, 15, 0]), &[Kind::AcceptQueueFull; 2]);
    check(group([7, 0, 0]), &[Kind::AcceptQueueFull]);
    // One that has closed is no member any more.
    check(vec![member(0, 20, false), member(1, 0, true)], &[Kind::AcceptQueueFull]);
}

#[test]
fn clients_that_were_fooled_or_reset() {
    let mut fooled = refusing(20, None);
    (fooled.connections.believed, fooled.connections.sent_data) = (3, 1);
    let judged = check(vec![fooled], &[Kind::AcceptQueueFull, Kind::FooledClients]);
    check_counts(&judged, &[("clients", 3), ("sent_data", 1)]);

    let told = |outcome| {
        let mut told = refusing(20, None);
        let met = Met { outcome, ..Met::only(Reason::AckAcceptQueueFull) };
        told.history.get_or_insert_default().signs.note(met, None);
        vec![told]
    };
    check_counts(&check(told(Outcome::Reset), &[Kind::AcceptQueueFull, Kind::Resets]), &[("resets", 1)]);
    check(told(Outcome::Silent), &[Kind::AcceptQueueFull]);
}

#[test]
fn what_a_listener_took_with_it() {
    let mut closing = healthy();
    closing.totals.reasons[Reason::ListenerClosed] = 4;
    let judged = check(vec![closing.clone()], &[Kind::LostByRestart]);
    check_counts(&judged, &[("lost_connections", 4)]);
    assert_eq!(lines(&judged), ["sysctl -w net.ipv4.tcp_migrate_req=1"]);
    // A kernel that has no such sysctl, and one where it is on.
    for tcp_migrate_req in [None, Some(1)] {
        let sysctls = Sysctls { somaxconn: Some(4096), tcp_migrate_req, ..Sysctls::default() };
        let judged = Report { sysctls: Arc::new([(HOST, sysctls)].into()), ..report(vec![closing.clone()]) };
        assert!(lines(&Judged::of(judged)).is_empty());
    }
}

#[test]
fn answers_that_do_not_arrive() {
    let sent_again = |count: u64, cause| {
        let mut signs = Signs::default();
        (0..count).for_each(|_| signs.note(Met { cause, ..Met::only(Reason::SynackRetransmit) }, None));
        let mut silent = healthy();
        silent.totals.reasons[Reason::SynackRetransmit] = count;
        silent.history = Some(History { signs, ..History::default() });
        vec![silent]
    };
    check(sent_again(6, Cause::ClientSilent), &[Kind::Unanswered, Kind::NobodyRefused]);
    check(sent_again(5, Cause::ClientSilent), &[Kind::NobodyRefused]);
    check(sent_again(6, Cause::AckRefused), &[Kind::NobodyRefused]);
}

#[test]
fn every_loss_has_a_verdict() {
    for row in backlog_trace_common::reason::TABLE.iter().filter(|row| row.class == Class::Loss) {
        let mut ill = healthy();
        ill.totals.reasons[row.reason] = 20;
        let judged = Judged::of(report(vec![ill]));
        assert_eq!(judged.severity(0), Some(Severity::Loss), "{}", row.name);
        assert!(!judged.findings[0].actions.is_empty(), "{}", row.name);
    }
}

/// What stands in the headline as lost is in the counts.
#[test]
fn only_what_lost_something_is_called_a_loss() {
    let mut held_off = healthy();
    held_off.totals.reasons[Reason::SynCookieSent] = 100;
    let judged = Judged::of(report(vec![held_off, healthy()]));
    assert_eq!(judged.with(Severity::Loss).count(), 0);
    assert_eq!(judged.with(Severity::Risk).collect::<Vec<_>>(), [0]);
}

#[test]
fn what_may_be_lost_soon() {
    let nearly = |longest: u32, limit| {
        let mut nearly = healthy();
        (nearly.totals.accept_queue_max, nearly.limit) = (longest, Some(limit));
        vec![nearly]
    };
    check(nearly(9, 10), &[Kind::CloseToLimit, Kind::NobodyRefused]);
    check(nearly(8, 10), &[Kind::NobodyRefused]);
    check(nearly(4, 4), &[Kind::NobodyRefused]);

    let slow = |long: u64| {
        let mut slow = healthy();
        slow.totals.accept_wait_us[bucket_of(150_000, WAIT_BUCKETS)] = long;
        vec![slow]
    };
    check(slow(0), &[Kind::NobodyRefused]);
    check(slow(2), &[Kind::SlowToAccept, Kind::NobodyRefused]);
}

/// Names are chosen by whoever runs a process.
#[test]
fn nothing_that_somebody_chose_steers_a_terminal() {
    let evil = Listener { owners: vec![Owner::new(9, "\u{1b}[2J\u{202e}")], ..listener() };
    for ill in [burst(), refusing(600, Some(&overload(600, 10, 50))), stuck(0)] {
        let who = known(evil.clone());
        for finding in Judged::of(report(vec![ListenerReport { who, ..ill }])).findings {
            let actions =
                finding.actions.iter().flat_map(|action| [Some(&action.what), action.line.as_ref()]);
            for text in actions.flatten().chain([&finding.because]) {
                assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
            }
        }
    }
}

/// A report of any size is judged in a time that grows with its size.
#[test]
fn a_group_of_many_members_costs_what_it_weighs() {
    let member = |id| ListenerReport { who: known(Listener { id, ..listener() }), ..refusing(20, None) };
    let listeners = (0..20_000).map(member).collect();
    let began = Instant::now();
    assert_eq!(Judged::of(report(listeners)).findings.len(), 20_000);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
