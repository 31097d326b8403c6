//! What a network namespace is known by, and which slot it has.

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
    // SAFETY: slots are entered once and never change.
    if cookie != 0
        && let Some(slot) = unsafe { NETNS_SLOTS.get(cookie) }
    {
        return Some(*slot);
    }
    // SAFETY: as above.
    unsafe { NETNS_SLOTS.get(by_inode::<M>(net)) }.copied()
}

/// The key of a namespace in 5.10 that nobody has asked the cookie of: its
/// inode number, which the next namespace may get, and the random number that
/// setup_net() gives each one for its hash tables.
#[inline(always)]
pub fn by_inode<M: Memory>(net: Ptr) -> u64 {
    let netns: u32 = M::load(net, OFF_NET_INUM.load());
    let mix: u32 = M::load(net, OFF_NET_HASH_MIX.load());
    1 << 63 | u64::from(mix & 0x7fff_ffff) << 32 | u64::from(netns)
}

/// What a namespace is known by.
#[inline(always)]
pub fn name<M: Memory>(net: Ptr) -> u64 {
    let cookie: u64 = M::load(net, OFF_NET_COOKIE.load());
    if cookie != 0 { cookie } else { by_inode::<M>(net) }
}
