//! The client's SYN: on the way out of the functions that answer it.
//!
//! Hooked are the wrappers around `tcp_conn_request()`, because they refuse
//! broadcast and multicast themselves and count it, and because each SYN
//! passes one of them exactly as it passes the function inside.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use backlog_trace_common::baseline::Baseline;
use backlog_trace_common::bucket::{DEPTH_BUCKETS, bucket_of};
use backlog_trace_common::counter::Counter;
use backlog_trace_common::counts::Counts;
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::globals::ABSENT;
use backlog_trace_common::reason::Reason;
use backlog_trace_common::verdict::{self, Alone, Delta, Signs};

use super::causes;
use crate::counts::{self, bump};
use crate::details::{self, Peer, Queues, What};
use crate::globals::{
    OFF_FASTOPEN_MAX_QLEN, OFF_RT6_FLAGS, OFF_RTABLE_FLAGS, OFF_SK_DROPS, OFF_SKB_PROTOCOL, OFF_SKB_REFDST,
    OFF_SKC_NET, OFF_SYNFLOOD_WARNED, OFF_SYSCTL_MAX_SYN_BACKLOG, OFF_SYSCTL_SYNCOOKIES,
    SIZE_SYNFLOOD_WARNED,
};
use crate::identity::Place;
use crate::maps::COOKIES_ALWAYS;
use crate::mib;
use crate::read::{Memory, Probed, Ptr, Typed, slot};
use crate::uapi::IPV4;

/// tcp_v4_conn_request(sk, skb)
#[fexit]
pub fn syn_v4(ctx: FExitContext) -> i32 {
    handled::<Typed>(slot::<0>(ctx.as_ptr()) as Ptr, Peer::Ipv4(slot::<1>(ctx.as_ptr()) as Ptr))
}

/// tcp_v6_conn_request(sk, skb)
#[fexit]
pub fn syn_v6(ctx: FExitContext) -> i32 {
    handled_v6::<Typed>(slot::<0>(ctx.as_ptr()) as Ptr, slot::<1>(ctx.as_ptr()) as Ptr)
}

/// subflow_v4_conn_request(sk, skb): MPTCP listeners, 6.1 and later.
#[fexit]
pub fn syn_mptcp_v4(ctx: FExitContext) -> i32 {
    handled::<Typed>(slot::<0>(ctx.as_ptr()) as Ptr, Peer::Ipv4(slot::<1>(ctx.as_ptr()) as Ptr))
}

/// subflow_v6_conn_request(sk, skb): MPTCP listeners, 6.1 and later.
#[fexit]
pub fn syn_mptcp_v6(ctx: FExitContext) -> i32 {
    handled_v6::<Typed>(slot::<0>(ctx.as_ptr()) as Ptr, slot::<1>(ctx.as_ptr()) as Ptr)
}

/// A dual-stack listener hands an IPv4 client's SYN on to the IPv4 wrapper,
/// where it has been counted already.
#[inline(always)]
pub fn handled_v6<M: Memory>(sk: Ptr, skb: Ptr) -> i32 {
    let protocol: u16 = M::load(skb, OFF_SKB_PROTOCOL.load());
    if protocol == IPV4 { 0 } else { handled::<M>(sk, Peer::Ipv6(skb)) }
}

/// A SYN has been answered or refused.
#[inline(always)]
pub fn handled<M: Memory>(sk: Ptr, client: Peer) -> i32 {
    let Some(tcp) = M::tcp_sock(sk) else { return 0 };
    let Some((_, row)) = counts::of::<M>(tcp, Place::Packet) else { return unlisted::<M>(tcp) };
    let queues = Queues::of::<M>(tcp);
    let drops: u32 = M::load(tcp, OFF_SK_DROPS.load());
    let cookies = cookies_possible::<M>(tcp);
    // SAFETY: `row` is this CPU's live map value.
    unsafe {
        // Every tcp_listendrop() bumps sk_drops, so where this CPU saw it at
        // the same value before, this SYN was not refused; and no cookie can
        // have been wanted unless the listener says so. Then no counter is read.
        let fastopen = M::load::<u32>(tcp, OFF_FASTOPEN_MAX_QLEN.load()) != 0;
        let told = if drops != (*row).last_drops || cookies || fastopen {
            (*row).last_drops = drops;
            judge::<M>(tcp, row, client, Read { cookies, fastopen }, queues)
        } else {
            false
        };
        arrived(row, queues, told);
    }
    causes::forget();
    0
}

/// Counts a SYN and what it found, once it is known what became of it.
///
/// # Safety
/// `row` must be this CPU's live map value.
#[inline(always)]
pub unsafe fn arrived(row: *mut Counts, queues: Queues, told: bool) {
    let Queues { accept, mut syn } = queues;
    // SAFETY: the caller's promise.
    unsafe {
        (*row).syns += 1;
        bump(&raw mut (*row).accept_depth, bucket_of(accept, DEPTH_BUCKETS));
        if accept > (*row).accept_queue_max {
            (*row).accept_queue_max = accept;
        }
        if syn > (*row).syn_queue_max {
            (*row).syn_queue_max = syn;
        }
        // A request that was just queued is not what the SYN found.
        if !told && syn > 0 {
            syn -= 1;
        }
        bump(&raw mut (*row).syn_depth, bucket_of(syn, DEPTH_BUCKETS));
    }
}

/// Whether a cookie can have been wanted for a SYN of this listener.
///
/// tcp_syn_flood_action() sets synflood_warned the first time that the SYN
/// queue of a listener is full, unless tcp_syncookies is 2 (5.10 to 7.2).
///
/// The kernel looked at tcp_syncookies a moment ago, and it may have been
/// changed since: once it has been 2 anywhere, every SYN is taken for one that
/// met it.
#[inline(always)]
pub fn cookies_possible<M: Memory>(tcp: Ptr) -> bool {
    let Some(always) = COOKIES_ALWAYS.get_ptr_mut(0) else { return true };
    // SAFETY: a live map value that only ever becomes 1.
    if unsafe { always.read_volatile() } != 0 {
        return true;
    }
    let warned = if SIZE_SYNFLOOD_WARNED.load() == 1 {
        u32::from(M::load::<u8>(tcp, OFF_SYNFLOOD_WARNED.load()))
    } else {
        M::load::<u32>(tcp, OFF_SYNFLOOD_WARNED.load())
    };
    if warned != 0 {
        return true;
    }
    if syncookies::<M>(tcp) != 2 {
        return false;
    }
    // SAFETY: as above.
    unsafe { always.write_volatile(1) };
    true
}

#[inline(always)]
fn syncookies<M: Memory>(tcp: Ptr) -> u8 {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    M::load(net, OFF_SYSCTL_SYNCOOKIES.load())
}

/// Which counters are read beside ListenOverflows and ListenDrops.
#[derive(Clone, Copy)]
struct Read {
    cookies: bool,
    fastopen: bool,
}

/// The verdict, by what this CPU's counters did.
#[inline(always)]
unsafe fn judge<M: Memory>(tcp: Ptr, row: *mut Counts, client: Peer, read: Read, queues: Queues) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(baseline) = mib::baseline(row) else { return false };
        let delta = mib::delta(baseline, read.cookies);
        let signs = if read.fastopen { mib::fastopen(baseline) } else { Signs::default() };
        pronounce::<M>(tcp, row, client, &delta, &signs, || not_unicast::<M>(&client), queues)
    }
}

/// How far Fast Open's counters moved, where the listener has it.
#[inline(always)]
pub fn fastopen<M: Memory>(tcp: Ptr, baseline: *mut Baseline) -> Signs {
    if M::load::<u32>(tcp, OFF_FASTOPEN_MAX_QLEN.load()) != 0 {
        mib::fastopen(baseline)
    } else {
        Signs::default()
    }
}

/// What became of a SYN, by the movement of the counters; counted and told.
/// Returns whether there was anything to tell, and not what: the verifier would
/// follow what comes after once for each reason.
///
/// # Safety
/// `row` must be this CPU's live map value, claimed by the listener.
#[inline(always)]
pub unsafe fn pronounce<M: Memory>(
    tcp: Ptr,
    row: *mut Counts,
    client: Peer,
    delta: &Delta,
    signs: &Signs,
    not_unicast: impl FnOnce() -> bool,
    queues: Queues,
) -> bool {
    let verdict = verdict::syn(delta, signs, || alone::<M>(tcp, queues.syn, not_unicast));
    // SAFETY: the caller's promise: `row` is this CPU's live map value.
    unsafe {
        if verdict.cookie_wanted {
            (*row).cookies_wanted_lost += 1;
        }
        if verdict.cookie_made {
            (*row).cookies_made_lost += 1;
        }
        let Some(reason) = verdict.reason else { return false };
        // What tcp_listendrop() adds to sk_drops, whether or not the SYN is lost.
        (*row).sk_drops += delta.of(Counter::ListenDrops);
        let outcome = if answered(reason) { Outcome::None } else { Outcome::Silent };
        bump(&raw mut (*row).reasons, reason.index());
        details::tell::<M>(tcp, row, queues, What::reason(reason, outcome), client);
        true
    }
}

/// Whether a SYN+ACK goes out all the same.
#[inline(always)]
fn answered(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::SynCookieSent
            | Reason::FastopenAcceptQueueFull
            | Reason::FastopenChildFailed
            | Reason::FastopenQueueFull
    )
}

/// What tells the causes of a ListenDrops apart that moved alone.
#[inline(always)]
fn alone<M: Memory>(tcp: Ptr, syn_queue: u32, not_unicast: impl FnOnce() -> bool) -> Alone {
    if not_unicast() {
        Alone::NotUnicast
    } else if let Some(reason) = causes::take() {
        Alone::Seen(reason)
    } else if reserved::<M>(tcp, syn_queue) {
        Alone::Reserved
    } else {
        Alone::Unknown
    }
}

/// What the wrappers ask of the packet's route before anything else
/// (tcp_v4_conn_request(): RTCF_BROADCAST or RTCF_MULTICAST;
/// ipv6_unicast_destination(): RTF_LOCAL; 5.10 to 7.2).
#[inline(always)]
pub fn not_unicast<M: Memory>(client: &Peer) -> bool {
    const BROADCAST_OR_MULTICAST: u32 = 0x3000_0000;
    const LOCAL: u32 = 0x8000_0000;
    let route = |skb: Ptr| (M::load::<u64>(skb, OFF_SKB_REFDST.load()) & !1) as Ptr;
    match *client {
        Peer::Ipv4(skb) => {
            Probed::load::<u32>(route(skb), OFF_RTABLE_FLAGS.load()) & BROADCAST_OR_MULTICAST != 0
        }
        Peer::Ipv6(skb) if OFF_RT6_FLAGS.load() != ABSENT => {
            Probed::load::<u32>(route(skb), OFF_RT6_FLAGS.load()) & LOCAL == 0
        }
        _ => false,
    }
}

/// Whether the last-quarter rule held (tcp_conn_request(), all versions).
#[inline(always)]
fn reserved<M: Memory>(tcp: Ptr, syn_queue: u32) -> bool {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    let backlog: u32 = M::load(net, OFF_SYSCTL_MAX_SYN_BACKLOG.load());
    syncookies::<M>(tcp) == 0 && (backlog.wrapping_sub(syn_queue) as i32) < (backlog >> 2) as i32
}

/// A SYN of a listener that found no room in the map: counted for the
/// namespace, so that the audit closes all the same.
#[inline(always)]
fn unlisted<M: Memory>(tcp: Ptr) -> i32 {
    if let Some(baseline) = mib::baseline_without_row::<M>(tcp) {
        let delta = mib::delta(baseline, true);
        charge_namespace(baseline, &delta, &fastopen::<M>(tcp, baseline));
    }
    0
}

/// Counts what became of a SYN for its namespace alone.
#[inline(always)]
pub fn charge_namespace(baseline: *mut Baseline, delta: &Delta, signs: &Signs) {
    let verdict = verdict::syn(delta, signs, || Alone::Unknown);
    // SAFETY: a live map value that only this CPU writes.
    unsafe {
        (*baseline).unlisted_cookies_wanted += u64::from(verdict.cookie_wanted);
        (*baseline).unlisted_cookies_made += u64::from(verdict.cookie_made);
        if let Some(reason) = verdict.reason {
            bump(&raw mut (*baseline).unlisted, reason.index());
        }
    }
}
