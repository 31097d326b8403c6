//! The client's SYN, by kprobes.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use super::calls::{self, Function};
use super::registers::{Entry, Exit};
use crate::hooks::syn;
use crate::peer::Peer;
use crate::read::{Probed, Ptr};
use crate::scratch::Call;

/// tcp_v4_conn_request(sk, skb), subflow_v4_conn_request(sk, skb)
#[kprobe]
pub fn syn_v4_in(ctx: ProbeContext) -> u32 {
    begin(Function::SynV4, &Entry::of(&ctx))
}

/// tcp_v4_conn_request(sk, skb), subflow_v4_conn_request(sk, skb)
#[kretprobe]
pub fn syn_v4_out(ctx: RetProbeContext) -> u32 {
    let Some(call) = calls::end(Function::SynV4, Exit::of(&ctx).stack()) else { return 0 };
    syn::handled::<Probed>(call.sk as Ptr, Peer::Ipv4(call.skb as Ptr));
    0
}

/// tcp_v6_conn_request(sk, skb), subflow_v6_conn_request(sk, skb)
#[kprobe]
pub fn syn_v6_in(ctx: ProbeContext) -> u32 {
    begin(Function::SynV6, &Entry::of(&ctx))
}

/// tcp_v6_conn_request(sk, skb), subflow_v6_conn_request(sk, skb)
#[kretprobe]
pub fn syn_v6_out(ctx: RetProbeContext) -> u32 {
    let Some(call) = calls::end(Function::SynV6, Exit::of(&ctx).stack()) else { return 0 };
    syn::handled_v6::<Probed>(call.sk as Ptr, call.skb as Ptr);
    0
}

#[inline(always)]
fn begin(function: Function, entry: &Entry) -> u32 {
    let sk = entry.first();
    calls::begin(Call::new(function, entry.stack(), sk, entry.second()), sk as Ptr);
    0
}
