//! A listener opens or closes, by the change of its state.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

use super::queued;
use crate::baseline;
use crate::hooks::{close, listen};
use crate::identity::Caller;
use crate::read::{Memory, Ptr, Typed, slot};
use crate::uapi::{CLOSE, LISTEN};

/// inet_sock_set_state(sk, oldstate, newstate): has the kernel make the listener's
/// cookie before packets find the socket (inet_csk_listen_start(), all versions).
/// A program of its own, because kernels before 5.12 refuse the helper.
#[btf_tracepoint]
pub fn state_cookie(ctx: BtfTracePointContext) -> i32 {
    let ctx: *mut c_void = ctx.as_ptr();
    if slot::<2>(ctx) as u32 == u32::from(LISTEN) {
        // SAFETY: a typed socket from the context.
        unsafe { bpf_get_socket_cookie((slot::<0>(ctx) as Ptr).cast_mut().cast()) };
    }
    0
}

/// inet_sock_set_state(sk, oldstate, newstate): a socket begins to listen. The port
/// of one that was not bound is not known yet.
#[btf_tracepoint]
pub fn state_listen(ctx: BtfTracePointContext) -> i32 {
    let raw: *mut c_void = ctx.as_ptr();
    if slot::<2>(raw) as u32 != u32::from(LISTEN) {
        return 0;
    }
    let Some(tcp) = Typed::tcp_sock(slot::<0>(raw) as Ptr) else { return 0 };
    baseline::enroll::<Typed>(tcp);
    listen::opened::<Typed>(tcp, Caller::current(&ctx))
}

/// inet_sock_set_state(sk, oldstate, newstate): a listener closes.
/// inet_csk_listen_stop() follows right after, so both queue lengths are still
/// whole.
#[btf_tracepoint]
pub fn state_close(ctx: BtfTracePointContext) -> i32 {
    let ctx: *mut c_void = ctx.as_ptr();
    queued::made(ctx);
    // Up to 6.12 a new connection is at first a copy of its listener, cookie and
    // all, and leaves LISTEN for SYN_RECV (inet_csk_clone_lock()): so the new
    // state is asked for as well.
    if slot::<1>(ctx) as u32 != u32::from(LISTEN) || slot::<2>(ctx) as u32 != u32::from(CLOSE) {
        return 0;
    }
    let Some(tcp) = Typed::tcp_sock(slot::<0>(ctx) as Ptr) else { return 0 };
    // No tracepoint tells of the connections that are reset one by one.
    close::closing::<Typed>(tcp, false)
}
