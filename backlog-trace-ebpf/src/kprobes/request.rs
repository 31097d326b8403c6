//! A half-open request removed by an ICMP error, by kprobes.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use super::calls::{self, Function};
use super::registers::{Entry, Exit};
use crate::globals::OFF_SKC_LISTENER;
use crate::hooks::request;
use crate::read::{Memory, Probed, Ptr};
use crate::scratch::Call;

/// tcp_req_err(sk, seq, abort): the socket is the request.
#[kprobe]
pub fn request_in(ctx: ProbeContext) -> u32 {
    let entry = Entry::of(&ctx);
    let req = entry.first();
    let listener: Ptr = Probed::load(req as Ptr, OFF_SKC_LISTENER.load());
    calls::begin(Call::new(Function::Request, entry.stack(), req, 0), listener);
    request::about_to_abort::<Probed>(req as Ptr);
    0
}

/// tcp_req_err(sk, seq, abort)
#[kretprobe]
pub fn request_out(ctx: RetProbeContext) -> u32 {
    if calls::end(Function::Request, Exit::of(&ctx).stack()).is_some() {
        request::aborted();
    }
    0
}
