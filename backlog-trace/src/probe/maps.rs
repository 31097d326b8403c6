//! Reading the kernel maps: rows are added up over CPUs here and nowhere else.

use std::collections::BTreeMap;

use aya::maps::{HashMap, MapData, PerCpuArray, PerCpuHashMap};
use aya::{Ebpf, Pod};
use backlog_trace_common::baseline::{Baseline, BaselineKey};
use backlog_trace_common::counter::COUNTERS;
use backlog_trace_common::counts::Counts;
use backlog_trace_common::identity::Identity;

use super::load::chain;
use crate::event::{Reasons, Totals};
use crate::failure::{Exit, Failure, Result};

/// Lends aya's marker to a record of the shared crate.
macro_rules! record {
    ($name:ident, $inner:ty) => {
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        struct $name($inner);

        #[expect(unsafe_code, reason = "aya's marker for records that may be read from map memory")]
        // SAFETY: the record is repr(C) without padding (its size is asserted
        // where it is defined) and every bit pattern of it is valid.
        unsafe impl Pod for $name {}
    };
}

record!(CountsRow, Counts);
record!(IdentityRow, Identity);
record!(BaselineRow, Baseline);
record!(BaselineRowKey, BaselineKey);

/// The maps that user space reads.
pub(super) struct Maps {
    counts: PerCpuHashMap<MapData, u64, CountsRow>,
    identities: HashMap<MapData, u64, IdentityRow>,
    baselines: HashMap<MapData, BaselineRowKey, BaselineRow>,
    missed: PerCpuArray<MapData, u64>,
}

/// The baselines of one namespace, added up over CPUs.
#[derive(Clone, Default, Debug)]
pub(super) struct NamespaceStart {
    /// Where the kernel's counters stood when the observation began.
    pub(super) start: [u64; COUNTERS],
    /// Occurrences on listeners that found no room.
    pub(super) unlisted: Reasons,
}

impl Maps {
    /// Takes the maps out of the loaded object.
    pub(super) fn take(ebpf: &mut Ebpf) -> Result<Self> {
        Ok(Self {
            counts: taken(ebpf, "COUNTS")?,
            identities: taken(ebpf, "IDENTITIES")?,
            baselines: taken(ebpf, "BASELINES")?,
            missed: taken(ebpf, "MISSED")?,
        })
    }

    /// What was counted, by key.
    pub(super) fn counts(&self) -> Result<BTreeMap<u64, Totals>> {
        let mut all = BTreeMap::new();
        for row in &self.counts {
            let (key, per_cpu) = row.map_err(|error| unreadable("counts", &error))?;
            let totals: &mut Totals = all.entry(key).or_default();
            for CountsRow(counts) in per_cpu.iter() {
                add(totals, counts);
            }
        }
        Ok(all)
    }

    /// Which socket each key stands for.
    pub(super) fn identities(&self) -> Result<Vec<(u64, Identity)>> {
        self.identities
            .iter()
            .map(|row| row.map(|(key, IdentityRow(identity))| (key, identity)))
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| unreadable("identities", &error))
    }

    /// Which socket one key stands for.
    pub(super) fn identity(&self, key: u64) -> Option<Identity> {
        self.identities.get(&key, 0).ok().map(|IdentityRow(identity)| identity)
    }

    /// Where each namespace started.
    pub(super) fn namespaces(&self) -> Result<BTreeMap<u32, NamespaceStart>> {
        let mut all: BTreeMap<u32, NamespaceStart> = BTreeMap::new();
        for row in &self.baselines {
            let (BaselineRowKey(key), BaselineRow(baseline)) =
                row.map_err(|error| unreadable("baselines", &error))?;
            let namespace = all.entry(key.netns).or_default();
            for (sum, value) in namespace.start.iter_mut().zip(baseline.start) {
                *sum += value;
            }
            for (sum, value) in namespace.unlisted.0.iter_mut().zip(baseline.unlisted) {
                *sum += value;
            }
        }
        Ok(all)
    }

    /// Details that found no room in the ring buffer so far.
    pub(super) fn missed(&self) -> Result<u64> {
        let values = self.missed.get(&0, 0).map_err(|error| unreadable("missed details", &error))?;
        Ok(values.iter().sum())
    }
}

fn taken<M>(ebpf: &mut Ebpf, name: &str) -> Result<M>
where
    M: TryFrom<aya::maps::Map, Error = aya::maps::MapError>,
{
    let map = ebpf
        .take_map(name)
        .ok_or_else(|| Failure::new(Exit::Internal, format!("the kernel side has no map {name}")))?;
    M::try_from(map).map_err(|error| Failure::internal(format!("map {name}"), error))
}

fn unreadable(what: &str, error: &aya::maps::MapError) -> Failure {
    Failure::internal(format!("the map of {what} could not be read"), chain(error))
}

/// Adds one CPU's counts of a listener.
pub(super) fn add(totals: &mut Totals, counts: &Counts) {
    totals.syns += counts.syns;
    totals.established += counts.established;
    totals.established_by_cookie += counts.established_by_cookie;
    totals.accepted += counts.accepted;
    totals.sk_drops += counts.sk_drops;
    totals.cookies_wanted_lost += counts.cookies_wanted_lost;
    totals.cookies_made_lost += counts.cookies_made_lost;
    totals.accept_queue_max = totals.accept_queue_max.max(counts.accept_queue_max);
    totals.syn_queue_max = totals.syn_queue_max.max(counts.syn_queue_max);
    totals.limit = totals.limit.max(counts.limit);
    add_each(&mut totals.reasons.0, &counts.reasons);
    add_each(&mut totals.accept_depth, &counts.accept_depth);
    add_each(&mut totals.syn_depth, &counts.syn_depth);
    add_each(&mut totals.accept_depth_at_ack, &counts.accept_depth_at_ack);
    add_each(&mut totals.accept_wait_us, &counts.accept_wait_us);
}

/// Adds the counts of a second key of the same socket.
pub(super) fn merge(into: &mut Totals, other: &Totals) {
    into.syns += other.syns;
    into.established += other.established;
    into.established_by_cookie += other.established_by_cookie;
    into.accepted += other.accepted;
    into.sk_drops += other.sk_drops;
    into.cookies_wanted_lost += other.cookies_wanted_lost;
    into.cookies_made_lost += other.cookies_made_lost;
    into.accept_queue_max = into.accept_queue_max.max(other.accept_queue_max);
    into.syn_queue_max = into.syn_queue_max.max(other.syn_queue_max);
    into.limit = into.limit.max(other.limit);
    add_each(&mut into.reasons.0, &other.reasons.0);
    add_each(&mut into.accept_depth, &other.accept_depth);
    add_each(&mut into.syn_depth, &other.syn_depth);
    add_each(&mut into.accept_depth_at_ack, &other.accept_depth_at_ack);
    add_each(&mut into.accept_wait_us, &other.accept_wait_us);
}

fn add_each<const N: usize>(sums: &mut [u64; N], values: &[u64; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}
