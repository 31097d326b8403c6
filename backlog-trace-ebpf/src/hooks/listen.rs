//! listen(): a listener is about to open, and has opened.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_get_socket_cookie;
use aya_ebpf::macros::{fentry, fexit};
use aya_ebpf::programs::{FEntryContext, FExitContext};
use backlog_trace_common::detail::Kind;

use crate::baseline;
use crate::details::{self, What};
use crate::globals::ARGS_LISTEN_START;
use crate::identity::{self, Caller, Place};
use crate::key;
use crate::read::{Memory, Ptr, Typed, returned, slot};

/// inet_csk_listen_start(sk[, backlog]): has the kernel make the socket's cookie before
/// any client can reach the socket. A program of its own, because kernels before
/// 5.12 refuse the helper in tracing programs. There the listener's key is made of
/// its inode and port until somebody asks for the cookie.
#[fentry]
pub fn listen_cookie(ctx: FEntryContext) -> i32 {
    let sk = slot::<0>(ctx.as_ptr()) as Ptr;
    // SAFETY: a typed socket from the context.
    unsafe { bpf_get_socket_cookie(sk.cast_mut().cast()) };
    0
}

/// inet_csk_listen_start(sk[, backlog]): the socket's namespace needs
/// baselines before its first packet.
#[fentry]
pub fn listen_begin(ctx: FEntryContext) -> i32 {
    let Some(tcp) = Typed::tcp_sock(slot::<0>(ctx.as_ptr()) as Ptr) else { return 0 };
    baseline::enroll::<Typed>(tcp);
    0
}

/// inet_csk_listen_start(sk[, backlog]): the port is known and listen() succeeded.
#[fexit]
pub fn listen_done(ctx: FExitContext) -> i32 {
    let raw: *mut c_void = ctx.as_ptr();
    if returned(raw, ARGS_LISTEN_START.load()) as u32 != 0 {
        return 0;
    }
    let Some(tcp) = Typed::tcp_sock(slot::<0>(raw) as Ptr) else { return 0 };
    aya_log_ebpf::debug!(&ctx, "listen(): socket key {}", key::of::<Typed>(tcp));
    opened::<Typed>(tcp, Caller::current(&ctx))
}

/// listen() succeeded, in the caller's context.
#[inline(always)]
pub fn opened<M: Memory>(tcp: Ptr, caller: Caller) -> i32 {
    let key = key::of::<M>(tcp);
    identity::meet::<M>(tcp, key, Some(caller), Place::Listen);
    identity::reopen::<M>(tcp, key);
    details::tell_without_row::<M>(tcp, key, What::kind(Kind::Opened));
    0
}
