//! accept(), by kprobes on the way in and where the connection gets its file.
//!
//! Not by a kretprobe: each task that sleeps in accept() would hold one of the
//! places for a return, of which there are two for each CPU (or ten), and
//! further returns are missed (`nmissed`, register_kretprobe(), 5.10 to 7.2).
//! sock_graft() follows inet_csk_accept() at once, in the same task, and calls
//! the security module hook.

use aya_ebpf::macros::kprobe;
use aya_ebpf::programs::ProbeContext;

use super::callers;
use super::registers::Entry;
use crate::globals::OFF_SKC_NUM;
use crate::hooks::accept;
use crate::read::{Memory, Probed, Ptr};

/// inet_csk_accept(sk, flags, err, kern), later (sk, arg)
#[kprobe]
pub fn accept_in(ctx: ProbeContext) -> u32 {
    let sk = Entry::of(&ctx).first();
    if Probed::tcp_sock(sk as Ptr).is_some() {
        callers::enter(sk);
    }
    0
}

/// security_sock_graft(sk, parent): any family's accept().
#[kprobe]
pub fn accept_graft(ctx: ProbeContext) -> u32 {
    let Some(child) = Probed::tcp_sock(Entry::of(&ctx).first() as Ptr) else { return 0 };
    let Some(sk) = callers::leave() else { return 0 };
    // An entry of an accept() that failed, where this one's beginning was not seen.
    if Probed::load::<u16>(sk, OFF_SKC_NUM.load()) != Probed::load::<u16>(child, OFF_SKC_NUM.load()) {
        return 0;
    }
    accept::handed_out::<Probed>(sk, child);
    0
}
