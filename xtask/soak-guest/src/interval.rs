//! One line of `hist --format json`, reduced to what a verdict needs. Pure.
//!
//! It goes by the documented names alone, as a stranger's program would.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Rests that are told one by one; of more, how many.
const TOLD: usize = 8;

/// Reasons that [`COUNTER`] counts.
const OVERFLOWS: &str = "/accept_queue_full";

/// The kernel's counter of losses to a full accept queue.
const COUNTER: &str = "ListenOverflows";

/// A line as it came.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    /// The whole run.
    #[serde(rename = "final")]
    pub(crate) is_final: bool,
    /// How long the interval was.
    pub(crate) seconds: f64,
    listeners: Vec<ListenerLine>,
    audit: Vec<AuditLine>,
    details: Details,
    #[serde(default)]
    pub(crate) hooks: Vec<Hook>,
}

#[derive(Debug, Deserialize)]
struct ListenerLine {
    listener: Who,
    packets: BTreeMap<String, u64>,
    sk_drops: SocketDrops,
}

#[derive(Debug, Deserialize)]
struct Who {
    netns: u32,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    port: Option<u16>,
}

#[derive(Debug, Deserialize)]
struct SocketDrops {
    unaccounted: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct AuditLine {
    netns: u32,
    /// `null` where the counters of a namespace cannot be read.
    #[serde(deserialize_with = "null_as_empty")]
    kernel: BTreeMap<String, u64>,
    #[serde(deserialize_with = "null_as_empty")]
    unaccounted: BTreeMap<String, i64>,
    #[serde(default)]
    unlisted: BTreeMap<String, u64>,
}

#[derive(Debug, Deserialize)]
struct Details {
    missed: u64,
}

/// How a hook is attached.
#[derive(Debug, Deserialize)]
pub(crate) struct Hook {
    /// Its name.
    pub(crate) hook: String,
    /// By what.
    pub(crate) rung: Option<String>,
}

fn null_as_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What the kernel counted and nobody was given.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Rest {
    /// The namespace.
    pub(crate) netns: u32,
    /// The counter, or the listener whose `sk_drops` it is.
    pub(crate) of: String,
    /// By how much; negative: more was given than was counted.
    pub(crate) by: i64,
}

/// What is left of a line.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(crate) struct Reduced {
    /// Losses to a full accept queue of all listeners of this host, of those
    /// too that are not named any more and so have no namespace.
    pub(crate) lost: u64,
    /// The same as the audit says that the kernel counted them, less what it
    /// says that is unattributed in namespaces that are not the workload's.
    pub(crate) attributable: i64,
    /// What of it was counted in the workload's namespaces.
    pub(crate) overflows: u64,
    /// Rests in the workload's namespaces.
    pub(crate) rests: Vec<Rest>,
    /// Rests that are not among these.
    pub(crate) more_rests: usize,
    /// Rests in other namespaces of this host.
    pub(crate) foreign_rests: usize,
    /// Losses of listeners that had no room.
    pub(crate) unlisted: u64,
    /// Details that had no room.
    pub(crate) missed: u64,
    /// Listeners in the line.
    pub(crate) listeners: usize,
    /// Namespaces in the line.
    pub(crate) namespaces: usize,
}

impl Line {
    /// Reduces it; `is_ours`: whether a namespace is the workload's.
    pub(crate) fn reduce(&self, is_ours: impl Fn(u32) -> bool) -> Reduced {
        let audits = || self.audit.iter().filter(|audit| is_ours(audit.netns));
        let listeners = || self.listeners.iter().filter(|line| is_ours(line.listener.netns));
        let of_overflows = |packets: &BTreeMap<String, u64>| -> u64 {
            packets.iter().filter(|(reason, _)| reason.ends_with(OVERFLOWS)).map(|(_, count)| count).sum()
        };
        let unlisted: u64 = audits().flat_map(|audit| audit.unlisted.values()).sum();
        let mut rests: Vec<Rest> = audits().flat_map(AuditLine::rests).collect();
        rests.extend(listeners().filter_map(ListenerLine::rest));
        rests.sort_by_key(|rest| std::cmp::Reverse(rest.by.unsigned_abs()));
        let more_rests = rests.len().saturating_sub(TOLD);
        rests.truncate(TOLD);
        Reduced {
            lost: self.listeners.iter().map(|line| of_overflows(&line.packets)).sum(),
            attributable: self.audit.iter().map(|audit| audit.attributable(is_ours(audit.netns))).sum(),
            overflows: audits().map(AuditLine::overflows).sum(),
            rests,
            more_rests,
            foreign_rests: self
                .audit
                .iter()
                .filter(|audit| !is_ours(audit.netns))
                .flat_map(AuditLine::rests)
                .count(),
            unlisted,
            missed: self.details.missed,
            listeners: self.listeners.len(),
            namespaces: self.audit.len(),
        }
    }
}

impl AuditLine {
    fn overflows(&self) -> u64 {
        self.kernel.get(COUNTER).copied().unwrap_or(0)
    }

    fn attributable(&self, is_ours: bool) -> i64 {
        let rest = self.unaccounted.get(COUNTER).filter(|_| !is_ours).copied().unwrap_or(0);
        i64::try_from(self.overflows()).unwrap_or(i64::MAX).saturating_sub(rest)
    }

    fn rests(&self) -> impl Iterator<Item = Rest> + '_ {
        let rest = |(counter, by): (&String, &i64)| Rest { netns: self.netns, of: counter.clone(), by: *by };
        self.unaccounted.iter().filter(|(_, by)| **by != 0).map(rest)
    }
}

impl ListenerLine {
    fn rest(&self) -> Option<Rest> {
        let by = self.sk_drops.unaccounted.filter(|by| *by != 0)?;
        let address = self.listener.address.as_deref().unwrap_or("-");
        let of = format!("sk_drops of {address}:{}", self.listener.port.unwrap_or(0));
        Some(Rest { netns: self.listener.netns, of, by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        serde_json::from_value(serde_json::json!({
            "v": 1, "type": "histogram", "final": false, "seconds": 1.01,
            "listeners": [
                {"listener": {"netns": 7, "address": "127.0.0.1", "port": 80},
                 "packets": {"syn/accept_queue_full": 5, "ack/accept_queue_full": 1, "listener/closed": 2},
                 "sk_drops": {"kernel": 9, "attributed": 7, "explained": 0, "unaccounted": 2}},
                {"listener": {"netns": 7}, "packets": {"syn/accept_queue_full": 4},
                 "sk_drops": {"kernel": null, "attributed": 4, "explained": 0, "unaccounted": null}},
                {"listener": {"netns": 8, "address": "::", "port": 81},
                 "packets": {"syn/accept_queue_full": 100}, "sk_drops": {"unaccounted": 50}},
            ],
            "audit": [
                {"netns": 7, "kernel": {"ListenOverflows": 12, "ListenDrops": 13},
                 "attributed": {}, "unaccounted": {"ListenOverflows": 0, "ListenDrops": -3},
                 "unlisted": {"syn/accept_queue_full": 1, "syn/syn_queue_full": 1}},
                {"netns": 8, "kernel": {"ListenOverflows": 900}, "attributed": {},
                 "unaccounted": {"ListenOverflows": 800}},
            ],
            "hooks": [{"hook": "syn", "rung": "fentry", "state": "attached"}],
            "details": {"seen": 10, "missed": 2},
        }))
        .unwrap()
    }

    #[test]
    fn what_is_ours_is_added_up_and_each_rest_has_its_place() {
        let reduced = line().reduce(|netns| netns == 7);
        let rest = |of: &str, by| Rest { netns: 7, of: of.to_owned(), by };
        assert_eq!(reduced.rests, [rest("ListenDrops", -3), rest("sk_drops of 127.0.0.1:80", 2)]);
        assert_eq!((reduced.overflows, reduced.unlisted, reduced.missed), (12, 2, 2));
        // Of the 900 in the other namespace 800 are nobody's.
        assert_eq!((reduced.lost, reduced.attributable), (110, 112));
        assert_eq!((reduced.foreign_rests, reduced.more_rests), (1, 0));
        assert_eq!((reduced.listeners, reduced.namespaces), (3, 2));
    }

    #[test]
    fn of_many_rests_the_greatest_are_told() {
        let mut line = line();
        let many = (0..20).map(|at| (format!("Counter{at}"), at));
        line.audit[0].unaccounted = many.collect();
        let reduced = line.reduce(|netns| netns == 7);
        assert_eq!((reduced.rests.len(), reduced.more_rests), (8, 12));
        assert_eq!((reduced.rests[0].by, reduced.rests[7].by), (19, 12));
    }
}
