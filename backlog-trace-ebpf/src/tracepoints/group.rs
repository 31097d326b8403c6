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

/// How many members of a group are looked at.
const MOST: u32 = 128;

/// Address of the member that a lost packet is charged to; 0 where no member has
/// lost more than it was charged with. A global function, for the reason that
/// [`super::lookup::look_up`] is one.
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

/// How often a charge is tried where other CPUs charge the same member meanwhile.
const TRIES: u32 = 4;

/// Charges one loss to a member that has lost more than it was charged with; `false`
/// for any other.
#[inline(always)]
fn lost_more(sk: Ptr) -> bool {
    let Some(identity) = IDENTITIES.get_ptr_mut(key::of::<Probed>(sk)) else { return false };
    // SAFETY: a live map value; every CPU changes `charged` atomically.
    let (start, charged) = unsafe { ((*identity).drops, &raw mut (*identity).charged) };
    for _ in 0..TRIES {
        let drops: u32 = Probed::load(sk, OFF_SK_DROPS.load());
        // SAFETY: a live map value; every CPU changes `charged` atomically.
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

/// Charges a member with what a packet added to its `sk_drops`, where the kernel
/// says which member it was. A listener in no group is not charged.
#[inline(always)]
pub fn charge<M: Memory>(tcp: Ptr, key: u64, count: u32) {
    if M::load::<u64>(tcp, OFF_SK_REUSEPORT_CB.load()) == 0 {
        return;
    }
    if let Some(identity) = IDENTITIES.get_ptr_mut(key) {
        // SAFETY: a live map value; every CPU changes `charged` atomically.
        add(unsafe { &raw mut (*identity).charged }, u64::from(count));
    }
}
