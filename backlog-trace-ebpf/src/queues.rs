//! How long the two queues of a listener are at this moment.

use crate::globals::{OFF_ACCEPT_QUEUE_QLEN, OFF_SK_ACK_BACKLOG};
use crate::read::{Memory, Ptr};

/// Both queues of a listener, as its hook has just read them.
#[derive(Clone, Copy)]
pub struct Queues {
    /// Accept queue length: connections that wait for accept().
    pub accept: u32,
    /// SYN queue length: half-open requests.
    pub syn: u32,
}

impl Queues {
    /// Reads both lengths.
    #[inline(always)]
    pub fn of<M: Memory>(tcp: Ptr) -> Self {
        Self {
            accept: M::load(tcp, OFF_SK_ACK_BACKLOG.load()),
            syn: M::load(tcp, OFF_ACCEPT_QUEUE_QLEN.load()),
        }
    }
}
