//! Which member of an SO_REUSEPORT group lost a packet, where the kernel
//! shows only the group: the one whose `sk_drops` moved beyond what has been
//! charged to it.
//!
//! `tcp_listendrop()` bumps `sk_drops` of the very member together with the
//! counter that was the verdict, so the sums per member are exact. Where two
//! CPUs lose packets of one group in the same moment, each charges a member
//! that lost one, not necessarily its own packet's.

use crate::atomic::{add, exchange};
use crate::globals::{OFF_REUSE_NUM, OFF_REUSE_SOCKS, OFF_SK_DROPS, OFF_SK_REUSEPORT_CB};
use crate::key;
use crate::maps::IDENTITIES;
use crate::read::{Memory, Probed, Ptr};

/// Most members that are looked at.
const MOST: u32 = 128;

/// The member that a lost packet is charged to; 0: none is known. A function of
/// its own: see [`super::lookup::look_up`].
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn loser(group: u64) -> u64 {
    let members = u32::from(Probed::load::<u16>(group as Ptr, OFF_REUSE_NUM.load()));
    let mut at = 0u32;
    while at < MOST {
        if at >= members {
            break;
        }
        let sk: u64 = Probed::load((group + 8 * u64::from(at)) as Ptr, OFF_REUSE_SOCKS.load());
        if sk != 0 && lost_more(sk as Ptr) {
            return sk;
        }
        at += 1;
    }
    0
}

/// How often a charge is tried again that another CPU was faster with.
const TRIES: u32 = 4;

/// Charges one to a member if it has lost more than it was charged with.
#[inline(always)]
fn lost_more(sk: Ptr) -> bool {
    let Some(identity) = IDENTITIES.get_ptr_mut(key::of::<Probed>(sk)) else { return false };
    // SAFETY: a live map value; every CPU changes `charged` atomically.
    let (start, charged) = unsafe { ((*identity).drops, &raw mut (*identity).charged) };
    for _ in 0..TRIES {
        let drops: u32 = Probed::load(sk, OFF_SK_DROPS.load());
        // SAFETY: as above.
        let before = unsafe { charged.read_volatile() };
        if drops.wrapping_sub(start).wrapping_sub(before as u32) as i32 <= 0 {
            return false;
        }
        if exchange(charged, before, before + 1) == before {
            return true;
        }
    }
    false
}

/// Takes note of what a packet added to a member's `sk_drops`, where the
/// kernel says which member it was.
#[inline(always)]
pub fn charge<M: Memory>(tcp: Ptr, key: u64, count: u32) {
    if M::load::<u64>(tcp, OFF_SK_REUSEPORT_CB.load()) == 0 {
        return;
    }
    if let Some(identity) = IDENTITIES.get_ptr_mut(key) {
        // SAFETY: as above.
        add(unsafe { &raw mut (*identity).charged }, u64::from(count));
    }
}
