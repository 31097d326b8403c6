//! accept(): a connection leaves the accept queue. How long it waited there and how
//! long the queue was are counted.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;

use crate::globals::{ARGS_ACCEPT, OFF_RCVQ_TIME, OFF_SK_ACK_BACKLOG};
use crate::identity::Place;
use crate::read::{Memory, Ptr, Typed, returned, slot};
use crate::{context, counts};

/// inet_csk_accept(sk, flags, err, kern), later (sk, arg)
#[fexit]
pub fn accept(ctx: FExitContext) -> i32 {
    let ctx: *mut c_void = ctx.as_ptr();
    let child = returned(ctx, ARGS_ACCEPT.load()) as Ptr;
    if child.is_null() {
        return 0;
    }
    // A child that is a TCP socket has a listener that is one. The listener is not
    // cast: nothing beyond struct sock is read of it.
    let Some(child) = Typed::tcp_sock(child) else { return 0 };
    handed_out::<Typed>(slot::<0>(ctx) as Ptr, child)
}

/// A connection was handed out by accept(). How long it waited is read from the child
/// itself: tcp_init_buffer_space() stamps rcvq_space.time when the handshake
/// finishes, and only the application's reads move the stamp, which come after
/// accept() (5.10 to 7.2). So no map from connection to time is needed.
#[inline(always)]
pub fn handed_out<M: Memory>(sk: Ptr, child: Ptr) -> i32 {
    let Some(row) = counts::of::<M>(sk, Place::Accept) else { return 0 };
    let finished_us: u64 = M::load(child, OFF_RCVQ_TIME.load());
    let now_us = context::now() / 1000;
    let wait = now_us.saturating_sub(finished_us);
    let wait = if wait > u64::from(u32::MAX) { u32::MAX } else { wait as u32 };
    // The connection has left the queue already: the queue that accept() found was
    // longer by one.
    let depth = M::load::<u32>(sk, OFF_SK_ACK_BACKLOG.load()).wrapping_add(1);
    row.count_accepted(depth, wait);
    0
}
