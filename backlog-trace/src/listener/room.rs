//! How many network namespaces there is room for below the limit on open
//! files. Pure: it is told the limit and what else is open.
//!
//! A namespace that is looked at takes two descriptors for as long as it
//! lives: a `sock_diag` socket and its counters. A third, the way in, is kept
//! where there is plenty, because the place where a namespace was found may
//! lead to nothing a moment later.

use std::fmt;

/// Descriptors that are kept open for each namespace.
const PER_NAMESPACE: u64 = 2;

/// Descriptors of a namespace whose way in is kept open as well.
const WITH_DOOR: u64 = PER_NAMESPACE + 1;

/// Descriptors that everything else takes: programs, links and maps (about 120
/// on the rung with most of them), directories in /proc while owners are
/// looked for, a recording.
const RESERVE: u64 = 224;

/// What the limit allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Room {
    /// The soft limit on open files (`RLIMIT_NOFILE`).
    pub limit: u64,
    /// Descriptors that were open before the first namespace was entered.
    pub others: u64,
}

impl Room {
    fn descriptors(self) -> u64 {
        self.limit.saturating_sub(self.others + RESERVE)
    }

    /// Namespaces that may be entered. The own one always may.
    pub(super) fn namespaces(self) -> usize {
        usize::try_from(self.descriptors() / PER_NAMESPACE).unwrap_or(usize::MAX).max(1)
    }

    /// Whether the ways into so many namespaces may be kept open.
    pub(super) fn holds_doors(self, namespaces: usize) -> bool {
        self.descriptors() / WITH_DOOR >= namespaces as u64
    }

    /// What is to be said where not all of `found` were entered.
    pub(super) fn shortage(self, found: usize, left_out: usize) -> Option<Shortage> {
        (left_out > 0).then(|| Shortage {
            limit: self.limit,
            needed: self.others + RESERVE + found as u64 * PER_NAMESPACE,
            found,
            left_out,
        })
    }
}

/// Namespaces that are not looked at because of the limit on open files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shortage {
    /// The limit.
    pub limit: u64,
    /// What it would have to be.
    pub needed: u64,
    /// All namespaces that were found.
    pub found: usize,
    /// Those of them that are not looked at.
    pub left_out: usize,
}

impl Shortage {
    /// What to do about it.
    pub(crate) fn advice(&self) -> String {
        format!(
            "raise the hard limit to {} or more: ulimit -Hn {} as root, LimitNOFILE= in a systemd unit",
            self.needed, self.needed
        )
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} network namespaces are not looked at, and what their listeners lose is missing: \
             the limit on open files (ulimit -n) is {}",
            self.left_out, self.found, self.limit
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(limit: u64, others: u64, namespaces: usize, doors: usize) {
        let room = Room { limit, others };
        assert_eq!(room.namespaces(), namespaces);
        assert!(room.holds_doors(doors) && !room.holds_doors(doors + 1), "{room:?}");
        let needed = room.shortage(namespaces + 1, 1).unwrap().needed;
        assert_eq!(
            Room { limit: needed, others }.namespaces(),
            namespaces + 1,
            "what is asked for is enough"
        );
    }

    #[test]
    fn room_follows_from_the_limit() {
        check(1024, 24, 388, 258);
        check(4096, 24, 1924, 1282);
        check(524_288, 24, 262_020, 174_680);
        check(1024, 790, 5, 3);
    }

    #[test]
    fn the_own_namespace_always_has_room() {
        assert_eq!(Room { limit: 64, others: 10 }.namespaces(), 1);
        assert_eq!(Room { limit: 1024, others: 10 }.shortage(300, 0), None);
    }
}
