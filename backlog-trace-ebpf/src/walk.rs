//! The walk over the listeners that are open already. User space has it done when
//! the observation begins, and, where the tracepoint rung has to know how far
//! `sk_drops` of each member of a group has been charged, once more when judging
//! has begun.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_seq_write;
use backlog_trace_common::identity::Identity;
use backlog_trace_common::progress::SETTLING;

use crate::globals::OFF_SKC_STATE;
use crate::identity::{self, Place};
use crate::maps::{IDENTITIES, NEW_IDENTITY, PROGRESS};
use crate::read::{Memory, Ptr, Typed, slot};
use crate::uapi::LISTEN;
use crate::{baseline, key};

/// Walks the sockets of one namespace when user space reads the iterator. Every
/// listener gets an identity, and its namespace a slot. What user space reads is
/// an [`Identity`] of each listener as it stands now.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub extern "C" fn listeners(ctx: *mut c_void) -> i32 {
    let sk = slot::<1>(ctx) as Ptr;
    if sk.is_null() {
        return 0;
    }
    let state: u8 = Typed::load(sk, OFF_SKC_STATE.load());
    if state != LISTEN {
        return 0;
    }
    if let Some(tcp) = Typed::tcp_sock(sk) {
        baseline::enroll::<Typed>(tcp);
        let key = key::of::<Typed>(tcp);
        identity::meet::<Typed>(tcp, key, None, Place::Walk);
        if let Some(now) = NEW_IDENTITY.get_ptr_mut(Place::Walk as u32) {
            // SAFETY: this CPU's scratch value, filled in by meet().
            unsafe { settle(key, (*now).drops) };
            let meta = slot::<0>(ctx) as Ptr;
            // struct bpf_iter_meta begins with its seq_file (5.8 and later).
            let seq: Ptr = Typed::load(meta, 0);
            // SAFETY: a typed pointer and a live map value.
            unsafe { bpf_seq_write(seq.cast_mut().cast(), now.cast(), size_of::<Identity>() as u32) };
        }
    }
    0
}

/// Has `sk_drops` of a listener counted from where it stands now, less what has
/// been charged already: what a member of a group lost before judging began must
/// not be charged to it later (`tracepoints::group`).
#[inline(always)]
fn settle(key: u64, drops: u32) {
    if PROGRESS.get(SETTLING).is_none_or(|settling| *settling == 0) {
        return;
    }
    if let Some(identity) = IDENTITIES.get_ptr_mut(key) {
        // SAFETY: a live map value.
        unsafe { (*identity).drops = drops.wrapping_sub((*identity).charged as u32) };
    }
}
