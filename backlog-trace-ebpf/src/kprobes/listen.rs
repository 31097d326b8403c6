//! listen(), by kprobes.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use super::callers;
use super::registers::{Entry, Exit};
use crate::baseline;
use crate::hooks::listen;
use crate::identity::Caller;
use crate::read::{Memory, Probed, Ptr};

/// inet_csk_listen_start(sk[, backlog]). No cookie is made: the helper for it wants
/// a typed pointer, which kprobes do not have. So the listener's key is made of
/// its inode and port until somebody asks the kernel for the cookie.
#[kprobe]
pub fn listen_in(ctx: ProbeContext) -> u32 {
    let sk = Entry::of(&ctx).first();
    let Some(tcp) = Probed::tcp_sock(sk as Ptr) else { return 0 };
    baseline::enroll::<Probed>(tcp);
    callers::enter(sk);
    0
}

/// inet_csk_listen_start(sk[, backlog])
#[kretprobe]
pub fn listen_out(ctx: RetProbeContext) -> u32 {
    let Some(tcp) = callers::leave() else { return 0 };
    if Exit::of(&ctx).returned() as u32 == 0 {
        listen::opened::<Probed>(tcp, Caller::current(&ctx));
    }
    0
}
