//! What follows from queues and identities, and what is unknown without them.

use backlog_trace_model::check::{Attempt, Outcome};

use super::*;

fn identity(time: u64, drops: u32, closed: Option<u32>) -> Identity {
    Identity {
        time,
        drops,
        closed: u64::from(closed.is_some()),
        closed_drops: closed.unwrap_or(0),
        ..Identity::default()
    }
}

#[track_caller]
fn check(identities: &[Identity], seen: u64, moved: Option<u64>) {
    let mut queues = Queues::default();
    for (key, identity) in (1..).zip(identities) {
        queues.learn(0, key, identity);
    }
    assert_eq!(queues.drops_moved(0, seen, seen, &Book::new()), moved);
}

#[track_caller]
fn check_established(queue: (u32, u32), accepted: u64, established: u64) {
    let mut queues = Queues::default();
    let met = Identity {
        accept_queue: queue.0,
        closed: 1,
        closed_accept_queue: queue.1,
        left_unaccepted: queue.1,
        ..Identity::default()
    };
    queues.learn(0, 1, &met);
    let totals = Totals { accepted, ..Totals::default() };
    let complete = queues.complete(0, &totals, &totals, &Book::new()).totals;
    assert_eq!((complete.established, complete.accept_queue_max), (established, queue.1));
}

#[test]
fn a_finished_handshake_was_accepted_or_waits() {
    check_established((0, 0), 0, 0);
    check_established((0, 3), 0, 3);
    check_established((0, 3), 5, 8);
    // Two of the five waited already when the tool began.
    check_established((2, 0), 5, 3);
}

#[test]
fn what_waited_when_it_closed_before_it_listened_again_was_finished_too() {
    let mut queues = Queues::default();
    let again = Identity { left_unaccepted: 4, ..Identity::default() };
    queues.learn(0, 1, &Identity { closed: 9, closed_accept_queue: 1, left_unaccepted: 5, ..again });
    let totals = Totals { accepted: 3, ..Totals::default() };
    assert_eq!(queues.complete(0, &totals, &totals, &Book::new()).totals.established, 8);
}

/// Accepted, by handshakes that were put into the queue since.
#[track_caller]
fn check_accepted(queue: (u32, u32), established: u64, accepted: u64) {
    let mut queues = Queues::new(Counted::Handshakes);
    let met = Identity {
        accept_queue: queue.0,
        closed: 1,
        closed_accept_queue: queue.1,
        left_unaccepted: queue.1,
        ..Identity::default()
    };
    queues.learn(0, 1, &met);
    let totals = Totals { established, ..Totals::default() };
    let complete = queues.complete(0, &totals, &totals, &Book::new()).totals;
    assert_eq!((complete.established, complete.accepted), (established, accepted));
}

/// What is not known of a listener whose queue nobody could look at.
#[track_caller]
fn check_unknown(counted: Counted, unknown: &[Figure]) {
    let mut queues = Queues::new(counted);
    let nothing = Totals::default();
    let complete = queues.complete(0, &nothing, &nothing, &Book::new()).totals;
    for figure in [Figure::Established, Figure::Accepted, Figure::AcceptQueueMax] {
        assert_eq!(complete.unknown.contains(figure), unknown.contains(&figure), "{counted:?} {figure:?}");
    }
}

#[test]
fn without_the_queues_length_what_follows_from_it_is_unknown() {
    check_unknown(Counted::Accepts, &[Figure::Established, Figure::AcceptQueueMax]);
    check_unknown(Counted::Handshakes, &[Figure::Accepted, Figure::AcceptQueueMax]);
    check_unknown(Counted::Nothing, &[Figure::Established, Figure::Accepted, Figure::AcceptQueueMax]);
}

#[test]
fn what_was_put_in_and_does_not_wait_was_accepted() {
    check_accepted((0, 0), 0, 0);
    check_accepted((0, 3), 3, 0);
    check_accepted((0, 3), 8, 5);
    check_accepted((2, 0), 3, 5);
}

#[test]
fn what_is_counted_follows_from_the_rungs() {
    let on = |accept: Option<Rung>, ack| {
        let tried = |hook, rung: Option<Rung>| Tried {
            hook,
            attempts: rung
                .map(|rung| Attempt { rung, outcome: Outcome::Attached, why: None, advice: None })
                .into_iter()
                .collect(),
        };
        Counted::by(&[tried(Hook::Accept, accept), tried(Hook::Ack, ack)])
    };
    assert_eq!(on(Some(Rung::Fentry), Some(Rung::Tracepoint)), Counted::Accepts);
    assert_eq!(on(None, Some(Rung::Tracepoint)), Counted::Handshakes);
    assert_eq!(on(None, Some(Rung::Fentry)), Counted::Nothing);
}

#[test]
fn what_a_closing_listener_lost_is_counted_under_every_key() {
    let mut queues = Queues::default();
    queues.learn(0, 1, &Identity { lost_unaccepted: 2, lost_half_open: 3, ..Identity::default() });
    queues.learn(0, 2, &Identity { lost_unaccepted: 1, ..Identity::default() });
    // The same key again, later.
    queues.learn(0, 2, &Identity { lost_unaccepted: 4, ..Identity::default() });
    let complete = queues.complete(0, &Totals::default(), &Totals::default(), &Book::new()).totals;
    assert_eq!(complete.reasons[Reason::ListenerClosed], 9);
}

#[test]
fn a_socket_that_listens_again_is_open() {
    let mut queues = Queues::default();
    queues.learn(0, 1, &identity(5, 10, Some(14)));
    assert_eq!(queues.end(0), Some((14, 0)));
    queues.learn(0, 1, &identity(5, 10, None));
    assert_eq!(queues.end(0), None);
}

#[test]
fn movement_until_it_closed() {
    check(&[identity(5, 10, Some(14))], 0, Some(4));
    // More was seen after that, or not.
    check(&[identity(5, 10, Some(14))], 4, Some(4));
    check(&[identity(5, 10, Some(14))], 6, Some(6));
    // Two keys: the earlier meeting counts, in either order.
    check(&[identity(5, 10, None), identity(3, 8, Some(14))], 0, Some(6));
    check(&[identity(3, 8, Some(14)), identity(5, 10, None)], 0, Some(6));
    // The counter wraps.
    check(&[identity(1, u32::MAX, Some(2))], 0, Some(3));
    // Open, and no look at its namespace yet.
    check(&[identity(1, 1, None)], 7, None);
}
