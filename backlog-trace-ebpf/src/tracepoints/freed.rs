//! Packets that are freed: the function in which a packet is freed says what kind of
//! packet it was, and so which file judges it.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use backlog_trace_common::progress::{CARRIED, CARRIES_COOKIE, CARRIES_REQUEST};

use super::twin::{Pair, content, judges};
use super::{ack, cookie, request, syn};
use crate::globals::{
    AT_COOKIE_V4_CHECK, AT_COOKIE_V6_CHECK, AT_ICMP_RCV, AT_ICMPV6_RCV, AT_RCV_STATE_PROCESS, AT_V4_DO_RCV,
    AT_V4_RCV, AT_V6_DO_RCV, AT_V6_RCV,
};
use crate::maps::PROGRESS;
use crate::read::{Memory, Ptr, Typed, slot};

/// consume_skb(skb, location)
#[btf_tracepoint]
pub fn packet_consumed(ctx: BtfTracePointContext) -> i32 {
    consumed(ctx.as_ptr(), false)
}

/// consume_skb(skb, location)
#[btf_tracepoint]
pub fn packet_consumed_twin(ctx: BtfTracePointContext) -> i32 {
    consumed(ctx.as_ptr(), true)
}

/// kfree_skb(skb, location, reason, rx_sk)
#[btf_tracepoint]
pub fn packet_dropped(ctx: BtfTracePointContext) -> i32 {
    dropped(ctx.as_ptr(), false)
}

/// kfree_skb(skb, location, reason, rx_sk)
#[btf_tracepoint]
pub fn packet_dropped_twin(ctx: BtfTracePointContext) -> i32 {
    dropped(ctx.as_ptr(), true)
}

/// A packet of any kind is consumed. No tracepoint fires more often, so the place is
/// compared before anything else is read.
#[inline(always)]
fn consumed(ctx: *mut c_void, second: bool) -> i32 {
    let location = slot::<1>(ctx);
    let of_syn = AT_RCV_STATE_PROCESS.load().contains(location);
    let of_error = AT_ICMP_RCV.load().contains(location) || AT_ICMPV6_RCV.load().contains(location);
    if !of_syn && !of_error {
        return 0;
    }
    let skb = slot::<0>(ctx) as Ptr;
    if !judges(Pair::Consumed, second, skb as u64, content(skb)) {
        return 0;
    }
    if of_syn {
        syn::consumed(skb)
    } else if carries(CARRIES_REQUEST) {
        request::consumed(skb)
    } else {
        0
    }
}

/// A packet of any kind is dropped.
#[inline(always)]
fn dropped(ctx: *mut c_void, second: bool) -> i32 {
    let location = slot::<1>(ctx);
    let of_ack = AT_V4_RCV.load().contains(location) || AT_V6_RCV.load().contains(location);
    let of_cookie =
        AT_COOKIE_V4_CHECK.load().contains(location) || AT_COOKIE_V6_CHECK.load().contains(location);
    let stray = AT_RCV_STATE_PROCESS.load().contains(location);
    let again = AT_V4_DO_RCV.load().contains(location) || AT_V6_DO_RCV.load().contains(location);
    if !of_ack && !of_cookie && !stray && !again {
        return 0;
    }
    let sk = slot::<3>(ctx) as Ptr;
    if sk.is_null() {
        return 0;
    }
    let Some(tcp) = Typed::tcp_sock(sk) else { return 0 };
    let skb = slot::<0>(ctx) as Ptr;
    if !judges(Pair::Dropped, second, skb as u64, content(skb)) {
        return 0;
    }
    if of_ack {
        ack::dropped(tcp, skb, slot::<2>(ctx) as u32)
    } else if again {
        ack::looked_up_again(tcp, skb)
    } else if stray {
        ack::stray(tcp, skb)
    } else if carries(CARRIES_COOKIE) {
        cookie::dropped(tcp, skb)
    } else {
        0
    }
}

/// Whether the hook of this bit has no programs of its own, so that its packets are
/// judged here. User space says so once everything is attached.
#[inline(always)]
fn carries(hook: u32) -> bool {
    PROGRESS.get(CARRIED).is_some_and(|carried| *carried & hook != 0)
}
