//! The counts plane as user space sees it: summed over CPUs, absolute since
//! the observation began.

use std::ops::{Index, IndexMut};

use backlog_trace_common::counter::{COUNTERS, Counter};
use backlog_trace_common::reason::{REASON_SLOTS, Reason, TABLE};
use serde::{Deserialize, Serialize};

use super::by_name;
use super::totals::Totals;
use crate::listener::Sysctls;

/// Occurrences per reason.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Reasons(pub [u64; REASON_SLOTS]);

impl Reasons {
    /// Reasons that occurred, in the table's order, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        TABLE.iter().map(|row| (row.reason, self[row.reason])).filter(|(_, count)| *count > 0)
    }

    /// The movement of the kernel's counters that these occurrences account
    /// for, as the table of reasons says.
    pub fn counters(&self) -> [u64; COUNTERS] {
        let mut sums = [0u64; COUNTERS];
        for (reason, count) in self.iter() {
            for counter in reason.row().counters {
                if let Some(sum) = sums.get_mut(counter.index()) {
                    *sum = sum.saturating_add(count);
                }
            }
        }
        sums
    }
}

impl Index<Reason> for Reasons {
    type Output = u64;
    fn index(&self, reason: Reason) -> &u64 {
        &self.0[reason.index()]
    }
}

impl IndexMut<Reason> for Reasons {
    fn index_mut(&mut self, reason: Reason) -> &mut u64 {
        &mut self.0[reason.index()]
    }
}

/// One listener's share of a snapshot.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerCounts {
    /// The listener: [`crate::listener::Listener::id`].
    pub id: u32,
    /// What was counted.
    pub totals: Totals,
    /// How far the kernel's own `sk_drops` of the socket moved since the
    /// observation began; `None` once the socket is closed and was not read.
    pub sk_drops: Option<u64>,
    /// `totals.sk_drops` as it was before the kernel's value was read; `totals`
    /// are of after that. `None`: no packet came in between. They differ only
    /// while packets are being handled at that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sk_drops_before: Option<u64>,
    /// Connections that waited in its accept queue when the observation began,
    /// and that wait now: what makes `established` differ from `accepted`.
    /// `None` where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<[u32; 2]>,
}

impl ListenerCounts {
    /// What the kernel's `sk_drops` has and no packet accounts for (negative:
    /// what was seen and the kernel did not count). 0 where it is not known.
    pub fn unaccounted(&self) -> i64 {
        let Some(kernel) = self.sk_drops else { return 0 };
        let after = self.totals.sk_drops;
        let before = self.sk_drops_before.unwrap_or(after).min(after);
        let rest = i128::from(kernel) - i128::from(kernel.clamp(before, after));
        i64::try_from(rest).unwrap_or(i64::MAX)
    }
}

/// One namespace's share of a snapshot.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceCounts {
    /// The namespace's inode number.
    pub netns: u32,
    /// How far the kernel's own counters moved since the observation began,
    /// in the order of [`backlog_trace_common::counter::ALL`].
    #[serde(with = "by_name::counters")]
    pub kernel: [u64; COUNTERS],
    /// What was attributed, by the same counters: the lowest and the highest
    /// value seen around the reading of the kernel's counters. They differ
    /// only while packets are being handled at that moment.
    #[serde(with = "by_name::two_counters")]
    pub attributed: [[u64; COUNTERS]; 2],
    /// Occurrences on listeners that found no room in the kernel map.
    pub unlisted: Reasons,
    /// The kernel's own counters could not be read: `kernel` is not known.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
}

impl NamespaceCounts {
    /// What the kernel counted and nothing accounts for (negative: what was
    /// attributed and the kernel did not count). Of a counter that is shared
    /// with clients, what is not attributed is theirs.
    pub fn unaccounted(&self, counter: Counter) -> i64 {
        let kernel = self.kernel[counter.index()];
        let [low, high] = [self.attributed[0][counter.index()], self.attributed[1][counter.index()]];
        let rest = i128::from(kernel) - i128::from(kernel.clamp(low, high.max(low)));
        let rest = if counter.is_shared() { rest.min(0) } else { rest };
        i64::try_from(rest).unwrap_or(i64::MAX)
    }
}

/// The sysctls of one namespace, as they were read last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceSysctls {
    /// The namespace's inode number.
    pub netns: u32,
    /// Their values; those that are not in it are unknown.
    pub values: Sysctls,
}

/// The counts plane at one instant: what has changed since the last snapshot.
/// Its counts are absolute all the same, since the observation began; a
/// listener or a namespace that is not in it stands where it stood.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// When (`CLOCK_MONOTONIC`, ns).
    pub time: u64,
    /// Every listener that counted anything since the last snapshot.
    pub listeners: Vec<ListenerCounts>,
    /// Every namespace whose counters, or what was attributed of them, moved.
    pub namespaces: Vec<NamespaceCounts>,
    /// Every namespace whose sysctls were read for the first time, or changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sysctls: Vec<NamespaceSysctls>,
    /// Listeners that have closed and of which nothing comes any more, by
    /// number: their last counts are in this snapshot or an earlier one.
    pub retired: Vec<u32>,
    /// Details received so far.
    pub details_seen: u64,
    /// Details that found no room in the ring buffer so far.
    pub details_missed: u64,
}
