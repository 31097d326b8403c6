//! A listener closes: what still waits in its queues is lost.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::fentry;
use aya_ebpf::programs::FEntryContext;
use backlog_trace_common::detail::Kind;

use crate::counts;
use crate::details::{self, What};
use crate::globals::{OFF_ACCEPT_QUEUE_QLEN, OFF_SK_ACK_BACKLOG, OFF_SK_DROPS};
use crate::maps::IDENTITIES;
use crate::read::{Memory, Ptr, Typed, slot};

/// inet_csk_listen_stop(sk): close, shutdown, disconnect, ss -K. Both queue
/// lengths are still whole here.
#[fentry]
pub fn close(ctx: FEntryContext) -> i32 {
    let Some(tcp) = Typed::tcp_sock(slot::<0>(ctx.as_ptr()) as Ptr) else { return 0 };
    aya_log_ebpf::debug!(&ctx, "listener closes: socket key {}", counts::key::<Typed>(tcp));
    closing::<Typed>(tcp)
}

#[inline(always)]
fn closing<M: Memory>(tcp: Ptr) -> i32 {
    let key = counts::key::<M>(tcp);
    mark::<M>(tcp, key);
    // All that a listener met may have been before it got its cookie.
    let before = counts::key_without_cookie::<M>(tcp);
    if before != key {
        mark::<M>(tcp, before);
    }
    details::tell_without_row::<M>(tcp, key, What::kind(Kind::Closed));
    0
}

/// Records how a listener stood when it closed.
#[inline(always)]
fn mark<M: Memory>(tcp: Ptr, key: u64) {
    let Some(identity) = IDENTITIES.get_ptr_mut(key) else { return };
    // SAFETY: a live map value; a socket closes once at a time (it is locked).
    unsafe {
        (*identity).closed = bpf_ktime_get_ns();
        (*identity).closed_drops = M::load(tcp, OFF_SK_DROPS.load());
        (*identity).closed_accept_queue = M::load(tcp, OFF_SK_ACK_BACKLOG.load());
        (*identity).closed_syn_queue = M::load(tcp, OFF_ACCEPT_QUEUE_QLEN.load());
    }
}
