//! What a network namespace is known by, and which slot it has in the table of
//! baselines.

use crate::globals::{OFF_NET_COOKIE, OFF_NET_HASH_MIX, OFF_NET_INUM, OFF_SKC_NET};
use crate::maps::NETNS_SLOTS;
use crate::read::{Memory, Ptr};

/// The slot of a socket's namespace.
#[inline(always)]
pub fn find<M: Memory>(tcp: Ptr) -> Option<u32> {
    slot_of::<M>(M::load(tcp, OFF_SKC_NET.load()))
}

/// The slot of a namespace.
#[inline(always)]
pub fn slot_of<M: Memory>(net: Ptr) -> Option<u32> {
    let cookie: u64 = M::load(net, OFF_NET_COOKIE.load());
    // SAFETY: the slot is copied at once; it is four bytes, written whole.
    if cookie != 0
        && let Some(slot) = unsafe { NETNS_SLOTS.get(cookie) }
    {
        return Some(*slot);
    }
    // SAFETY: as above.
    unsafe { NETNS_SLOTS.get(by_inode::<M>(net)) }.copied()
}

/// The key of a namespace whose cookie nobody has asked for, which only 5.10 can
/// be without: its inode number together with the random number that setup_net()
/// gives each namespace for its hash tables. The inode number alone would not
/// do, because the next namespace may get it.
#[inline(always)]
pub fn by_inode<M: Memory>(net: Ptr) -> u64 {
    let netns: u32 = M::load(net, OFF_NET_INUM.load());
    let mix: u32 = M::load(net, OFF_NET_HASH_MIX.load());
    1 << 63 | u64::from(mix & 0x7fff_ffff) << 32 | u64::from(netns)
}

/// The key of a namespace in the table of slots: its cookie, where it has one.
#[inline(always)]
pub fn name<M: Memory>(net: Ptr) -> u64 {
    let cookie: u64 = M::load(net, OFF_NET_COOKIE.load());
    if cookie != 0 { cookie } else { by_inode::<M>(net) }
}
