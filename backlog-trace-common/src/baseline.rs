//! Where the kernel's counters of one network namespace stood on one CPU when a
//! hook last read them.
//!
//! A verdict on a packet needs to know how far the counters moved during the
//! call that handled it: ListenDrops from 41 to 42, say. A hook on both sides of
//! the call would cost twice, so the counters are read on the way out only and
//! compared with the 41 that the previous reading on this CPU left in the
//! baseline. That is exact as long as every function that moves the counters
//! has a hook that reads them.

use crate::counter::COUNTERS;
use crate::evidence::EVIDENCE;
use crate::reason::REASON_SLOTS;

/// [`Baseline::active`] of a namespace whose listeners user space walked, or
/// whose first listener the listen hook saw: where its counters stood at the
/// start is known for every CPU.
pub const BY_LISTENER: u32 = 1;

/// [`Baseline::active`] of a namespace that user space could not enter: each
/// CPU begins with the first packet that it sees, which is not judged. What the
/// counters of a CPU that has seen no packet yet stood at is not known, so such
/// a namespace has no audit.
pub const BY_PACKET: u32 = 2;

/// One CPU's counters of one namespace. Baselines lie in an array: on a host
/// with 8 CPUs, that of CPU 2 for the namespace in slot 5 is entry 5 * 8 + 2.
/// Once a baseline is active, only its CPU writes it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Baseline {
    /// Kernel address of this CPU's `struct linux_mib` of this namespace.
    pub address: u64,
    /// 0 until `start` and `last` are set; packets are judged from then on.
    /// Then [`BY_LISTENER`] or [`BY_PACKET`].
    pub active: u32,
    /// The network namespace's inode number (`net->ns.inum`).
    pub netns: u32,
    /// When the namespace got its slot (`CLOCK_MONOTONIC`, ns). The kernel gives
    /// the inode number of a namespace that is gone to the next one: of two
    /// baselines with one number, the later is of the namespace that has it now.
    pub born: u64,
    /// Where the counters stood when the observation of this CPU began.
    pub start: [u64; COUNTERS],
    /// Where the counters stood when they were last read.
    pub last: [u64; COUNTERS],
    /// Where the counters of [`crate::evidence`] stood when they were last read.
    pub evidence: [u64; EVIDENCE],
    /// Where `SyncookiesRecv` stood when it was last read; only the tracepoint
    /// rung reads it.
    pub cookies_received: u64,
    /// Occurrences per reason on listeners that have no row, because the maps of
    /// rows are full: counted for the namespace, and no listener is named.
    pub unlisted: [u64; REASON_SLOTS],
    /// SYNs among `unlisted` that were lost although a cookie was wanted: as
    /// [`crate::counts::Counts::cookies_wanted_lost`].
    pub unlisted_cookies_wanted: u64,
    /// SYNs among `unlisted` that were lost although a cookie was made: as
    /// [`crate::counts::Counts::cookies_made_lost`].
    pub unlisted_cookies_made: u64,
}

const _: () = assert!(size_of::<Baseline>() == 32 + 2 * 8 * COUNTERS + 8 * EVIDENCE + 8 * REASON_SLOTS + 16);
