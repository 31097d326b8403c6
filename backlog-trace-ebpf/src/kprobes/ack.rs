//! The final ACK of a handshake kept in the SYN queue, by kprobes.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use super::calls::{self, Function};
use super::registers::{Entry, Exit};
use crate::hooks::ack::{self, Packet};
use crate::read::{Probed, Ptr};
use crate::scratch::Call;

/// tcp_check_req(sk, skb, req, fastopen, req_stolen[, drop_reason])
#[kprobe]
pub fn ack_in(ctx: ProbeContext) -> u32 {
    let entry = Entry::of(&ctx);
    // A Fast Open child is checked in process context with the bottom half on:
    // no frame, and so no verdict. Only the low byte of a bool is defined.
    if entry.fourth() & 0xff != 0 {
        return 0;
    }
    let sk = entry.first();
    let mut call = Call::new(Function::Ack, entry.stack(), sk, entry.second());
    call.req = entry.third();
    call.stolen = entry.fifth();
    calls::begin(call, sk as Ptr);
    0
}

/// tcp_check_req(sk, skb, req, fastopen, req_stolen[, drop_reason])
#[kretprobe]
pub fn ack_out(ctx: RetProbeContext) -> u32 {
    let exit = Exit::of(&ctx);
    let Some(call) = calls::end(Function::Ack, exit.stack()) else { return 0 };
    ack::checked::<Probed>(call.sk as Ptr, exit.returned(), &call);
    0
}

impl Packet for Call {
    #[inline(always)]
    fn skb(&self) -> Ptr {
        self.skb as Ptr
    }

    #[inline(always)]
    fn req(&self) -> Ptr {
        self.req as Ptr
    }

    #[inline(always)]
    fn stolen(&self) -> u64 {
        self.stolen
    }
}
