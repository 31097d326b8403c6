//! What the kernel counted while a scenario was played.

use super::counters::Counters;

/// What the kernel counted while a scenario was played, read before the tool
/// was stopped and after: the tool's last look lies between the two.
#[derive(Clone, Debug, Default)]
pub(super) struct Kernel {
    pub(super) networks: Vec<NetworkMovement>,
    pub(super) listeners: Vec<DropsMovement>,
}

/// How far one namespace's counters moved.
#[derive(Clone, Debug)]
pub(super) struct NetworkMovement {
    pub(super) netns: u32,
    pub(super) low: Counters,
    pub(super) high: Counters,
}

/// How far one listener's `sk_drops` moved.
#[derive(Clone, Debug)]
pub(super) struct DropsMovement {
    pub(super) inode: u64,
    pub(super) low: u64,
    pub(super) high: u64,
}
