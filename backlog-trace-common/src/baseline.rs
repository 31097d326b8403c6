//! What one CPU's counters of one namespace last stood at.
//!
//! A verdict needs the movement of the counters across one call. Reading them
//! on both sides of every call is dear, so they are read on the way out only,
//! and compared with what the previous reading on this CPU left here. That is
//! exact as long as everything that moves them passes a hook that reads them.

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

/// One CPU's counters of one namespace. Baselines lie in an array, at the
/// namespace's slot times the number of CPUs plus the CPU; once it is active,
/// only its CPU writes it.
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
    /// When the namespace got its slot (`CLOCK_MONOTONIC`, ns): of two with one
    /// inode number the later one has it now.
    pub born: u64,
    /// Where the counters stood when the observation of this CPU began.
    pub start: [u64; COUNTERS],
    /// Where they stood when they were last read.
    pub last: [u64; COUNTERS],
    /// The same for the counters of [`crate::evidence`].
    pub evidence: [u64; EVIDENCE],
    /// `SyncookiesRecv` when it was last read; only the tracepoint rung does.
    pub cookies_received: u64,
    /// Occurrences per reason on listeners that found no room in the maps of
    /// listeners: counted for the namespace, not named.
    pub unlisted: [u64; REASON_SLOTS],
    /// Of those, SYNs lost although a cookie was wanted: as
    /// [`crate::counts::Counts::cookies_wanted_lost`].
    pub unlisted_cookies_wanted: u64,
    /// Of those, SYNs lost although a cookie was made: as
    /// [`crate::counts::Counts::cookies_made_lost`].
    pub unlisted_cookies_made: u64,
}

const _: () = assert!(size_of::<Baseline>() == 32 + 2 * 8 * COUNTERS + 8 * EVIDENCE + 8 * REASON_SLOTS + 16);
