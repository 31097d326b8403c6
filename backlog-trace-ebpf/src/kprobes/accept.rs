//! accept(), by kprobes where a connection is queued and where it gets its file.
//!
//! inet_csk_accept() itself is left alone. A kretprobe would lose returns: each
//! task that sleeps in accept() holds one of the few places for them (maxactive
//! in register_kretprobe()). And a kprobe in process context costs packets: one that arrives
//! while it is handled finds kprobe_running() true, and its own kprobes are left
//! out (kprobe_ftrace_handler(), 5.10 to 7.2). Here both functions are called
//! with the bottom half off, so no packet arrives meanwhile.

use core::ffi::c_void;

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use backlog_trace_common::globals::ABSENT;

use super::calls::{self, Function};
use super::registers::{Entry, Exit};
use crate::globals::{
    OFF_ACCEPT_QUEUE_HEAD, OFF_MPTCP_FIRST, OFF_REQ_NEXT, OFF_REQ_SK, OFF_SK_PROTOCOL, OFF_SKC_STATE,
};
use crate::hooks::{accept, close};
use crate::maps::QUEUED;
use crate::read::{Memory, Probed, Ptr, untyped_slot};
use crate::scratch::Call;
use crate::uapi::LISTEN;

/// `IPPROTO_MPTCP`, which is of no packet.
const MPTCP: u16 = 262;

/// Connections of one accept queue that the walk finds. Those behind them are
/// not seen to be accepted.
const WALKED: u32 = 1024;

/// inet_csk_complete_hashdance(sk, child, req, own_req): the way into the accept
/// queue of a handshake kept in the SYN queue. The function that queues is in
/// the same file, and compilers inline it there.
#[kprobe]
pub fn accept_dance(ctx: ProbeContext) -> u32 {
    let entry = Entry::of(&ctx);
    queued(entry.second(), entry.first());
    0
}

/// inet_csk_reqsk_queue_add(sk, req, child): the way in from other files, by a
/// cookie or Fast Open.
#[kprobe]
pub fn accept_queued(ctx: ProbeContext) -> u32 {
    let entry = Entry::of(&ctx);
    queued(entry.third(), entry.first());
    0
}

/// reuseport_migrate_sock(sk, migrating_sk, skb), 5.14 and later: where a
/// listener closes, inet_csk_listen_stop() puts its connections into the accept
/// queue of another one, by a copy of inet_csk_reqsk_queue_add() of its own.
/// Half-open requests pass here as well, and are in no accept queue.
#[kprobe]
pub fn accept_migrating(ctx: ProbeContext) -> u32 {
    let entry = Entry::of(&ctx);
    let child = entry.second();
    if Probed::tcp_sock(child as Ptr).is_some() {
        // No packet is handled here that could be left out.
        calls::begin(Call::new(Function::Migrate, entry.stack(), child, 0), core::ptr::null());
    }
    0
}

/// reuseport_migrate_sock(): the listener that takes over, or none.
#[kretprobe]
pub fn accept_migrated(ctx: RetProbeContext) -> u32 {
    let exit = Exit::of(&ctx);
    let Some(call) = calls::end(Function::Migrate, exit.stack()) else { return 0 };
    if exit.returned() != 0 {
        queued(call.sk, exit.returned());
        if let Some(tcp) = Probed::tcp_sock(exit.returned() as Ptr) {
            close::taken_over::<Probed>(tcp);
        }
    }
    0
}

/// security_sock_graft(sk, parent): called by sock_graft(), on every way out of it.
#[kprobe]
pub fn accept_graft(ctx: ProbeContext) -> u32 {
    let sk = Entry::of(&ctx).first() as Ptr;
    let Some(child) = Probed::tcp_sock(sk).or_else(|| first_subflow(sk)) else { return 0 };
    // SAFETY: entries are one word, and only this socket's accept() removes it.
    let Some(listener) = unsafe { QUEUED.get(child as u64) }.copied() else { return 0 };
    let _ = QUEUED.remove(child as u64);
    accept::handed_out::<Probed>(listener as Ptr, child);
    0
}

/// Walks the accept queues of one namespace when user space reads the iterator:
/// what was queued before the hooks were attached.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub extern "C" fn accept_queues(ctx: *mut c_void) -> i32 {
    // As a plain number, which may be kept in a map.
    let sk = untyped_slot::<1>(ctx);
    if sk == 0 || Probed::load::<u8>(sk as Ptr, OFF_SKC_STATE.load()) != LISTEN {
        return 0;
    }
    // Not locked: a connection accepted meanwhile may leave an entry that nobody
    // asks for, or hide those behind it.
    let mut req: Ptr = Probed::load(sk as Ptr, OFF_ACCEPT_QUEUE_HEAD.load());
    let mut walked = 0;
    while walked < WALKED {
        if req.is_null() {
            break;
        }
        queued(Probed::load(req, OFF_REQ_SK.load()), sk);
        req = Probed::load(req, OFF_REQ_NEXT.load());
        walked += 1;
    }
    0
}

#[inline(always)]
fn queued(child: u64, listener: u64) {
    let _ = QUEUED.insert(child, listener, 0);
}

/// The connection that an MPTCP socket was made from.
#[inline(always)]
fn first_subflow(sk: Ptr) -> Option<Ptr> {
    if OFF_MPTCP_FIRST.load() == ABSENT || Probed::load::<u16>(sk, OFF_SK_PROTOCOL.load()) != MPTCP {
        return None;
    }
    Probed::tcp_sock(Probed::load(sk, OFF_MPTCP_FIRST.load()))
}
