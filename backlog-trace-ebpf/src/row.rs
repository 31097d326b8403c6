//! A listener's row on this CPU, as hooks use it: what they may read of it and
//! what they count in it. It refuses to say which row is a listener's, which
//! [`crate::counts`] does.

use core::ptr::NonNull;

use backlog_trace_common::bucket::{DEPTH_BUCKETS, WAIT_BUCKETS, bucket_of};
use backlog_trace_common::counts::Counts;
use backlog_trace_common::reason::Reason;
use backlog_trace_common::verdict::SynVerdict;

use crate::queues::Queues;

/// This CPU's row of a listener.
#[derive(Clone, Copy)]
pub struct Row(NonNull<Counts>);

impl Row {
    /// The row that lies at `counts`; `None` for NULL.
    ///
    /// # Safety
    /// `counts` must be NULL, or this CPU's value in a per-CPU map of rows, and the
    /// row must be a listener's.
    #[inline(always)]
    pub unsafe fn at(counts: *mut Counts) -> Option<Self> {
        NonNull::new(counts).map(Self)
    }

    /// What lies in the row. Every access to a row comes through here, and no reference
    /// to it leaves this file.
    #[inline(always)]
    fn counts<'a>(self) -> &'a mut Counts {
        // SAFETY: a map value outlives the program that looked it up, and the program
        // stays on its CPU, which alone has this value. Packets and timers are handled
        // with the bottom half off, one after the other. A packet can interrupt the
        // program on accept(): the two change different fields, see
        // [`Self::count_accepted`].
        unsafe { &mut *self.0.as_ptr() }
    }

    /// The listener's key.
    #[inline(always)]
    pub fn key(self) -> u64 {
        self.counts().key
    }

    /// Inode number of the listener's network namespace.
    #[inline(always)]
    pub fn netns(self) -> u32 {
        self.counts().netns
    }

    /// Slot of the listener's network namespace.
    #[inline(always)]
    pub fn netns_slot(self) -> u32 {
        self.counts().netns_slot
    }

    /// The listener's port, host order.
    #[inline(always)]
    pub fn port(self) -> u32 {
        self.counts().port
    }

    /// This CPU.
    #[inline(always)]
    pub fn cpu(self) -> u32 {
        self.counts().cpu
    }

    /// Keeps the limit of both queues for the report.
    #[inline(always)]
    pub fn set_limit(self, limit: u32) {
        self.counts().limit = limit;
    }

    /// The listener's `sk_drops` when this CPU saw it last.
    #[inline(always)]
    pub fn last_drops(self) -> u32 {
        self.counts().last_drops
    }

    /// Keeps the listener's `sk_drops` as this CPU has just seen it.
    #[inline(always)]
    pub fn set_last_drops(self, drops: u32) {
        self.counts().last_drops = drops;
    }

    /// Counts one occurrence of a reason.
    #[inline(always)]
    pub fn count(self, reason: Reason) {
        bump(&mut self.counts().reasons, reason.index());
    }

    /// Counts what a packet added to the listener's `sk_drops`.
    #[inline(always)]
    pub fn count_drops(self, added: u64) {
        self.counts().sk_drops += added;
    }

    /// Counts a SYN that was lost although a cookie was wanted or made.
    #[inline(always)]
    pub fn count_cookie_loss(self, verdict: &SynVerdict) {
        let row = self.counts();
        if verdict.cookie_wanted {
            row.cookies_wanted_lost += 1;
        }
        if verdict.cookie_made {
            row.cookies_made_lost += 1;
        }
    }

    /// Counts a SYN and the queues that it found. `told` where there was something
    /// to tell of it: then it is not in the SYN queue.
    #[inline(always)]
    pub fn count_syn(self, queues: Queues, told: bool) {
        let Queues { accept, mut syn } = queues;
        let row = self.counts();
        row.syns += 1;
        bump(&mut row.accept_depth, bucket_of(accept, DEPTH_BUCKETS));
        if accept > row.accept_queue_max {
            row.accept_queue_max = accept;
        }
        if syn > row.syn_queue_max {
            row.syn_queue_max = syn;
        }
        // A request that was just queued is not what the SYN found.
        if !told && syn > 0 {
            syn -= 1;
        }
        bump(&mut row.syn_depth, bucket_of(syn, DEPTH_BUCKETS));
    }

    /// Keeps the longest accept queue that was seen.
    #[inline(always)]
    pub fn saw_accept_queue(self, length: u32) {
        let row = self.counts();
        if length > row.accept_queue_max {
            row.accept_queue_max = length;
        }
    }

    /// Counts a connection that was put into the accept queue.
    #[inline(always)]
    pub fn count_established(self) {
        self.counts().established += 1;
    }

    /// Counts a handshake that a cookie finished.
    #[inline(always)]
    pub fn count_established_by_cookie(self) {
        self.counts().established_by_cookie += 1;
    }

    /// Counts a connection that accept() handed out: how long the accept queue was
    /// with it, and how long it waited there. accept() runs in process context,
    /// where a packet can interrupt it, so no other method may change these fields.
    #[inline(always)]
    pub fn count_accepted(self, depth: u32, wait_us: u32) {
        let row = self.counts();
        row.accepted += 1;
        bump(&mut row.accept_depth_at_accept, bucket_of(depth, DEPTH_BUCKETS));
        if depth > row.accept_queue_max_at_accept {
            row.accept_queue_max_at_accept = depth;
        }
        bump(&mut row.accept_wait_us, bucket_of(wait_us, WAIT_BUCKETS));
    }
}

/// Adds one to an element of an array. An index beyond its end, which no caller has,
/// changes nothing: the verifier wants the compare.
#[inline(always)]
pub fn bump<const N: usize>(array: &mut [u64; N], index: usize) {
    if let Some(element) = array.get_mut(index) {
        *element += 1;
    }
}
