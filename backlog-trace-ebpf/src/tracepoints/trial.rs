//! Whether [`super::lookup`] finds listeners: what it knows of the kernel's table is
//! tried out on every listener that is open, before any verdict depends on it.

use core::ffi::c_void;

use backlog_trace_common::progress::NOT_FOUND;

use super::lookup;
use crate::address;
use crate::globals::{OFF_SKC_BOUND_DEV, OFF_SKC_FAMILY, OFF_SKC_NET, OFF_SKC_NUM, OFF_SKC_STATE};
use crate::maps::{PROGRESS, SEGMENT};
use crate::read::{Memory, Ptr, Typed, slot};
use crate::uapi::{INET6, LISTEN};

/// Walks the sockets of one namespace when user space reads the iterator, and
/// counts the listeners that a search by their own address does not find.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub extern "C" fn listeners_found(ctx: *mut c_void) -> i32 {
    let sk = slot::<1>(ctx) as Ptr;
    if sk.is_null() || Typed::load::<u8>(sk, OFF_SKC_STATE.load()) != LISTEN {
        return 0;
    }
    let Some(segment) = SEGMENT.get_ptr_mut(1) else { return 0 };
    // SAFETY: this CPU's live map value, which packets do not use.
    unsafe {
        (*segment).net = Typed::load(sk, OFF_SKC_NET.load());
        (*segment).device = Typed::load(sk, OFF_SKC_BOUND_DEV.load());
        (*segment).local_port = u32::from(Typed::load::<u16>(sk, OFF_SKC_NUM.load()));
        let family: u16 = Typed::load(sk, OFF_SKC_FAMILY.load());
        (*segment).ipv6 = u32::from(family == INET6);
        (&raw mut (*segment).local).cast::<[u64; 2]>().write(address::local::<Typed>(sk, family));
        lookup::look_up(1);
        if (*segment).listener == 0
            && let Some(unfound) = PROGRESS.get_ptr_mut(NOT_FOUND)
        {
            *unfound += 1;
        }
    }
    0
}
