//! A listener closes: what still waits in its queues is lost.
//!
//! `inet_csk_listen_stop()` resets each connection that waits for accept(), or hands
//! it to another member of the reuseport group. So these connections are counted
//! one by one as they are reset. It leaves half-open requests alone: they die at
//! their next timer or ACK. They are counted at once, unless they may move to
//! another member; then the timer's hook counts those that did not.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};
use backlog_trace_common::detail::Kind;
use backlog_trace_common::globals::ABSENT;
use backlog_trace_common::identity::Identity;

use crate::atomic::add;
use crate::context;
use crate::details::{self, What};
use crate::globals::{
    MIB_MIGRATEREQSUCCESS, OFF_ACCEPT_QUEUE_QLEN, OFF_SK_ACK_BACKLOG, OFF_SK_DROPS, OFF_SK_SHUTDOWN,
    OFF_SKC_NET, OFF_SKC_REUSEPORT, OFF_SKC_STATE, OFF_SYSCTL_MIGRATE_REQ, SHIFT_SKC_REUSEPORT,
};
use crate::identity::{self, Place};
use crate::key;
use crate::maps::IDENTITIES;
use crate::read::{Memory, Ptr, Typed, slot};
use crate::uapi::NEW_SYN_RECV;

/// inet_csk_listen_stop(sk): called by close(), shutdown(), disconnect and `ss -K`. On
/// the way in both queues still have their full length.
#[fentry]
pub fn close(ctx: FEntryContext) -> i32 {
    let Some(tcp) = Typed::tcp_sock(slot::<0>(ctx.as_ptr()) as Ptr) else { return 0 };
    aya_log_ebpf::debug!(&ctx, "listener closes: socket key {}", key::of::<Typed>(tcp));
    closing::<Typed>(tcp, true)
}

/// inet_csk_listen_stop(sk)
#[fexit]
pub fn close_done(ctx: FExitContext) -> i32 {
    let Some(tcp) = Typed::tcp_sock(slot::<0>(ctx.as_ptr()) as Ptr) else { return 0 };
    closed::<Typed>(tcp)
}

/// inet_child_forget(sk, req, child): a finished handshake is reset. It is called for
/// each connection of a listener that closes, and for a handshake that finishes on
/// a listener that has closed; the latter is counted by the hook on final ACKs.
#[fentry]
pub fn unaccepted(ctx: FEntryContext) -> i32 {
    let Some(tcp) = Typed::tcp_sock(slot::<0>(ctx.as_ptr()) as Ptr) else { return 0 };
    forgotten::<Typed>(tcp)
}

/// A listener is about to close; whether its unaccepted connections are counted
/// one by one as they are reset.
#[inline(always)]
pub fn closing<M: Memory>(tcp: Ptr, one_by_one: bool) -> i32 {
    key::remember_closed::<M>(tcp);
    let key = key::of::<M>(tcp);
    identity::meet::<M>(tcp, key, None, Place::Listen);
    // A listener that got its cookie late has a second key, under which it may have
    // been recorded before.
    let before = key::without_cookie::<M>(tcp);
    if before != key {
        mark::<M>(tcp, before);
    }
    if let Some(identity) = mark::<M>(tcp, key) {
        // SAFETY: a live map value; the socket is locked by who closes it.
        unsafe {
            // __tcp_close() shuts both ways down before it stops listening;
            // tcp_disconnect() and tcp_abort() do not (5.10 to 7.2).
            const BOTH_WAYS: u8 = 3;
            (*identity).is_gone = u32::from(M::load::<u8>(tcp, OFF_SK_SHUTDOWN.load()) == BOTH_WAYS);
            // Where nothing counts connections one by one, nothing tells the end of
            // the closing either.
            if one_by_one {
                (*identity).closing = context::thread();
            }
            (*identity).left_unaccepted += (*identity).closed_accept_queue;
            if may_migrate::<M>(tcp) {
                (*identity).migrates = 1;
            } else {
                (*identity).lost_half_open += (*identity).closed_syn_queue;
                if !one_by_one {
                    (*identity).lost_unaccepted += (*identity).closed_accept_queue;
                }
            }
        }
    }
    details::tell_without_row::<M>(tcp, key, What::kind(Kind::Closed));
    0
}

/// The listener has closed.
#[inline(always)]
pub fn closed<M: Memory>(tcp: Ptr) -> i32 {
    if let Some(identity) = IDENTITIES.get_ptr_mut(key::of::<M>(tcp)) {
        // SAFETY: a live map value; the socket is locked by who closes it.
        unsafe { (*identity).closing = 0 };
    }
    0
}

/// A finished handshake is reset: counted if the current thread is the one that closes
/// the listener. A packet that interrupts that thread cannot come here for the same
/// listener: its state has left LISTEN before, and tcp_v4_rcv() looks at it first.
#[inline(always)]
pub fn forgotten<M: Memory>(tcp: Ptr) -> i32 {
    if let Some(identity) = IDENTITIES.get_ptr_mut(key::of::<M>(tcp)) {
        // SAFETY: a live map value that only the closing thread writes now.
        unsafe {
            if (*identity).closing == context::thread() {
                (*identity).lost_unaccepted += 1;
            }
        }
    }
    0
}

/// reuseport_migrate_sock(sk, migrating_sk, skb): 5.14 and later. A finished
/// connection moves where inet_csk_listen_stop() asks; a half-open request that
/// moves (TCP_NEW_SYN_RECV) finishes at its new listener alone.
#[fexit]
pub fn migrated(ctx: FExitContext) -> i32 {
    let ctx: *mut c_void = ctx.as_ptr();
    let (moving, to) = (slot::<1>(ctx) as Ptr, slot::<3>(ctx) as Ptr);
    if moving.is_null() || to.is_null() || Typed::load::<u8>(moving, OFF_SKC_STATE.load()) == NEW_SYN_RECV {
        return 0;
    }
    let Some(tcp) = Typed::tcp_sock(to) else { return 0 };
    taken_over::<Typed>(tcp)
}

/// A listener took a finished connection over. The connection is put into its accept
/// queue only after this (inet_csk_reqsk_queue_add()), so the queue of a listener
/// that is first met here is recorded without it.
#[inline(always)]
pub fn taken_over<M: Memory>(tcp: Ptr) -> i32 {
    let key = key::of::<M>(tcp);
    identity::meet::<M>(tcp, key, None, Place::Listen);
    if let Some(identity) = IDENTITIES.get_ptr_mut(key) {
        // SAFETY: a live map value; two members can close at a time.
        add(unsafe { &raw mut (*identity).taken_over }, 1);
    }
    0
}

/// Records how a listener stood when it closed.
#[inline(always)]
fn mark<M: Memory>(tcp: Ptr, key: u64) -> Option<*mut Identity> {
    let identity = IDENTITIES.get_ptr_mut(key)?;
    // SAFETY: a live map value; a socket closes once at a time (it is locked).
    unsafe {
        (*identity).closed = context::now();
        (*identity).closed_drops = M::load(tcp, OFF_SK_DROPS.load());
        (*identity).closed_accept_queue = M::load(tcp, OFF_SK_ACK_BACKLOG.load());
        (*identity).closed_syn_queue = M::load(tcp, OFF_ACCEPT_QUEUE_QLEN.load());
    }
    Some(identity)
}

/// Whether half-open requests may move to another member of the group
/// (reuseport_migrate_sock(), 5.14 and later): the setting is on and the
/// socket is a member of one. A BPF program that the group chose for the
/// purpose can allow it without the setting; it is not looked for.
#[inline(always)]
fn may_migrate<M: Memory>(tcp: Ptr) -> bool {
    if MIB_MIGRATEREQSUCCESS.load() == ABSENT || OFF_SYSCTL_MIGRATE_REQ.load() == ABSENT {
        return false;
    }
    let member: u8 = M::load(tcp, OFF_SKC_REUSEPORT.load());
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    (member >> SHIFT_SKC_REUSEPORT.load()) & 1 == 1 && M::load::<u8>(net, OFF_SYSCTL_MIGRATE_REQ.load()) != 0
}
