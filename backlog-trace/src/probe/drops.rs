//! How far the kernel's own `sk_drops` of each listener moved.

use std::collections::BTreeMap;

use backlog_trace_common::identity::Identity;

use crate::listener::Book;

/// Where `sk_drops` of a listener stood.
#[derive(Clone, Copy, Debug)]
struct Stood {
    /// When the kernel side met it first (`CLOCK_MONOTONIC`, ns).
    met: u64,
    /// `sk_drops` then.
    start: u32,
    /// `sk_drops` when it closed.
    end: Option<u32>,
}

/// `sk_drops` of every listener that the kernel side has met.
#[derive(Debug, Default)]
pub(super) struct Drops(BTreeMap<u32, Stood>);

impl Drops {
    /// Takes note of what the kernel side recorded; a socket met under two
    /// keys started where it was met first.
    pub(super) fn learn(&mut self, id: u32, identity: &Identity) {
        let end = (identity.closed != 0).then_some(identity.closed_drops);
        let stood = self.0.entry(id).or_insert(Stood { met: identity.time, start: identity.drops, end });
        if identity.time < stood.met {
            stood.met = identity.time;
            stood.start = identity.drops;
        }
        stood.end = end.or(stood.end);
    }

    /// The movement since then: read when it closed, else at the last look at
    /// its namespace. The kernel's counter is 32 bits wide and wraps.
    pub(super) fn moved(&self, id: u32, book: &Book) -> Option<u64> {
        let stood = self.0.get(&id)?;
        let now = stood.end.or_else(|| book.drops(id))?;
        Some(u64::from(now.wrapping_sub(stood.start)))
    }
}

#[cfg(test)]
mod tests {
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
    fn check(identities: &[Identity], moved: Option<u64>) {
        let mut drops = Drops::default();
        for identity in identities {
            drops.learn(0, identity);
        }
        assert_eq!(drops.moved(0, &Book::new()), moved);
    }

    #[test]
    fn movement_until_it_closed() {
        check(&[identity(5, 10, Some(14))], Some(4));
        // Two keys: the earlier meeting counts, in either order.
        check(&[identity(5, 10, None), identity(3, 8, Some(14))], Some(6));
        check(&[identity(3, 8, Some(14)), identity(5, 10, None)], Some(6));
        // The counter wraps.
        check(&[identity(1, u32::MAX, Some(2))], Some(3));
        // Open, and no look at its namespace yet.
        check(&[identity(1, 1, None)], None);
    }
}
