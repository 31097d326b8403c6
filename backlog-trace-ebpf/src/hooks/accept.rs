//! accept(): a connection leaves the accept queue.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use backlog_trace_common::bucket::{DEPTH_BUCKETS, WAIT_BUCKETS, bucket_of};

use crate::counts::{self, bump};
use crate::globals::{ARGS_ACCEPT, OFF_RCVQ_TIME, OFF_SK_ACK_BACKLOG};
use crate::identity::Place;
use crate::read::{Memory, Ptr, Typed, returned, slot};

/// inet_csk_accept(sk, flags, err, kern), later (sk, arg)
#[fexit]
pub fn accept(ctx: FExitContext) -> i32 {
    let ctx: *mut c_void = ctx.as_ptr();
    let child = returned(ctx, ARGS_ACCEPT.load()) as Ptr;
    if child.is_null() {
        return 0;
    }
    // That the child is TCP says the same of the listener, of which nothing
    // beyond struct sock is read.
    let Some(child) = Typed::tcp_sock(child) else { return 0 };
    handed_out::<Typed>(slot::<0>(ctx) as Ptr, child)
}

/// How long the connection waited is read from the child itself:
/// tcp_init_buffer_space() stamps rcvq_space.time when the handshake finishes,
/// and only the application's reads move it, which come after accept()
/// (5.10 to 7.2). No map from connection to time is needed.
#[inline(always)]
pub fn handed_out<M: Memory>(sk: Ptr, child: Ptr) -> i32 {
    let Some((_, row)) = counts::of::<M>(sk, Place::Accept) else { return 0 };
    let finished_us: u64 = M::load(child, OFF_RCVQ_TIME.load());
    // SAFETY: no arguments.
    let now_us = unsafe { bpf_ktime_get_ns() } / 1000;
    let wait = now_us.saturating_sub(finished_us);
    let wait = if wait > u64::from(u32::MAX) { u32::MAX } else { wait as u32 };
    // SAFETY: `row` is this CPU's live map value. accept() runs in process
    // context and can be preempted, but the program runs without migration,
    // and the packet hooks write other fields of the row.
    unsafe {
        (*row).accepted += 1;
        // What it found, itself included.
        let depth = M::load::<u32>(sk, OFF_SK_ACK_BACKLOG.load()).wrapping_add(1);
        bump(&raw mut (*row).accept_depth_at_accept, bucket_of(depth, DEPTH_BUCKETS));
        if depth > (*row).accept_queue_max_at_accept {
            (*row).accept_queue_max_at_accept = depth;
        }
        bump(&raw mut (*row).accept_wait_us, bucket_of(wait, WAIT_BUCKETS));
    }
    0
}
