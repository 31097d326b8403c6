//! The client's SYN: on the way out of the functions that answer it.
//!
//! `tcp_conn_request()` answers a SYN. Hooked are the wrappers around it, because they
//! refuse SYNs to broadcast and multicast addresses themselves, which the kernel
//! counts as well. Every SYN that reaches `tcp_conn_request()` has come through one of
//! them.

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::fexit;
use aya_ebpf::programs::FExitContext;
use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::globals::ABSENT;
use backlog_trace_common::reason::Reason;
use backlog_trace_common::verdict::{self, Alone, Delta, Signs};

use super::causes;
use crate::counts;
use crate::details::{self, What};
use crate::globals::{
    OFF_FASTOPEN_MAX_QLEN, OFF_RT6_FLAGS, OFF_RTABLE_FLAGS, OFF_SK_DROPS, OFF_SKB_PROTOCOL, OFF_SKB_REFDST,
    OFF_SKC_NET, OFF_SYNFLOOD_WARNED, OFF_SYSCTL_MAX_SYN_BACKLOG, OFF_SYSCTL_SYNCOOKIES,
    SIZE_SYNFLOOD_WARNED,
};
use crate::identity::Place;
use crate::maps::COOKIES_ALWAYS;
use crate::mib::{self, OwnBaseline};
use crate::peer::Peer;
use crate::queues::Queues;
use crate::read::{Memory, Probed, Ptr, Typed, slot};
use crate::row::Row;
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
    let Some(row) = counts::of::<M>(tcp, Place::Packet) else { return unlisted::<M>(tcp) };
    let queues = Queues::of::<M>(tcp);
    let drops: u32 = M::load(tcp, OFF_SK_DROPS.load());
    let cookies = cookies_possible::<M>(tcp);
    let fastopen = has_fastopen::<M>(tcp);
    let syn = Syn { tcp, row, client, queues };
    // Every tcp_listendrop() adds to sk_drops, so where this CPU saw it at the same
    // value before, this SYN was not refused; and no cookie can have been wanted unless
    // the listener says so. Then no counter is read.
    let told = if drops != row.last_drops() || cookies || fastopen {
        row.set_last_drops(drops);
        syn.judge_by_row::<M>(cookies, fastopen)
    } else {
        false
    };
    row.count_syn(queues, told);
    causes::forget();
    0
}

/// A SYN of a listener that has a row. Handed on by value, so that it is kept in registers
/// as long as nothing is judged.
#[derive(Clone, Copy)]
pub struct Syn {
    /// The listener.
    pub tcp: Ptr,
    /// Its row.
    pub row: Row,
    /// Who sent the SYN.
    pub client: Peer,
    /// The listener's queues once the SYN had been handled.
    pub queues: Queues,
}

impl Syn {
    /// Judges the SYN by how far the counters of its listener's namespace moved since
    /// this CPU last read them.
    #[inline(always)]
    fn judge_by_row<M: Memory>(self, cookies: bool, fastopen: bool) -> bool {
        let Some(baseline) = mib::of_row(self.row) else { return false };
        let delta = baseline.delta(cookies);
        let signs = if fastopen { baseline.fastopen() } else { Signs::default() };
        self.judge::<M>(&delta, &signs, move || not_unicast::<M>(self.client))
    }

    /// What became of the SYN, by the movement of the counters; counted and told.
    /// Returns whether there was anything to tell, and not what: the verifier would
    /// follow what comes after once for each reason.
    #[inline(always)]
    pub fn judge<M: Memory>(self, delta: &Delta, signs: &Signs, not_unicast: impl FnOnce() -> bool) -> bool {
        let Self { tcp, row, client, queues } = self;
        let verdict = verdict::syn(delta, signs, move || alone::<M>(tcp, queues.syn, not_unicast));
        row.count_cookie_loss(&verdict);
        let Some(reason) = verdict.reason else { return false };
        // What tcp_listendrop() adds to sk_drops, whether or not the SYN is lost.
        row.count_drops(delta.of(Counter::ListenDrops));
        let outcome = if answered(reason) { Outcome::None } else { Outcome::Silent };
        row.count(reason);
        details::tell::<M>(tcp, row, queues, What::reason(reason, outcome), client);
        true
    }
}

/// Whether a cookie can have been wanted for a SYN of this listener.
///
/// tcp_syn_flood_action() sets synflood_warned the first time that the SYN queue of a
/// listener is full, unless tcp_syncookies is 2 (5.10 to 7.2).
///
/// The kernel looked at tcp_syncookies a moment ago, and somebody may have changed it
/// since. So once it has been 2 in any namespace, a cookie is taken to be possible for
/// every SYN.
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
    // SAFETY: a live map value that only ever becomes 1.
    unsafe { always.write_volatile(1) };
    true
}

#[inline(always)]
fn syncookies<M: Memory>(tcp: Ptr) -> u8 {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    M::load(net, OFF_SYSCTL_SYNCOOKIES.load())
}

/// Whether the listener has Fast Open.
#[inline(always)]
fn has_fastopen<M: Memory>(tcp: Ptr) -> bool {
    M::load::<u32>(tcp, OFF_FASTOPEN_MAX_QLEN.load()) != 0
}

/// How far Fast Open's counters moved, where the listener has it.
#[inline(always)]
pub fn fastopen<M: Memory>(tcp: Ptr, baseline: OwnBaseline) -> Signs {
    if has_fastopen::<M>(tcp) { baseline.fastopen() } else { Signs::default() }
}

/// Whether a SYN+ACK goes out although the SYN met this reason.
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

/// Why ListenDrops moved alone.
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

/// Whether the SYN was sent to an address that is not unicast, by what the wrappers ask
/// of the packet's route before anything else (tcp_v4_conn_request(): RTCF_BROADCAST
/// or RTCF_MULTICAST; ipv6_unicast_destination(): RTF_LOCAL; 5.10 to 7.2).
#[inline(always)]
pub fn not_unicast<M: Memory>(client: Peer) -> bool {
    const BROADCAST_OR_MULTICAST: u32 = 0x3000_0000;
    const LOCAL: u32 = 0x8000_0000;
    let route = |skb: Ptr| (M::load::<u64>(skb, OFF_SKB_REFDST.load()) & !1) as Ptr;
    match client {
        Peer::Ipv4(skb) => {
            Probed::load::<u32>(route(skb), OFF_RTABLE_FLAGS.load()) & BROADCAST_OR_MULTICAST != 0
        }
        Peer::Ipv6(skb) if OFF_RT6_FLAGS.load() != ABSENT => {
            Probed::load::<u32>(route(skb), OFF_RT6_FLAGS.load()) & LOCAL == 0
        }
        _ => false,
    }
}

/// Whether the last quarter of the SYN backlog was reached, which tcp_conn_request()
/// keeps for clients that it knows where cookies are off (all versions).
#[inline(always)]
fn reserved<M: Memory>(tcp: Ptr, syn_queue: u32) -> bool {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    let backlog: u32 = M::load(net, OFF_SYSCTL_MAX_SYN_BACKLOG.load());
    syncookies::<M>(tcp) == 0 && (backlog.wrapping_sub(syn_queue) as i32) < (backlog >> 2) as i32
}

/// A SYN of a listener that has no row.
#[inline(always)]
fn unlisted<M: Memory>(tcp: Ptr) -> i32 {
    if let Some(baseline) = mib::without_row::<M>(tcp) {
        charge_namespace(baseline, &baseline.delta(true), &fastopen::<M>(tcp, baseline));
    }
    0
}

/// Counts what became of a SYN for its namespace alone.
#[inline(always)]
pub fn charge_namespace(baseline: OwnBaseline, delta: &Delta, signs: &Signs) {
    baseline.count_unlisted_syn(&verdict::syn(delta, signs, || Alone::Unknown));
}
