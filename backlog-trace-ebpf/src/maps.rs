//! The maps shared with user space. Sizes here are placeholders: user space
//! sets them from the number of listeners, namespaces and CPUs.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use backlog_trace_common::baseline::{Baseline, BaselineKey};
use backlog_trace_common::counts::Counts;
use backlog_trace_common::identity::Identity;
use backlog_trace_common::limits::{MAX_CPUS, RING_BYTES};

/// Counts plane: per listener and CPU.
#[map]
pub static COUNTS: PerCpuHashMap<u64, Counts> = PerCpuHashMap::with_max_entries(1024, 0);

/// Which socket a key of [`COUNTS`] stands for.
#[map]
pub static IDENTITIES: HashMap<u64, Identity> = HashMap::with_max_entries(1024, 0);

/// Where each CPU's counters of each namespace last stood.
#[map]
pub static BASELINES: HashMap<BaselineKey, Baseline> = HashMap::with_max_entries(1024, 0);

/// Details plane.
#[map]
pub static DETAILS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// Details that found no room, per CPU.
#[map]
pub static MISSED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Distance from a per-CPU pointer to the memory of each CPU.
#[map]
pub static CPU_OFFSETS: Array<u64> = Array::with_max_entries(MAX_CPUS, 0);

/// Its own address is what tells the distance: see [`crate::baseline`].
#[map]
pub static CPU_PROBE: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// An entry that is never written: what a new row of [`COUNTS`] starts as.
#[map]
pub static ZERO_COUNTS: PerCpuArray<Counts> = PerCpuArray::with_max_entries(1, 0);

/// Too large for the stack: a baseline or an identity under construction.
#[map]
pub static NEW_BASELINE: PerCpuArray<Baseline> = PerCpuArray::with_max_entries(1, 0);

#[map]
pub static NEW_IDENTITY: PerCpuArray<Identity> = PerCpuArray::with_max_entries(1, 0);
