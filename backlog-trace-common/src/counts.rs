//! Counts plane: what one CPU counted for one listener.
//!
//! A listener has a row on each CPU that handled a packet of it. Every field is
//! written by that CPU alone, without atomics, and user space adds the rows up.
//! A row is found by the low bits of its listener's key in an array, which
//! costs a tenth of a hash lookup; a listener whose place in the array belongs
//! to another listener has its row in a hash map.
//!
//! A row begins once packets of its namespace are judged on its CPU, so that all
//! its counts cover the same time. It ends after the listener has closed, when
//! user space has added what the row holds to what it keeps of the listener.

use crate::bucket::{DEPTH_BUCKETS, WAIT_BUCKETS};
use crate::reason::REASON_SLOTS;

/// One CPU's counts of one listener, since judging began on that CPU.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Counts {
    /// The listener's key; 0: the row is free.
    pub key: u64,
    /// The listener's `sk_drops` when this CPU last looked: while it has not
    /// moved, no SYN of this listener can have been dropped here.
    pub last_drops: u32,
    /// Longest accept queue that a SYN found.
    pub accept_queue_max: u32,
    /// Longest accept queue that accept() found; apart, because accept() runs
    /// in process context and a SYN can interrupt it.
    pub accept_queue_max_at_accept: u32,
    /// Longest SYN queue seen.
    pub syn_queue_max: u32,
    /// The limit of both queues when this CPU last looked.
    pub limit: u32,
    /// Inode number of the listener's network namespace. It and the port are
    /// kept here because every detail of the listener repeats them.
    pub netns: u32,
    /// The listener's port, host order.
    pub port: u32,
    /// The CPU whose row this is.
    pub cpu: u32,
    /// Slot of the listener's namespace.
    pub netns_slot: u32,
    /// Keeps the 64-bit counts aligned without hidden padding.
    pub reserved: u32,
    /// SYNs handled by the listener.
    pub syns: u64,
    /// Connections put into the accept queue. Counted on the tracepoint rung,
    /// which sees each; on the others 0, and user space works the number out
    /// from `accepted` and the queue's length.
    pub established: u64,
    /// Handshakes finished by a cookie.
    pub established_by_cookie: u64,
    /// Connections handed out by accept().
    pub accepted: u64,
    /// Additions to `sk_drops` that the verdicts account for.
    pub sk_drops: u64,
    /// SYNs that were lost although a cookie was wanted
    /// (`TCPReqQFullDoCookies` without `SyncookiesSent`).
    pub cookies_wanted_lost: u64,
    /// SYNs that were lost although a cookie was made.
    pub cookies_made_lost: u64,
    /// Occurrences per reason.
    pub reasons: [u64; REASON_SLOTS],
    /// Accept queue length when a SYN arrived.
    pub accept_depth: [u64; DEPTH_BUCKETS],
    /// SYN queue length when a SYN arrived.
    pub syn_depth: [u64; DEPTH_BUCKETS],
    /// Accept queue length that accept() found.
    pub accept_depth_at_accept: [u64; DEPTH_BUCKETS],
    /// Time from finished handshake to accept(), in microseconds.
    pub accept_wait_us: [u64; WAIT_BUCKETS],
}

const _: () =
    assert!(size_of::<Counts>() == 48 + 8 * 7 + 8 * (REASON_SLOTS + 3 * DEPTH_BUCKETS + WAIT_BUCKETS));
