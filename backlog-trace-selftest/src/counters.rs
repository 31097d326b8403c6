//! The kernel's own counters of the namespace this thread stands in.
//!
//! Read from `/proc/thread-self/net/netstat` by code that shares nothing with
//! the code under test.

use std::collections::BTreeMap;

use crate::failure::{Failure, Result};

/// The counters that the audit balances.
pub(crate) const AUDITED: [&str; 5] =
    ["ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "TCPReqQFullDoCookies", "SyncookiesSent"];

/// SYNs and SYN+ACKs sent again.
pub(crate) const SYN_RETRANSMITS: &str = "TCPSynRetrans";

/// SYNs of a half-open request that are not answered again so soon.
pub(crate) const SYNACKS_SPARED: &str = "TCPACKSkippedSynRecv";

/// Runs of the timer of a half-open request, among others.
pub(crate) const TIMEOUTS: &str = "TCPTimeouts";

/// Half-open requests that their client reset.
pub(crate) const RESETS: &str = "EmbryonicRsts";

/// Cookies that were wrong or outdated.
pub(crate) const COOKIES_FAILED: &str = "SyncookiesFailed";

/// ICMP errors that quote a sequence number the socket never sent.
pub(crate) const STRAY_ICMP: &str = "OutOfWindowIcmps";

/// What else is worth printing beside a scenario.
const TOLD: [&str; 14] = [
    SYN_RETRANSMITS,
    SYNACKS_SPARED,
    STRAY_ICMP,
    TIMEOUTS,
    RESETS,
    "SyncookiesRecv",
    COOKIES_FAILED,
    "PAWSEstab",
    "TCPDeferAcceptDrop",
    "TCPFastOpenPassive",
    "TCPFastOpenPassiveFail",
    "TCPFastOpenListenOverflow",
    "TCPMigrateReqSuccess",
    "TCPMigrateReqFailure",
];

/// Counters by name: where they stand, or how far they moved.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// Where the counters of this thread's namespace stand.
    pub(crate) fn read() -> Result<Self> {
        let path = "/proc/thread-self/net/netstat";
        let text = std::fs::read_to_string(path)
            .map_err(|why| Failure::unexpected(format!("{path} cannot be read"), why))?;
        Ok(Self::parse(&text))
    }

    /// The counters in the text of a netstat file. One that is absent counts as 0.
    pub(crate) fn parse(text: &str) -> Self {
        let mut rows = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
        let (names, values) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
        let values = values.split_whitespace().map(|value| value.parse().unwrap_or(0));
        let all: BTreeMap<&str, u64> = names.split_whitespace().zip(values).collect();
        AUDITED.into_iter().chain(TOLD).map(|name| (name, all.get(name).copied().unwrap_or(0))).collect()
    }

    /// One counter; 0 for a name that is not kept.
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// Adds to a counter.
    pub(crate) fn add(&mut self, name: &'static str, count: u64) {
        *self.0.entry(name).or_default() += count;
    }

    /// Adds every counter of `other`.
    pub(crate) fn add_all(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            self.add(name, *count);
        }
    }

    /// How far the counters moved since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        self.0.iter().map(|(name, now)| (*name, now.saturating_sub(before.get(name)))).collect()
    }

    /// Counters that are not 0.
    pub(crate) fn moved(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, count)| (*name, *count)).filter(|(_, count)| *count > 0)
    }
}

impl FromIterator<(&'static str, u64)> for Counters {
    fn from_iter<I: IntoIterator<Item = (&'static str, u64)>>(counters: I) -> Self {
        Self(counters.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_below_their_names_whatever_the_order() {
        let text = "TcpExt: SyncookiesSent Other ListenDrops ListenOverflows\nTcpExt: 7 9 4 3\n\
                    IpExt: InNoRoutes ListenDrops\nIpExt: 1 99\n";
        let counters = Counters::parse(text);
        assert_eq!(counters.get("ListenOverflows"), 3);
        assert_eq!(counters.get("ListenDrops"), 4);
        assert_eq!(counters.get("SyncookiesSent"), 7);
        assert_eq!(counters.get("TCPReqQFullDrop"), 0);
    }

    #[test]
    fn a_damaged_file_counts_nothing() {
        for text in ["", "TcpExt:", "TcpExt: ListenDrops", "TcpExt: ListenDrops\nTcpExt: x"] {
            assert_eq!(Counters::parse(text).moved().count(), 0, "{text:?}");
        }
    }

    #[test]
    fn movement_is_the_difference() {
        let before: Counters = [("ListenDrops", 5)].into_iter().collect();
        let after: Counters = [("ListenDrops", 9), ("ListenOverflows", 2)].into_iter().collect();
        let moved: Vec<_> = after.since(&before).moved().collect();
        assert_eq!(moved, [("ListenDrops", 4), ("ListenOverflows", 2)]);
    }
}
