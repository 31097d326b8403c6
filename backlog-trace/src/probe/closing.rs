//! When a listener that has closed can be forgotten: its rows and identity are
//! given back for those that open later.
//!
//! Not at once: packets that other CPUs are handling still belong to it, and so
//! do its half-open requests, which die at their next timer. A socket that was
//! shut and not closed may listen again. Refuses to read or
//! to give back anything itself.

use std::collections::BTreeMap;

use backlog_trace_common::identity::Identity;

/// What packets in flight and their hooks take at most, with room to spare (ns).
const IN_FLIGHT: u64 = 100_000_000;

/// The longest time between two timers of a half-open request (`TCP_RTO_MAX`,
/// 120 s), and some (ns).
const HALF_OPEN: u64 = 130_000_000_000;

/// Resetting a long accept queue takes its time; beyond this (ns) it is not
/// waited for.
const RESETTING: u64 = 30_000_000_000;

/// A listener that has closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Closed {
    /// When (`CLOCK_MONOTONIC`, ns).
    at: u64,
    netns: u32,
    /// Half-open requests are left, or the socket was only shut: it may listen
    /// again, and is to be found under its number then.
    may_come_back: bool,
    is_resetting: bool,
}

/// Listeners that have closed and are not forgotten yet, by number.
#[derive(Debug, Default)]
pub(super) struct Closing(BTreeMap<u32, Closed>);

impl Closing {
    /// Takes note of how a listener stands, by what the kernel side recorded.
    pub(super) fn learn(&mut self, id: u32, identity: &Identity) {
        if identity.closed == 0 {
            return;
        }
        let closed = Closed {
            at: identity.closed,
            netns: identity.netns,
            may_come_back: identity.closed_syn_queue != 0 || identity.is_gone == 0,
            is_resetting: identity.closing != 0,
        };
        self.0.insert(id, closed);
    }

    /// A socket that no hook saw close is not among those of its namespace any
    /// more.
    pub(super) fn notice(&mut self, id: u32, netns: u32, now: u64) {
        let closed = Closed { at: now, netns, may_come_back: true, is_resetting: false };
        self.0.entry(id).or_insert(closed);
    }

    /// The listener listens again, or is forgotten: it is waited for no more.
    pub(super) fn remove(&mut self, id: u32) {
        self.0.remove(&id);
    }

    /// Whether any are waited for.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Closed listeners that can be forgotten now. Where more than `room` wait, those
    /// that closed first are among them, whatever they left behind. Half-open
    /// requests go with their namespace.
    pub(super) fn due(&self, now: u64, room: usize, is_there: impl Fn(u32) -> bool) -> Vec<u32> {
        let old_enough = |closed: &Closed, age: u64| now.saturating_sub(closed.at) >= age;
        let mut due: Vec<u32> = Vec::new();
        let mut waiting: Vec<(u64, u32)> = Vec::new();
        for (id, closed) in &self.0 {
            let resets = closed.is_resetting && !old_enough(closed, RESETTING);
            let lives = closed.may_come_back && is_there(closed.netns) && !old_enough(closed, HALF_OPEN);
            if !old_enough(closed, IN_FLIGHT) || resets {
                continue;
            }
            if lives { waiting.push((closed.at, *id)) } else { due.push(*id) }
        }
        waiting.sort_unstable();
        let crowded = waiting.len().saturating_sub(room);
        due.extend(waiting.into_iter().take(crowded).map(|(_, id)| id));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn closed(at: u64, half_open: u32) -> Identity {
        Identity { closed: at, closed_syn_queue: half_open, netns: 7, is_gone: 1, ..Identity::default() }
    }

    #[track_caller]
    fn check(identity: &Identity, age: u64, is_there: bool, due: bool) {
        let mut closing = Closing::default();
        closing.learn(3, identity);
        let expected: &[u32] = if due { &[3] } else { &[] };
        assert_eq!(closing.due(identity.closed + age, 10, |_| is_there), expected);
    }

    #[test]
    fn packets_in_flight_and_half_open_requests_are_waited_for() {
        check(&closed(SECOND, 0), 0, true, false);
        check(&closed(SECOND, 0), IN_FLIGHT, true, true);
        check(&closed(SECOND, 2), IN_FLIGHT, true, false);
        check(&closed(SECOND, 2), HALF_OPEN, true, true);
        check(&closed(SECOND, 2), IN_FLIGHT, false, true);
        let shut = Identity { is_gone: 0, ..closed(SECOND, 0) };
        check(&shut, IN_FLIGHT, true, false);
        check(&shut, HALF_OPEN, true, true);
        let resetting = Identity { closing: 9, ..closed(SECOND, 0) };
        check(&resetting, IN_FLIGHT, true, false);
        check(&resetting, RESETTING, true, true);
    }

    #[test]
    fn one_that_is_open_is_not_forgotten() {
        let mut closing = Closing::default();
        closing.learn(3, &Identity::default());
        assert!(closing.is_empty());
        closing.learn(3, &closed(SECOND, 0));
        closing.remove(3);
        assert_eq!(closing.due(9 * SECOND, 10, |_| true), [0; 0]);
    }

    #[test]
    fn where_there_is_no_room_the_first_that_closed_goes_first() {
        let mut closing = Closing::default();
        for id in 0..5 {
            closing.learn(id, &closed(u64::from(10 - id) * SECOND, 1));
        }
        assert_eq!(closing.due(20 * SECOND, 3, |_| true), [4, 3]);
        assert_eq!(closing.due(20 * SECOND, 5, |_| true), [0; 0]);
    }
}
