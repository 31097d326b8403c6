//! Verdicts on scenarios that never happened: one that all agree on, and every
//! way of disagreeing, each of which must be a complaint.

use super::*;
use crate::expectation::Expected;
use crate::found::Found;
use crate::movement::{DropsMovement, NetworkMovement};
use crate::reason::Reason;
use crate::seen::parse_events;
use crate::sight::Sight;

const NETNS: u32 = 7;
const INODE: u64 = 9;

struct Case {
    expected: Expectation,
    kernel: Kernel,
    seen: Seen,
}

/// Three SYNs and two final ACKs refused, a SYN+ACK sent again: all agree.
fn agreed() -> Case {
    let address = "0.0.0.0:8080".parse().unwrap();
    let peer = "198.19.0.1:20001".parse().unwrap();
    let expected = Expectation::exactly([Expected::at(NETNS, INODE, address)
        .packets(Reason::SynAcceptQueueFull, 3)
        .packets(Reason::AckAcceptQueueFull, 1)
        .sk_drops(5)
        .syns(6)
        .established(2)
        .accepted(1)
        .accept_queue(2, 1)
        .connections(3, 1)
        .owner(812)
        .told(Reason::AckAcceptQueueFull, Some("silent"), peer)
        .retransmits_because("ack_refused", 0)
        .finds([Found::of("burst").with("lost_clients", 3).within("accepts_per_second", 90..=110)])]);
    let moved: crate::counters::Counters =
        [("ListenOverflows", 4), ("ListenDrops", 4), ("TCPSynRetrans", 1)].into_iter().collect();
    let kernel = Kernel {
        networks: vec![NetworkMovement { netns: NETNS, low: moved.clone(), high: moved, late: false }],
        listeners: vec![DropsMovement { inode: INODE, low: 5, high: 5, more: false, closed: false }],
    };
    let histogram = r#"{"final":true,"listeners":[{"listener":{"netns":7,"cookie":5,"inode":9,"address":"0.0.0.0","port":8080,"owners":[{"pid":812,"comm":"x"}]},"packets":{"syn/accept_queue_full":3,"ack/accept_queue_full":1,"synack/retransmit":1,"listener/closed":2},"connections":{"lost":3,"recovered":1},"syns":6,"established":2,"accepted":1,"accept_queue":{"limit":1,"max":2},"sk_drops":{"kernel":5,"attributed":5,"explained":0}}],"audit":[{"netns":7,"kernel":{"ListenOverflows":4,"ListenDrops":4,"TCPReqQFullDrop":0,"TCPReqQFullDoCookies":0},"attributed":{"TCPSynRetrans":1},"unaccounted":{"ListenOverflows":0,"ListenDrops":0}}],"hooks":[{"hook":"syn","rung":"fentry","state":"attached"},{"hook":"ack","rung":"fentry","state":"attached"},{"hook":"cookie","rung":"fentry","state":"attached"},{"hook":"synack","rung":"fentry","state":"attached"},{"hook":"accept","rung":"fentry","state":"attached"}],"details":{"missed":0},"findings":[{"kind":"burst","severity":"loss","listener":{"netns":7,"cookie":5},"evidence":{"lost_clients":3,"accepts_per_second":99.5,"cap":"application"}},{"kind":"burst","severity":"loss","listener":{"netns":7,"cookie":6}}]}"#;
    let events = r#"{"type":"loss","stage":"ack","reason":"accept_queue_full","outcome":"silent","listener":{"netns":7,"inode":9},"peer":{"address":"::ffff:198.19.0.1","port":20001}}
{"type":"retransmit","stage":"synack","reason":"retransmit","cause":"ack_refused","listener":{"netns":7,"inode":9}}"#;
    let seen =
        Seen { histogram: Histogram::parse(histogram).unwrap(), events: parse_events(events).unwrap() };
    Case { expected, kernel, seen }
}

/// Changes the case that all agree on; there must be a complaint that says `what`.
#[track_caller]
fn check(what: &str, change: impl FnOnce(&mut Case)) {
    let mut case = agreed();
    change(&mut case);
    let mut why = kernel(&case.expected, &case.kernel);
    why.extend(tool(&case.expected, &case.kernel, &case.seen, true));
    assert!(why.iter().any(|why| why.contains(what)), "no '{what}' in {why:#?}");
}

#[test]
fn agreement_is_no_complaint() {
    let Case { expected, kernel, seen } = agreed();
    assert_eq!(super::kernel(&expected, &kernel), Vec::<String>::new());
    assert_eq!(tool(&expected, &kernel, &seen, true), Vec::<String>::new());
}

#[test]
fn the_kernel_counted_something_else_than_was_built() {
    check("the kernel's ListenDrops moved by 5, not by 4", |case| {
        case.kernel.networks[0].high.add("ListenDrops", 1);
    });
    check("the kernel's TCPReqQFullDrop moved by 1, not by 0", |case| {
        case.kernel.networks[0].high.add("TCPReqQFullDrop", 1);
    });
    check("the kernel's EmbryonicRsts moved by 0, not by 2", |case| {
        case.expected.listeners[0].also.push(("EmbryonicRsts", 2));
    });
    check("the kernel's sk_drops of 0.0.0.0:8080 moved by 6", |case| case.kernel.listeners[0].high = 6);
}

#[test]
fn the_tool_saw_other_packets() {
    let set = |name: &'static str, count: u64| {
        move |case: &mut Case| {
            case.seen.histogram.listeners[0].packets.insert(name.to_owned(), count);
        }
    };
    check("2 syn/accept_queue_full were seen, not 3", set("syn/accept_queue_full", 2));
    check("while the kernel's ListenOverflows moved by 4", set("syn/accept_queue_full", 4));
    check("2 are attributed by the audit, while the kernel's TCPSynRetrans moved by 1", |case| {
        case.seen.histogram.audit[0].attributed.insert("TCPSynRetrans".to_owned(), 2);
    });
    check("1 ack/child_failed were seen, of which the scenario made none", set("ack/child_failed", 1));
    check("1 syn/unheard_of were seen", set("syn/unheard_of", 1));
    check("2 SYN+ACKs sent again were seen", set("synack/retransmit", 2));
    check("0.0.0.0:8080 is not listed", |case| case.seen.histogram.listeners.clear());
    check("0.0.0.0:8080 is listed 2 times", |case| {
        let row = case.seen.histogram.listeners[0].clone();
        case.seen.histogram.listeners.push(row);
    });
    check("losses were charged to port 8080, inode unknown", |case| {
        case.seen.histogram.listeners[0].listener.inode = None;
    });
}

/// Says `sk_drops` of the tool's row and of the socket; whether anybody complains.
#[track_caller]
fn check_rest(residual: u64, abrupt: bool, [seen, socket]: [u64; 2], complains: bool) {
    let mut case = agreed();
    case.expected.listeners[0].residual = residual;
    case.expected.listeners[0].abrupt = abrupt;
    case.seen.histogram.listeners[0].sk_drops.kernel = Some(seen);
    (case.kernel.listeners[0].low, case.kernel.listeners[0].high) = (socket, socket);
    let why = tool(&case.expected, &case.kernel, &case.seen, true);
    assert_eq!(!why.is_empty(), complains, "{why:#?}");
}

#[test]
fn the_rest_of_sk_drops_is_the_one_that_was_made() {
    check_rest(0, false, [5, 5], false);
    check_rest(0, false, [6, 6], true);
    check_rest(1, false, [6, 6], false);
    check_rest(1, false, [5, 5], true);
    check_rest(2, false, [6, 6], true);
    // Closed in the middle of everything: more, but not less.
    check_rest(0, true, [6, 6], false);
    check_rest(0, true, [4, 4], true);
    check_rest(0, true, [5, 6], true);
}

#[test]
fn the_tools_balance_does_not_close() {
    check("does not account for -1 of ListenDrops", |case| {
        case.seen.histogram.audit[0].unaccounted.insert("ListenDrops".to_owned(), -1);
    });
    check("5 is what the audit says of it, while the kernel's ListenDrops moved by 4", |case| {
        case.seen.histogram.audit[0].kernel.insert("ListenDrops".to_owned(), 5);
    });
    check("the audit says nothing of TCPReqQFullDrop", |case| {
        case.seen.histogram.audit[0].kernel.remove("TCPReqQFullDrop");
    });
    check("the audit has no line for namespace 7", |case| case.seen.histogram.audit.clear());
    check("3 details were missed", |case| case.seen.histogram.details.missed = 3);
    check("4 of 5 sk_drops are accounted for", |case| {
        case.seen.histogram.listeners[0].sk_drops.attributed = 4;
    });
    check("sk_drops of 6 were read, the socket counted 5", |case| {
        case.seen.histogram.listeners[0].sk_drops.kernel = Some(6);
    });
}

#[test]
fn the_tool_says_something_else_of_the_listener() {
    check("the number of SYNs is 7, not 6", |case| case.seen.histogram.listeners[0].syns = Some(7));
    check("handshakes is 1, not 2", |case| case.seen.histogram.listeners[0].established = Some(1));
    check("accepts is 0, not 1", |case| case.seen.histogram.listeners[0].accepted = Some(0));
    check("the longest accept queue is 1, not 2", |case| {
        case.seen.histogram.listeners[0].accept_queue.max = Some(1);
    });
    check("the limit is 2, not 1", |case| case.seen.histogram.listeners[0].accept_queue.limit = Some(2));
    check("met a loss is 4, not 3", |case| case.seen.histogram.listeners[0].connections.lost = Some(4));
    check("got in later is 0, not 1", |case| {
        case.seen.histogram.listeners[0].connections.recovered = Some(0);
    });
    check("its port is given as 1", |case| case.seen.histogram.listeners[0].listener.port = 1);
    check("its address is given as", |case| {
        case.seen.histogram.listeners[0].listener.address = Some("127.0.0.1".parse().unwrap());
    });
    check("process 812 holds it", |case| case.seen.histogram.listeners[0].listener.owners.clear());
}

#[test]
fn the_tool_concludes_something_else() {
    check("burst was not found", |case| case.seen.histogram.findings.clear());
    check("burst was not found", |case| case.seen.histogram.findings[0].listener = None);
    check("not_accepting was found, which the scenario did not make", |case| {
        case.seen.histogram.findings[1].listener = case.seen.histogram.findings[0].listener.clone();
        case.seen.histogram.findings[1].kind = "not_accepting".to_owned();
    });
    check("lost_clients of burst is 4, not 3", |case| {
        case.seen.histogram.findings[0].evidence.insert("lost_clients".to_owned(), 4.into());
    });
    check("accepts_per_second of burst is not known, not 90 to 110", |case| {
        case.seen.histogram.findings[0].evidence.remove("accepts_per_second");
    });
    check("nobody_refused was found, although somebody lost packets", |case| {
        case.seen.histogram.findings[1].listener = None;
        case.seen.histogram.findings[1].kind = "nobody_refused".to_owned();
    });
    check("findings are expected of an interval", |case| case.seen.histogram.is_final = false);
    check("nobody_refused was not found, although nothing was lost", |case| {
        case.seen.histogram.findings.clear();
        case.seen.histogram.listeners.clear();
    });
}

#[test]
fn live_told_something_else() {
    check("silent, of 198.19.0.1:20001 was not told (1 times)", |case| case.seen.events.clear());
    check("reset, of 198.19.0.1:20001 was told and did not happen", |case| {
        case.seen.events[0].outcome = Some("reset".to_owned());
    });
    check("no SYN+ACK sent again for the cause ack_refused was told", |case| case.seen.events.truncate(1));
    check("have a cause other than ack_refused, not 0: client_silent", |case| {
        case.seen.events[1].cause = Some("client_silent".to_owned());
    });
    check("1 SYN+ACKs sent again were counted, 3 told", |case| {
        let event = case.seen.events[1].clone();
        case.seen.events.extend([event.clone(), event]);
    });
}

#[test]
fn where_the_kernels_own_clients_retry_only_the_least_is_known() {
    let mut case = agreed();
    case.expected.at_least = true;
    case.kernel.networks[0].high.add("ListenDrops", 3);
    case.kernel.networks[0].low.add("ListenDrops", 3);
    case.kernel.networks[0].high.add("ListenOverflows", 3);
    case.kernel.networks[0].low.add("ListenOverflows", 3);
    // Enough for how it was built, too few for what the kernel counted.
    assert_eq!(kernel(&case.expected, &case.kernel), Vec::<String>::new());
    let why = tool(&case.expected, &case.kernel, &case.seen, false);
    assert!(why.iter().any(|why| why.contains("ListenOverflows moved by 7")), "{why:#?}");
}

#[test]
fn a_missing_hook_is_named_with_its_reason() {
    let Case { expected, seen: Seen { mut histogram, .. }, .. } = agreed();
    assert_eq!(unseen(&["syn", "ack"], &expected, &histogram), None);
    histogram.hooks[1].state = "missing".to_owned();
    histogram.hooks[1].why = Some("no such function".to_owned());
    assert_eq!(
        unseen(&["syn", "ack"], &expected, &histogram).as_deref(),
        Some("the hook ack is not attached: no such function")
    );
    assert!(unseen(&["listen"], &expected, &histogram).is_some());
}

#[test]
fn what_a_rung_does_not_show_is_named_with_its_hook() {
    let Case { expected, seen: Seen { mut histogram, .. }, .. } = agreed();
    let expected = expected.shown_by(Sight::WrongCookies);
    assert_eq!(unseen(&["cookie"], &expected, &histogram), None);
    histogram.hooks[2].rung = Some("tracepoint".to_owned());
    assert_eq!(
        unseen(&["cookie"], &expected, &histogram).as_deref(),
        Some("the hook cookie does not see it on the rung tracepoint")
    );
    assert_eq!(unseen(&["cookie"], &Expectation { sight: None, ..expected }, &histogram), None);
}

/// By tracepoints the number of accepts follows from that of finished
/// handshakes, which says nothing where connections moved between listeners.
#[test]
fn accepts_that_are_derived_are_compared_unless_connections_moved() {
    let wrong = |moved: u64| {
        let mut case = agreed();
        let hooks = &mut case.seen.histogram.hooks;
        hooks.retain(|row| row.hook != "accept");
        case.seen.histogram.listeners[0].accepted = Some(7);
        case.kernel.networks[0].high.add("TCPMigrateReqSuccess", moved);
        case
    };
    let complaints = |case: &Case| tool(&case.expected, &case.kernel, &case.seen, true).len();
    assert_eq!(complaints(&wrong(0)), 0, "without the hook nothing is known of them");
    let by_tracepoint = |mut case: Case| {
        case.seen.histogram.hooks.iter_mut().for_each(|hook| hook.rung = Some("tracepoint".to_owned()));
        case
    };
    assert_eq!(complaints(&by_tracepoint(wrong(0))), 1);
    assert_eq!(complaints(&by_tracepoint(wrong(1))), 0);
}

#[test]
fn a_rung_that_was_asked_for_must_have_been_taken() {
    let histogram = agreed().seen.histogram;
    assert_eq!(rung(&["syn"], None, &histogram), Vec::<String>::new());
    assert_eq!(rung(&["syn"], Some("fentry"), &histogram), Vec::<String>::new());
    assert_eq!(
        rung(&["syn"], Some("kprobe"), &histogram),
        ["the hook syn is on the rung fentry although kprobe was asked for"]
    );
}

/// The same scenario polled: the losses, of which two have a step.
fn polled() -> Case {
    let mut case = agreed();
    let histogram = r#"{"final":true,"polled":true,"listeners":[{"listener":{"netns":7,"inode":9,"address":"0.0.0.0","port":8080,"owners":[]},"packets":{"syn/accept_queue_full":2,"unknown/accept_queue_full":2},"connections":{"lost":null,"recovered":null},"syns":null,"established":null,"accepted":null,"accept_queue":{"limit":1,"max":2},"sk_drops":{"kernel":5,"attributed":4,"explained":0}}],"audit":[{"netns":7,"kernel":{"ListenOverflows":4,"ListenDrops":4,"TCPReqQFullDrop":0,"TCPReqQFullDoCookies":0},"unaccounted":{"ListenOverflows":0,"ListenDrops":0}}],"hooks":[{"hook":"syn","rung":"counters","state":"polled"},{"hook":"synack","rung":null,"state":"missing"}]}"#;
    let events = r#"{"type":"loss","stage":"unknown","reason":"accept_queue_full","outcome":null,"listener":{"netns":7,"inode":9},"peer":null,"count":4}"#;
    case.seen =
        Seen { histogram: Histogram::parse(histogram).unwrap(), events: parse_events(events).unwrap() };
    case
}

#[track_caller]
fn check_polled(what: &str, change: impl FnOnce(&mut Case)) {
    let mut case = polled();
    change(&mut case);
    let why = tool(&case.expected, &case.kernel, &case.seen, true);
    assert!(why.iter().any(|why| why.contains(what)), "no '{what}' in {why:#?}");
}

#[test]
fn polling_promises_less() {
    let Case { expected, kernel, seen } = polled();
    assert_eq!(tool(&expected, &kernel, &seen, true), Vec::<String>::new());
    assert!(promises_all(&expected, &kernel));
    assert_eq!(unseen(&["synack"], &expected, &seen.histogram), None, "no hook is needed");
    assert_eq!(rung(&["syn", "synack"], Some("counters"), &seen.histogram), Vec::<String>::new());
}

#[test]
fn what_polling_promises_it_keeps() {
    fn packets<'a>(case: &'a mut Case, name: &str) -> &'a mut u64 {
        case.seen.histogram.listeners[0].packets.entry(name.to_owned()).or_default()
    }
    check_polled("5 syn/accept_queue_full were charged, and 3 happened", |case| {
        *packets(case, "syn/accept_queue_full") = 5;
    });
    check_polled("1 syn/syn_queue_full were charged, and 0 happened", |case| {
        *packets(case, "syn/syn_queue_full") = 1;
    });
    check_polled("5 packets that move ListenDrops were charged, and 4 happened", |case| {
        *packets(case, "unknown/dropped") = 1;
    });
    check_polled("3 losses were found, and it alone lost 4", |case| {
        *packets(case, "unknown/accept_queue_full") = 1;
    });
    check_polled("3 charged and 0 unaccounted for are not 4", |case| {
        *packets(case, "unknown/accept_queue_full") = 1;
    });
    check_polled("1 more were charged than the kernel counted", |case| {
        case.seen.histogram.audit[0].unaccounted.insert("ListenDrops".to_owned(), -1);
    });
    check_polled("the audit says 3 of ListenDrops", |case| {
        case.seen.histogram.audit[0].kernel.insert("ListenDrops".to_owned(), 3);
    });
    check_polled("no line for namespace 7", |case| case.seen.histogram.audit.clear());
    check_polled("sk_drops of 6 were read", |case| {
        case.seen.histogram.listeners[0].sk_drops.kernel = Some(6);
    });
    check_polled("port 8081, inode unknown, which is no listener", |case| {
        let mut row = case.seen.histogram.listeners[0].clone();
        (row.listener.port, row.listener.inode) = (8081, None);
        case.seen.histogram.listeners.push(row);
    });
    check_polled("was told as if it had been seen", |case| case.seen.events[0].count = None);
    check_polled("9 losses were told, and 4 happened", |case| case.seen.events[0].count = Some(9));
}

#[test]
fn what_polling_cannot_know_is_no_complaint() {
    let none = Vec::<String>::new();
    // The listener closed: its losses may stay in the rest.
    let rest = |case: &mut Case| {
        case.seen.histogram.listeners.clear();
        case.seen.events.clear();
        for name in ["ListenOverflows", "ListenDrops"] {
            case.seen.histogram.audit[0].unaccounted.insert(name.to_owned(), 4);
        }
    };
    let mut case = polled();
    rest(&mut case);
    assert_ne!(tool(&case.expected, &case.kernel, &case.seen, true), none);
    case.kernel.listeners[0].closed = true;
    assert_eq!(tool(&case.expected, &case.kernel, &case.seen, true), none);
    assert!(!promises_all(&case.expected, &case.kernel));
    // A namespace that was found late.
    let mut case = polled();
    case.kernel.networks[0].late = true;
    case.seen.histogram.audit.clear();
    case.seen.histogram.listeners.clear();
    case.seen.events.clear();
    assert_eq!(tool(&case.expected, &case.kernel, &case.seen, true), none);
}

#[test]
fn what_a_closed_listener_lost_is_its_namespaces_by_tracepoints_alone() {
    let late = |case: &mut Case| {
        let (network, socket) = (&mut case.kernel.networks[0], &mut case.kernel.listeners[0]);
        network.low.add("ListenDrops", 1);
        network.high.add("ListenDrops", 1);
        (socket.low, socket.high, socket.closed) = (6, 6, true);
        let audit = &mut case.seen.histogram.audit[0];
        audit.kernel.insert("ListenDrops".to_owned(), 5);
        audit.unlisted.insert("syn/refused_other".to_owned(), 1);
    };
    let complaints = |change: &dyn Fn(&mut Case)| {
        let mut case = agreed();
        late(&mut case);
        change(&mut case);
        tool(&case.expected, &case.kernel, &case.seen, true)
    };
    let on = |rung: &'static str| {
        move |case: &mut Case| {
            case.seen.histogram.hooks.iter_mut().for_each(|hook| hook.rung = Some(rung.to_owned()));
        }
    };
    assert_eq!(complaints(&on("tracepoint")), Vec::<String>::new());
    assert!(!complaints(&on("fentry")).is_empty());
    assert!(
        !complaints(&|case| {
            on("tracepoint")(case);
            case.kernel.listeners[0].closed = false;
        })
        .is_empty()
    );
    // One more than the namespace has.
    assert!(
        !complaints(&|case| {
            on("tracepoint")(case);
            (case.kernel.listeners[0].low, case.kernel.listeners[0].high) = (7, 7);
        })
        .is_empty()
    );
}

/// What the host hides is no complaint, and says why not all could be compared;
/// a wrong number is one all the same.
#[test]
fn what_the_host_hides_is_not_held_against_the_tool() {
    use crate::seen::Source;
    let mut case = agreed();
    let row = &mut case.seen.histogram.listeners[0];
    (row.established, row.accept_queue.max, row.sk_drops.kernel) = (None, None, None);
    let complaints = |case: &Case| tool(&case.expected, &case.kernel, &case.seen, true);
    assert_eq!(complaints(&case).len(), 2, "nothing is missing that could excuse it");
    assert_eq!(hidden(&case.expected, &case.seen.histogram), None);

    let missing = |source: &str| Source {
        source: source.to_owned(),
        state: "missing".to_owned(),
        why: Some("no module".to_owned()),
    };
    case.seen.histogram.sources.push(missing("sock_diag"));
    assert_eq!(complaints(&case), Vec::<String>::new());
    assert_eq!(hidden(&case.expected, &case.seen.histogram).as_deref(), Some("no module"));
    case.seen.histogram.audit[0].kernel.clear();
    assert_eq!(complaints(&case), Vec::<String>::new());
    case.seen.histogram.listeners[0].accepted = Some(0);
    assert_eq!(complaints(&case).len(), 1);

    // Owners are nothing that is compared by numbers.
    let mut case = agreed();
    case.seen.histogram.sources.push(missing("descriptors"));
    assert_eq!(hidden(&case.expected, &case.seen.histogram), None);
}
