//! Why a SYN was refused, by kretprobes on the functions that can fail: what a
//! function returned says whether it did.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use backlog_trace_common::globals::ABSENT;
use backlog_trace_common::reason::Reason;

use super::calls::{self, Function};
use super::registers::{Entry, Exit};
use crate::globals::ARGS_HASH_ADD;
use crate::hooks::causes::{failed, twin};
use crate::read::{Memory, Probed, Ptr};
use crate::scratch::Call;

/// inet_reqsk_alloc(ops, sk_listener, attach_listener)
#[kretprobe]
pub fn cause_memory_out(ctx: RetProbeContext) -> u32 {
    failed(Exit::of(&ctx).returned() == 0, Reason::SynNoMemory);
    0
}

/// security_inet_conn_request(sk, skb, req): 0, or an errno.
#[kretprobe]
pub fn cause_security_out(ctx: RetProbeContext) -> u32 {
    failed(Exit::of(&ctx).returned() as u32 != 0, Reason::SynSecurityModule);
    0
}

/// inet_csk_route_req(sk, fl4, req), inet6_csk_route_req(sk, fl6, req, proto)
#[kretprobe]
pub fn cause_route_out(ctx: RetProbeContext) -> u32 {
    failed(Exit::of(&ctx).returned() == 0, Reason::SynNoRoute);
    0
}

/// inet_csk_reqsk_queue_hash_add(sk, req[, timeout])
#[kprobe]
pub fn cause_twin_in(ctx: ProbeContext) -> u32 {
    if ARGS_HASH_ADD.load() != ABSENT {
        let entry = Entry::of(&ctx);
        let mut call = Call::new(Function::HashAdd, entry.stack(), entry.first(), 0);
        call.req = entry.second();
        calls::begin(call, entry.first() as Ptr);
    }
    0
}

/// inet_csk_reqsk_queue_hash_add(sk, req[, timeout])
#[kretprobe]
pub fn cause_twin_out(ctx: RetProbeContext) -> u32 {
    let exit = Exit::of(&ctx);
    let Some(call) = calls::end(Function::HashAdd, exit.stack()) else { return 0 };
    // Only the low byte of a bool is defined.
    if exit.returned() & 0xff == 0
        && let Some(tcp) = Probed::tcp_sock(call.sk as Ptr)
    {
        twin::<Probed>(tcp, call.req as Ptr);
    }
    0
}
