//! The final ACK of a handshake kept in a cookie, by kprobes.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use super::calls::{self, Function};
use super::registers::{Entry, Exit};
use crate::hooks::cookie::{self, Checked};
use crate::peer::Peer;
use crate::read::{Memory, Probed, Ptr};
use crate::scratch::Call;

/// cookie_v4_check(sk, skb)
#[kprobe]
pub fn cookie_v4_in(ctx: ProbeContext) -> u32 {
    begin(Function::CookieV4, &Entry::of(&ctx))
}

/// cookie_v4_check(sk, skb)
#[kretprobe]
pub fn cookie_v4_out(ctx: RetProbeContext) -> u32 {
    end(Function::CookieV4, &Exit::of(&ctx), Peer::Ipv4)
}

/// cookie_v6_check(sk, skb)
#[kprobe]
pub fn cookie_v6_in(ctx: ProbeContext) -> u32 {
    begin(Function::CookieV6, &Entry::of(&ctx))
}

/// cookie_v6_check(sk, skb)
#[kretprobe]
pub fn cookie_v6_out(ctx: RetProbeContext) -> u32 {
    end(Function::CookieV6, &Exit::of(&ctx), Peer::Ipv6)
}

#[inline(always)]
fn begin(function: Function, entry: &Entry) -> u32 {
    let sk = entry.first();
    calls::begin(Call::new(function, entry.stack(), sk, entry.second()), sk as Ptr);
    0
}

#[inline(always)]
fn end(function: Function, exit: &Exit, client: impl FnOnce(Ptr) -> Peer) -> u32 {
    let Some(call) = calls::end(function, exit.stack()) else { return 0 };
    let Some(tcp) = Probed::tcp_sock(call.sk as Ptr) else { return 0 };
    let skb = call.skb as Ptr;
    cookie::handled::<Probed>(tcp, skb, Checked::of(call.sk, exit.returned()), client(skb));
    0
}
