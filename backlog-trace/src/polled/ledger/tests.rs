//! Looks at listeners that open, lose and close, and what is told of them.

use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::Reasons;
use proptest::prelude::*;

use super::*;

const ID: u32 = 3;

fn depth(accept_queue: u32, drops: Option<u32>) -> Depth {
    Depth { accept_queue, drops }
}

fn lost(count: u64) -> Given {
    let mut reasons = Reasons::default();
    reasons[Reason::SynAcceptQueueFull] = count;
    Given { reasons, cookies_wanted_lost: 0 }
}

#[track_caller]
fn check(looks: &[(u32, Option<u32>)], opened: bool, closes: bool, most: u32, moved: Option<u64>) {
    let mut ledger = Ledger::default();
    for (accept_queue, drops) in looks {
        ledger.look(ID, Some(8), depth(*accept_queue, *drops), opened);
        ledger.settle(ID, *drops);
    }
    if closes {
        ledger.close(ID);
    }
    let counts = ledger.tell().0.remove(0);
    let samples: u64 = counts.totals.accept_depth_polled.iter().sum();
    assert_eq!(samples, looks.len() as u64);
    assert_eq!((counts.totals.accept_queue_max, counts.totals.limit), (most, 8));
    assert_eq!(counts.sk_drops, moved);
}

#[test]
fn drops_move_from_the_first_look_to_the_last() {
    check(&[(1, Some(7)), (9, Some(11)), (2, Some(12))], false, false, 9, Some(5));
    check(&[(2, Some(u32::MAX)), (0, Some(1))], false, false, 2, Some(2));
    check(&[(1, Some(7))], true, false, 1, Some(7));
    check(&[(1, Some(7)), (1, Some(8))], false, true, 1, None);
    check(&[(1, None)], false, false, 1, None);
    check(&[(1, None)], true, false, 1, None);
}

#[test]
fn what_is_given_adds_up() {
    let mut ledger = Ledger::default();
    let mut given = lost(3);
    given.reasons[Reason::SynCookieSent] = 2;
    given.cookies_wanted_lost = 1;
    ledger.give(ID, &given);
    ledger.give(ID, &given);
    let totals = ledger.tell().0.remove(0).totals;
    assert_eq!((totals.reasons[Reason::SynAcceptQueueFull], totals.sk_drops), (6, 6));
    assert_eq!((totals.reasons[Reason::SynCookieSent], totals.cookies_wanted_lost), (4, 2));
}

#[test]
fn a_look_that_is_not_settled_belongs_to_the_next_report() {
    let mut ledger = Ledger::default();
    ledger.look(ID, Some(8), depth(1, Some(7)), false);
    ledger.settle(ID, Some(7));
    ledger.tell();
    ledger.look(ID, Some(8), depth(9, Some(20)), false);
    assert!(ledger.tell().0.is_empty(), "its account waits");
    ledger.look(ID, Some(8), depth(8, Some(30)), false);
    ledger.give(ID, &lost(20));
    // The other three are of losses that no counter holds yet.
    ledger.settle(ID, Some(27));
    let counts = ledger.tell().0.remove(0);
    assert_eq!((counts.sk_drops, counts.totals.sk_drops, counts.totals.accept_queue_max), (Some(20), 20, 9));
}

#[test]
fn one_at_which_nothing_happens_is_not_told_of() {
    let mut ledger = Ledger::default();
    for _ in 0..50 {
        ledger.look(ID, Some(8), depth(0, Some(7)), false);
        ledger.settle(ID, Some(7));
    }
    assert!(ledger.tell().0.is_empty());
    ledger.look(ID, Some(8), depth(2, Some(7)), false);
    ledger.settle(ID, Some(7));
    let counts = ledger.tell().0.remove(0);
    // The samples of a report are of its stretch, not of the time before it.
    assert_eq!(counts.totals.accept_depth_polled.iter().sum::<u64>(), 1);
    assert!(ledger.tell().0.is_empty());
    ledger.look(ID, Some(8), depth(0, Some(7)), false);
    ledger.settle(ID, Some(7));
    assert_eq!(ledger.tell().0.len(), 1, "an empty queue of one that had something in it");
}

#[test]
fn one_that_closed_is_told_of_once_more_and_then_forgotten() {
    let mut ledger = Ledger::default();
    ledger.look(ID, Some(8), depth(2, Some(7)), false);
    ledger.settle(ID, Some(7));
    ledger.close(ID);
    ledger.close(ID);
    let (counts, retired) = ledger.tell();
    assert_eq!((counts.len(), counts[0].sk_drops, retired), (1, None, vec![]));
    assert_eq!(ledger.tell(), (vec![], vec![ID]));
    assert_eq!(ledger.tell(), (vec![], vec![]));
    assert!(ledger.entries.is_empty());
}

#[test]
fn one_that_listens_again_in_time_is_the_same() {
    let mut ledger = Ledger::default();
    ledger.look(ID, Some(8), depth(2, Some(7)), false);
    ledger.settle(ID, Some(7));
    ledger.close(ID);
    ledger.tell();
    ledger.look(ID, Some(8), depth(2, Some(9)), true);
    ledger.settle(ID, Some(9));
    let (counts, retired) = ledger.tell();
    assert_eq!((counts[0].sk_drops, retired), (Some(2), vec![]));
}

/// What happens at one time: to which listener, and what.
#[derive(Clone, Debug)]
enum Step {
    Look(u32, u32),
    Lose(u32, u64),
    Close(u32),
    Tell,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6u32, 0..4u32).prop_map(|(at, queue)| Step::Look(at, queue)),
        3 => (0..6u32, 1..9u64).prop_map(|(at, count)| Step::Lose(at, count)),
        2 => (0..6u32).prop_map(Step::Close),
        2 => Just(Step::Tell),
    ]
}

proptest! {
    /// Whatever comes and goes: what was told adds up to what was given, and
    /// room is taken by what is open, or closed since the telling before last.
    #[test]
    fn nothing_is_lost_and_nothing_stays(steps in prop::collection::vec(step(), 0..200)) {
        let mut ledger = Ledger::default();
        // Which id a place has now, as sockets come one after the other.
        let mut ids = [0u32; 6];
        let mut open = BTreeSet::new();
        let mut next = 0;
        let (mut given, mut told) = (0, BTreeMap::new());
        let mut closed = [0usize; 2];
        for step in steps.into_iter().chain([Step::Tell, Step::Tell, Step::Tell]) {
            match step {
                Step::Look(at, queue) => {
                    let at = at as usize;
                    if !open.contains(&ids[at]) {
                        next += 1;
                        ids[at] = next;
                        open.insert(next);
                    }
                    ledger.look(ids[at], Some(8), depth(queue, Some(0)), true);
                    ledger.settle(ids[at], Some(0));
                }
                Step::Lose(at, count) if open.contains(&ids[at as usize]) => {
                    ledger.give(ids[at as usize], &lost(count));
                    given += count;
                }
                Step::Close(at) if open.remove(&ids[at as usize]) => {
                    ledger.close(ids[at as usize]);
                    closed[0] += 1;
                }
                Step::Lose(..) | Step::Close(_) => {}
                Step::Tell => {
                    let (counts, retired) = ledger.tell();
                    prop_assert_eq!(retired.len(), closed[1]);
                    closed = [0, closed[0]];
                    for counts in counts {
                        told.insert(counts.id, counts.totals.reasons[Reason::SynAcceptQueueFull]);
                    }
                    prop_assert_eq!(told.values().sum::<u64>(), given);
                }
            }
            prop_assert_eq!(ledger.entries.len(), open.len() + closed[0] + closed[1]);
        }
        prop_assert!(ledger.changed.is_empty());
    }
}
