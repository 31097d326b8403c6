//! accept(), by kprobes where a connection is put into the accept queue and where
//! it gets its file.
//!
//! inet_csk_accept() itself has no probe. A kretprobe would lose returns: each
//! task that sleeps in accept() holds one of the few places for outstanding
//! returns (maxactive in register_kretprobe()). And a kprobe in process context
//! loses packets: one that arrives while the kprobe is handled finds
//! kprobe_running() true, and the kprobes on its own functions are left out
//! (kprobe_ftrace_handler(), 5.10 to 7.2). The functions that are probed here are
//! called with the bottom half off, so no packet arrives meanwhile.

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

/// `IPPROTO_MPTCP`: `sk_protocol` of the socket that an application of MPTCP has.
/// No packet carries this number.
const MPTCP: u16 = 262;

/// How many connections of one accept queue the walk notes. accept() of those
/// behind them is not seen.
const LONGEST: u32 = 1024;

/// inet_csk_complete_hashdance(sk, child, req, own_req): puts the connection of a
/// handshake that was kept in the SYN queue into the accept queue. It does so by
/// inet_csk_reqsk_queue_add(), which compilers inline here, because both are in
/// one file.
#[kprobe]
pub fn accept_dance(ctx: ProbeContext) -> u32 {
    let entry = Entry::of(&ctx);
    queued(entry.second(), entry.first());
    0
}

/// inet_csk_reqsk_queue_add(sk, req, child): called from other files, it puts a
/// connection that was made by a cookie or by Fast Open into the accept queue.
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
        // No listener is given: this call moves no counter, so there is nothing
        // to catch up with.
        calls::begin(Call::new(Function::Migrate, entry.stack(), child, 0), core::ptr::null());
    }
    0
}

/// reuseport_migrate_sock() returns the listener that takes over, or NULL.
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
    // SAFETY: the entry is one word, copied at once; only this connection's
    // accept() removes it.
    let Some(listener) = unsafe { QUEUED.get(child as u64) }.copied() else { return 0 };
    let _ = QUEUED.remove(child as u64);
    accept::handed_out::<Probed>(listener as Ptr, child);
    0
}

/// Walks the accept queues of one namespace when user space reads the iterator, and
/// notes the connections that were queued before the hooks were attached.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub extern "C" fn accept_queues(ctx: *mut c_void) -> i32 {
    // Read as a plain number, which may be kept in a map; a typed pointer may not.
    let sk = untyped_slot::<1>(ctx);
    if sk == 0 || Probed::load::<u8>(sk as Ptr, OFF_SKC_STATE.load()) != LISTEN {
        return 0;
    }
    // The queue is not locked. A connection that is accepted meanwhile may leave
    // an entry that nobody asks for, or hide the connections behind it.
    let mut req: Ptr = Probed::load(sk as Ptr, OFF_ACCEPT_QUEUE_HEAD.load());
    let mut walked = 0;
    while walked < LONGEST {
        if req.is_null() {
            break;
        }
        queued(Probed::load(req, OFF_REQ_SK.load()), sk);
        req = Probed::load(req, OFF_REQ_NEXT.load());
        walked += 1;
    }
    0
}

/// Notes that a connection waits in the accept queue of this listener.
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
