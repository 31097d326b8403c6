//! A listener closes, by kprobes.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use super::callers;
use super::registers::Entry;
use crate::hooks::close;
use crate::read::{Memory, Probed, Ptr};

/// inet_csk_listen_stop(sk)
#[kprobe]
pub fn close_in(ctx: ProbeContext) -> u32 {
    let sk = Entry::of(&ctx).first();
    if let Some(tcp) = Probed::tcp_sock(sk as Ptr) {
        close::closing::<Probed>(tcp, true);
        callers::enter(sk);
    }
    0
}

/// inet_csk_listen_stop(sk)
#[kretprobe]
pub fn close_out(_ctx: RetProbeContext) -> u32 {
    if let Some(tcp) = callers::leave() {
        close::closed::<Probed>(tcp);
    }
    0
}

/// inet_child_forget(sk, req, child)
#[kprobe]
pub fn unaccepted_in(ctx: ProbeContext) -> u32 {
    if let Some(tcp) = Probed::tcp_sock(Entry::of(&ctx).first() as Ptr) {
        close::forgotten::<Probed>(tcp);
    }
    0
}
