//! The maps shared with user space. Sizes here are placeholders: user space
//! sets them from the number of listeners, namespaces and CPUs.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, Queue, RingBuf};
use backlog_trace_common::baseline::Baseline;
use backlog_trace_common::counts::Counts;
use backlog_trace_common::identity::Identity;
use backlog_trace_common::limits::{FORGOTTEN_AT_ONCE, LOST_LATELY_PLACES, MAX_CPUS, RING_BYTES};
use backlog_trace_common::progress;

use crate::scratch::{Aborting, Calls, Expiring, Judged, Queued, Segment};

/// Counts plane: rows found by the low bits of the listener's key.
#[map]
pub static COUNTS: PerCpuArray<Counts> = PerCpuArray::with_max_entries(256, 0);

/// Rows of listeners whose place in [`COUNTS`] belongs to another one.
#[map]
pub static SPILLED: PerCpuHashMap<u64, Counts> = PerCpuHashMap::with_max_entries(256, 0);

/// Which socket a key stands for.
#[map]
pub static IDENTITIES: HashMap<u64, Identity> = HashMap::with_max_entries(1024, 0);

/// Slot of each namespace in [`BASELINES`], by the namespace's cookie. Its inode
/// number would not do: the kernel gives that of a namespace that is gone to the
/// next one.
#[map]
pub static NETNS_SLOTS: HashMap<u64, u32> = HashMap::with_max_entries(64, 0);

/// Which namespace took a slot. Where two namespaces reach for slot 5 at the same
/// time, the one that is entered here first has it.
#[map]
pub static SLOT_OWNERS: HashMap<u32, u64> = HashMap::with_max_entries(64, 0);

/// Where each CPU's counters of each namespace stood when they were last read.
#[map]
pub static BASELINES: Array<Baseline> = Array::with_max_entries(64, 0);

/// How far the observation is: see [`backlog_trace_common::progress`].
#[map]
pub static PROGRESS: Array<u32> = Array::with_max_entries(progress::PLACES, 0);

/// Slots of namespaces that are gone, given back by user space.
#[map]
pub static FREE_SLOTS: Queue<u32> = Queue::with_max_entries(64, 0);

/// How many identities each CPU has entered. Where the sum is more than user space
/// knows, it reads the map of identities: a detail that told of a new listener
/// may have been missed.
#[map]
pub static MET: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Keys whose rows the program [`crate::counts::forget`] gives back.
#[map]
pub static FORGOTTEN: Array<u64> = Array::with_max_entries(FORGOTTEN_AT_ONCE, 0);

/// When a listener of a namespace and port last lost something
/// (`CLOCK_MONOTONIC`, ns): see [`crate::lost_lately`].
#[map]
pub static LOST_LATELY: Array<u64> = Array::with_max_entries(LOST_LATELY_PLACES, 0);

/// 1 once any listener lost something.
#[map]
pub static LOST_EVER: Array<u32> = Array::with_max_entries(1, 0);

/// 1 once a SYN came for a listener whose namespace has tcp_syncookies at 2.
#[map]
pub static COOKIES_ALWAYS: Array<u32> = Array::with_max_entries(1, 0);

/// Details plane: the ring buffer of records.
#[map]
pub static DETAILS: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);

/// How many details found no room in the ring buffer, per CPU.
#[map]
pub static MISSED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Distance from a per-CPU pointer to the memory of each CPU: see
/// [`crate::cpu_offset`].
#[map]
pub static CPU_OFFSETS: Array<u64> = Array::with_max_entries(MAX_CPUS, 0);

/// Its value is only scratch memory; where this map lies in the kernel is what
/// tells the distance: see [`crate::cpu_offset`].
#[map]
pub static CPU_PROBE: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

/// An entry that is never written: what a new row of [`SPILLED`] starts as.
#[map]
pub static ZERO_COUNTS: PerCpuArray<Counts> = PerCpuArray::with_max_entries(1, 0);

/// Keys of listeners that closed before anybody asked for their cookie, by the
/// socket's address: all that is left to know them by.
#[map]
pub static CLOSED_KEYS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1024, 0);

/// A half-open request that may be about to be aborted: see
/// [`crate::hooks::request`].
#[map]
pub static ABORTING: PerCpuArray<Aborting> = PerCpuArray::with_max_entries(1, 0);

/// Why the SYN that is being handled is refused: see [`crate::hooks::causes`].
#[map]
pub static CAUSE: PerCpuArray<u32> = PerCpuArray::with_max_entries(1, 0);

/// A half-open request whose timer handler runs: see [`crate::hooks::expiry`].
#[map]
pub static EXPIRING: PerCpuArray<Expiring> = PerCpuArray::with_max_entries(1, 0);

/// Calls that kprobes saw begin and have not seen return, with the bottom half
/// off: see [`crate::kprobes::calls`].
#[map]
pub static CALLS: PerCpuArray<Calls> = PerCpuArray::with_max_entries(1, 0);

/// The socket that a task is inside listen() or close() of, where kprobes watch:
/// see `kprobes/callers.rs`.
#[map]
pub static CALLERS: HashMap<u64, u64> = HashMap::with_max_entries(256, 0);

/// The listener of each connection in an accept queue, where kprobes watch.
/// accept() removes the entry; that of a connection that is never accepted stays,
/// so the least recently used entry makes room for a new one.
#[map]
pub static QUEUED: LruHashMap<u64, u64> = LruHashMap::with_max_entries(1024, 0);

/// An identity under construction, which is too large for the stack: one for each
/// [`crate::identity::Place`], because a packet can interrupt a listen().
#[map]
pub static NEW_IDENTITY: PerCpuArray<Identity> = PerCpuArray::with_max_entries(4, 0);

/// The request that this CPU queued last: see [`crate::tracepoints::queued`].
#[map]
pub static LAST_REQUEST: PerCpuArray<Queued> = PerCpuArray::with_max_entries(1, 0);

/// The connection that this CPU established last: see [`crate::tracepoints::queued`].
#[map]
pub static LAST_CONNECTION: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Entry 0: the segment that a program of the tracepoint rung judges. Entry 1: one
/// that [`crate::tracepoints`] tries its search out with, in process context.
#[map]
pub static SEGMENT: PerCpuArray<Segment> = PerCpuArray::with_max_entries(2, 0);

/// What the first of two programs on a tracepoint has judged: see
/// [`crate::tracepoints::twin`].
#[map]
pub static TWINS: PerCpuArray<Judged> = PerCpuArray::with_max_entries(3, 0);
