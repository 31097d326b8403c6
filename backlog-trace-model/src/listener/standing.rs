//! How one listener stands: both queues against their limit, what limits them,
//! what it has lost since its socket was made.

use std::sync::Arc;

use super::{Cap, Listener};

/// A SYN queue's length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SynQueue {
    /// Half-open requests.
    pub length: u32,
    /// Listeners that share them, 1 unless they are a reuseport group: the
    /// kernel does not report which member holds a request.
    pub shared_by: u32,
}

impl SynQueue {
    /// Whether the length is this listener's own; otherwise it is the most that
    /// it can be.
    pub const fn is_exact(self) -> bool {
        self.shared_by <= 1 || self.length == 0
    }
}

/// How one listener stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The listener.
    pub listener: Arc<Listener>,
    /// Accept queue length.
    pub accept_queue: u32,
    /// SYN queue length, where the half-open requests could be listed.
    pub syn_queue: Option<SynQueue>,
    /// Which cap made the limit, where that can be told.
    pub limited_by: Option<Cap>,
    /// `sk_drops` since the socket was made.
    pub drops: Option<u32>,
}

/// Share of its limit, in percent, above which an accept queue is near it: as the
/// finding `close_to_limit` has it.
const NEAR: u64 = 80;

impl Standing {
    /// Percent of its limit that the accept queue uses; `None` where the limit is not known.
    pub fn in_use(&self) -> Option<u64> {
        let limit = u64::from(self.listener.limit?);
        Some(u64::from(self.accept_queue) * 100 / limit.max(1))
    }

    /// Whether the accept queue is longer than 80 % of its limit.
    pub fn is_near_its_limit(&self) -> bool {
        let length = u64::from(self.accept_queue);
        self.listener.limit.is_some_and(|limit| length * 100 > u64::from(limit) * NEAR)
    }
}
