//! Reading the kernel maps: rows are added up over CPUs here and nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use aya::maps::{Array, HashMap, MapData, MapError, PerCpuArray, PerCpuHashMap, PerCpuValues, Queue};
use aya::{Ebpf, Pod};
use backlog_trace_common::baseline::{BY_PACKET, Baseline};
use backlog_trace_common::counter::COUNTERS;
use backlog_trace_common::counts::Counts;
use backlog_trace_common::identity::Identity;
use backlog_trace_common::limits::FORGOTTEN_AT_ONCE;
use backlog_trace_common::progress::{CARRIED, SETTLING, WALKED};
use backlog_trace_model::event::{Reasons, Totals};
use backlog_trace_model::failure::{Exit, Failure, Result};
use zerocopy::FromZeros;

use super::load::chain;

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

/// The maps that user space reads.
pub(super) struct Maps {
    counts: PerCpuArray<MapData, CountsRow>,
    spilled: PerCpuHashMap<MapData, u64, CountsRow>,
    identities: HashMap<MapData, u64, IdentityRow>,
    slots: HashMap<MapData, u64, u32>,
    slot_owners: HashMap<MapData, u32, u64>,
    free_slots: Queue<MapData, u32>,
    met: PerCpuArray<MapData, u64>,
    forgotten: Array<MapData, u64>,
    baselines: Array<MapData, BaselineRow>,
    progress: Array<MapData, u32>,
    cpus: u32,
    missed: PerCpuArray<MapData, u64>,
}

/// The baselines of one namespace's slot, added up over CPUs.
#[derive(Clone, Default, Debug)]
pub(super) struct NamespaceStart {
    /// What the kernel side knows the namespace by.
    pub(super) key: u64,
    /// The namespace's inode number.
    pub(super) netns: u32,
    /// When it got its slot (`CLOCK_MONOTONIC`, ns).
    pub(super) born: u64,
    /// The namespace was met by a packet and not when the observation began: where its
    /// counters stood before is not known.
    pub(super) by_packet: bool,
    /// Where the kernel's counters stood when the observation began.
    pub(super) start: [u64; COUNTERS],
    /// Where they stood when a hook last read them.
    pub(super) last: [u64; COUNTERS],
    /// Occurrences on listeners that found no room.
    pub(super) unlisted: Reasons,
    /// SYNs among `unlisted` that were lost although a cookie was wanted.
    pub(super) cookies_wanted: u64,
    /// SYNs among `unlisted` that were lost although a cookie was made.
    pub(super) cookies_made: u64,
}

/// What was counted, and the slot of the listener's namespace, by key.
pub(super) type ByKey = BTreeMap<u64, (Totals, u32)>;

impl Maps {
    /// Takes the maps out of the loaded object.
    pub(super) fn take(ebpf: &mut Ebpf, cpus: u32) -> Result<Self> {
        Ok(Self {
            cpus,
            counts: taken(ebpf, "COUNTS")?,
            spilled: taken(ebpf, "SPILLED")?,
            slots: taken(ebpf, "NETNS_SLOTS")?,
            slot_owners: taken(ebpf, "SLOT_OWNERS")?,
            free_slots: taken(ebpf, "FREE_SLOTS")?,
            met: taken(ebpf, "MET")?,
            forgotten: taken(ebpf, "FORGOTTEN")?,
            progress: taken(ebpf, "PROGRESS")?,
            identities: taken(ebpf, "IDENTITIES")?,
            baselines: taken(ebpf, "BASELINES")?,
            missed: taken(ebpf, "MISSED")?,
        })
    }

    /// Says that every listener that was open at the start has been walked:
    /// the kernel side starts namespaces that it meets from now on by itself.
    pub(super) fn walked(&mut self) -> Result<()> {
        self.progress.set(WALKED, 1, 0).map_err(|error| Failure::internal("the progress map", chain(&error)))
    }

    /// Says which hooks the programs of others carry, by their bits.
    pub(super) fn carry(&mut self, bits: u32) -> Result<()> {
        self.progress
            .set(CARRIED, bits, 0)
            .map_err(|error| Failure::internal("the progress map", chain(&error)))
    }

    /// Says that listeners are walked to see where they stand now that judging
    /// has begun, or that this is over.
    pub(super) fn settling(&mut self, on: bool) -> Result<()> {
        let set = self.progress.set(SETTLING, u32::from(on), 0);
        set.map_err(|error| Failure::internal("the progress map", chain(&error)))
    }

    /// How many identities the kernel side has entered so far.
    pub(super) fn met(&self) -> Result<u64> {
        let values = self.met.get(&0, 0).map_err(|error| unreadable("identities entered", &error))?;
        Ok(values.iter().sum())
    }

    /// Puts keys of closed listeners where the program `forget` finds them: at
    /// most [`FORGOTTEN_AT_ONCE`].
    pub(super) fn name_forgotten(&mut self, keys: &[u64]) -> Result<()> {
        for (at, key) in (0..FORGOTTEN_AT_ONCE).zip(keys) {
            let set = self.forgotten.set(at, *key, 0);
            set.map_err(|error| Failure::internal("the map of forgotten listeners", chain(&error)))?;
        }
        Ok(())
    }

    /// Takes away what is kept of a listener by its key. Its rows in the array
    /// are given back by the program `forget`.
    pub(super) fn remove(&mut self, key: u64) -> Result<()> {
        let gone = |removed: std::result::Result<(), MapError>| match removed {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(error)) if error.io_error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::internal("a closed listener could not be forgotten", chain(&error))),
        };
        gone(self.spilled.remove(&key))?;
        gone(self.identities.remove(&key))
    }

    /// Takes a namespace out of the table, or back into it: while it is out, a
    /// listener that opens there gets another slot.
    pub(super) fn enter_slot(&mut self, key: u64, slot: Option<u32>) -> Result<()> {
        let entered = match slot {
            Some(slot) => self.slots.insert(key, slot, 0),
            None => self.slots.remove(&key),
        };
        entered.map_err(|error| Failure::internal("the table of namespaces", chain(&error)))
    }

    /// Gives the slot of a namespace that is out of the table to the next one.
    pub(super) fn free(&mut self, slot: u32) -> Result<()> {
        let failed = |error: MapError| Failure::internal("a namespace could not be forgotten", chain(&error));
        let blank = BaselineRow(Baseline::new_zeroed());
        for cpu in 0..self.cpus {
            let at = slot.saturating_mul(self.cpus).saturating_add(cpu);
            self.baselines.set(at, blank, 0).map_err(failed)?;
        }
        self.slot_owners.remove(&slot).map_err(failed)?;
        self.free_slots.push(slot, 0).map_err(failed)
    }

    /// Slots of the namespaces that the kernel side has met.
    pub(super) fn slots(&self) -> Result<Vec<u32>> {
        self.slots
            .iter()
            .map(|row| row.map(|(_, slot)| slot))
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| unreadable("namespaces", &error))
    }

    /// What was counted for the listeners whose keys are given.
    pub(super) fn counts(&self, keys: impl Iterator<Item = u64>) -> Result<ByKey> {
        let mut all = BTreeMap::new();
        let mask = u64::from(self.counts.len()).saturating_sub(1);
        let places: BTreeSet<u32> = keys.filter_map(|key| u32::try_from(key & mask).ok()).collect();
        for place in places {
            let per_cpu = self.counts.get(&place, 0).map_err(|error| unreadable("counts", &error))?;
            add_rows(&mut all, &per_cpu);
        }
        for row in &self.spilled {
            let (_, per_cpu) = row.map_err(|error| unreadable("counts", &error))?;
            add_rows(&mut all, &per_cpu);
        }
        Ok(all)
    }

    /// The rows of one key, by the slot of the listener's namespace.
    pub(super) fn rows_of(&self, key: u64) -> Result<Option<(u32, Totals)>> {
        let mut all = BTreeMap::new();
        let mask = u64::from(self.counts.len()).saturating_sub(1);
        let place = u32::try_from(key & mask).unwrap_or(0);
        let per_cpu = self.counts.get(&place, 0).map_err(|error| unreadable("counts", &error))?;
        add_rows(&mut all, &per_cpu);
        match self.spilled.get(&key, 0) {
            Ok(per_cpu) => add_rows(&mut all, &per_cpu),
            Err(MapError::KeyNotFound) => {}
            Err(error) => return Err(unreadable("counts", &error)),
        }
        Ok(all.remove(&key).map(|(totals, slot)| (slot, totals)))
    }

    /// Every key that stands for a socket.
    pub(super) fn keys(&self) -> Result<Vec<u64>> {
        let keys: std::result::Result<_, _> = self.identities.keys().collect();
        keys.map_err(|error| unreadable("identities", &error))
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

    /// Where each namespace started, by slot.
    pub(super) fn namespaces(&self) -> Result<BTreeMap<u32, NamespaceStart>> {
        let mut all: BTreeMap<u32, NamespaceStart> = BTreeMap::new();
        for row in &self.slots {
            let (key, slot) = row.map_err(|error| unreadable("namespaces", &error))?;
            let namespace = all.entry(slot).or_default();
            namespace.key = key;
            for cpu in 0..self.cpus {
                let at = slot.saturating_mul(self.cpus).saturating_add(cpu);
                let BaselineRow(baseline) =
                    self.baselines.get(&at, 0).map_err(|error| unreadable("baselines", &error))?;
                if baseline.active != 0 {
                    namespace.netns = baseline.netns;
                    namespace.born = baseline.born;
                    namespace.by_packet |= baseline.active == BY_PACKET;
                    add_each(&mut namespace.start, &baseline.start);
                    add_each(&mut namespace.last, &baseline.last);
                    add_each(&mut namespace.unlisted.0, &baseline.unlisted);
                    namespace.cookies_wanted += baseline.unlisted_cookies_wanted;
                    namespace.cookies_made += baseline.unlisted_cookies_made;
                }
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
    M: TryFrom<aya::maps::Map, Error = MapError>,
{
    let map = ebpf
        .take_map(name)
        .ok_or_else(|| Failure::new(Exit::Internal, format!("the kernel side has no map {name}")))?;
    M::try_from(map).map_err(|error| Failure::internal(format!("map {name}"), error))
}

fn unreadable(what: &str, error: &MapError) -> Failure {
    Failure::internal(format!("the map of {what} could not be read"), chain(error))
}

/// Adds up a place's rows: on each CPU it may belong to another listener.
fn add_rows(all: &mut ByKey, per_cpu: &PerCpuValues<CountsRow>) {
    for CountsRow(counts) in per_cpu.iter() {
        if counts.key != 0 {
            let (sums, slot) = all.entry(counts.key).or_default();
            sums.add(&totals(counts));
            *slot = counts.netns_slot;
        }
    }
}

/// One CPU's counts of a listener.
fn totals(counts: &Counts) -> Totals {
    Totals {
        syns: counts.syns,
        established: counts.established,
        established_by_cookie: counts.established_by_cookie,
        accepted: counts.accepted,
        sk_drops: counts.sk_drops,
        cookies_wanted_lost: counts.cookies_wanted_lost,
        cookies_made_lost: counts.cookies_made_lost,
        accept_queue_max: counts.accept_queue_max.max(counts.accept_queue_max_at_accept),
        syn_queue_max: counts.syn_queue_max,
        limit: counts.limit,
        reasons: Reasons(counts.reasons),
        accept_depth: counts.accept_depth,
        syn_depth: counts.syn_depth,
        accept_depth_at_accept: counts.accept_depth_at_accept,
        accept_wait_us: counts.accept_wait_us,
        ..Totals::default()
    }
}

fn add_each<const N: usize>(sums: &mut [u64; N], values: &[u64; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}
