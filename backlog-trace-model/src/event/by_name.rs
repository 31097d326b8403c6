//! How counts are written down: reasons and counters by name, and histograms as
//! long as they are filled, so that one more of any is no new format.
//!
//! What is not 0 is written. Names that a newer version has made up are passed
//! over; buckets beyond the last one that this version has count in that one.

use std::collections::BTreeMap;
use std::fmt;

use backlog_trace_common::counter::{ALL, COUNTERS};
use backlog_trace_common::reason::Reason;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::counts::Reasons;

impl Serialize for Reasons {
    /// `{"syn/accept_queue_full":311}`
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(reason, count)| (reason.name(), count)))
    }
}

impl<'de> Deserialize<'de> for Reasons {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut reasons = Self::default();
        for (name, count) in BTreeMap::<String, u64>::deserialize(deserializer)? {
            if let Some(reason) = Reason::from_name(&name) {
                reasons[reason] = count;
            }
        }
        Ok(reasons)
    }
}

/// The kernel's counters: `{"ListenOverflows":315,"ListenDrops":315}`.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Named(BTreeMap<String, u64>);

impl From<&[u64; COUNTERS]> for Named {
    fn from(counts: &[u64; COUNTERS]) -> Self {
        let moved = ALL.iter().zip(counts).filter(|(_, count)| **count > 0);
        Self(moved.map(|(counter, count)| (counter.name().to_owned(), *count)).collect())
    }
}

impl From<Named> for [u64; COUNTERS] {
    fn from(named: Named) -> Self {
        ALL.map(|counter| named.0.get(counter.name()).copied().unwrap_or(0))
    }
}

/// For `serde(with)`: counters.
pub(super) mod counters {
    use super::{COUNTERS, Deserialize, Deserializer, Named, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        counts: &[u64; COUNTERS],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Named::from(counts).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u64; COUNTERS], D::Error> {
        Named::deserialize(deserializer).map(Into::into)
    }
}

/// For `serde(with)`: counters at two instants.
pub(super) mod two_counters {
    use super::{COUNTERS, Deserialize, Deserializer, Named, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        counts: &[[u64; COUNTERS]; 2],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        counts.each_ref().map(Named::from).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[[u64; COUNTERS]; 2], D::Error> {
        <[Named; 2]>::deserialize(deserializer).map(|counts| counts.map(Into::into))
    }
}

/// For `serde(with)`: a histogram, up to its last bucket that is not empty.
pub(super) mod buckets {
    use super::{Deserializer, Filled, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer, const N: usize>(
        counts: &[u64; N],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let filled = counts.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        counts.get(..filled).unwrap_or(counts).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<[u64; N], D::Error> {
        deserializer.deserialize_seq(Filled([0; N]))
    }
}

/// Takes the buckets of a histogram.
struct Filled<const N: usize>([u64; N]);

impl<'de, const N: usize> Visitor<'de> for Filled<N> {
    type Value = [u64; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counts of buckets")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut counts: A) -> Result<[u64; N], A::Error> {
        let mut at = 0;
        while let Some(count) = counts.next_element::<u64>()? {
            if let Some(bucket) = self.0.get_mut(at) {
                *bucket = bucket.saturating_add(count);
            }
            at = (at + 1).min(N.saturating_sub(1));
        }
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::counts::NamespaceCounts;
    use super::super::totals::Totals;
    use super::*;

    #[test]
    fn reasons_and_counters_are_written_by_name_and_what_is_0_is_not() {
        let mut reasons = Reasons::default();
        reasons[Reason::SynAcceptQueueFull] = 311;
        let totals = Totals { reasons, accept_depth: buckets(&[5, 0, 7]), ..Totals::default() };
        let json = serde_json::to_value(&totals).unwrap();
        assert_eq!(json["reasons"], serde_json::json!({"syn/accept_queue_full": 311}));
        assert_eq!(json["accept_depth"], serde_json::json!([5, 0, 7]));
        assert_eq!(json["syn_depth"], serde_json::json!([]));
        let kernel = [315, 0, 0, 0, 0, 2];
        let namespace = NamespaceCounts { kernel, attributed: [kernel; 2], ..NamespaceCounts::default() };
        let json = serde_json::to_value(&namespace).unwrap();
        assert_eq!(json["kernel"], serde_json::json!({"ListenOverflows": 315, "TCPSynRetrans": 2}));
        assert_eq!(serde_json::from_value::<NamespaceCounts>(json).unwrap(), namespace);
    }

    fn buckets<const N: usize>(filled: &[u64]) -> [u64; N] {
        let mut counts = [0; N];
        counts[..filled.len()].copy_from_slice(filled);
        counts
    }

    #[test]
    fn what_a_newer_version_adds_is_passed_over() {
        let newer = r#"{"syns":4,"reasons":{"syn/eclipse":9,"syn/accept_queue_full":3},"moons":[1],
            "accept_wait_us":[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,2,3]}"#;
        let totals: Totals = serde_json::from_str(newer).unwrap();
        assert_eq!((totals.syns, totals.reasons[Reason::SynAcceptQueueFull]), (4, 3));
        assert_eq!(totals.reasons.iter().count(), 1);
        assert_eq!(totals.accept_wait_us.iter().sum::<u64>(), 6, "nothing is lost");
        assert_eq!(totals.accept_wait_us.last(), Some(&5));
    }
}
