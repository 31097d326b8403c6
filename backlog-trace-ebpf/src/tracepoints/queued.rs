//! Handshakes that go well, and which member of a reuseport group they are of.
//!
//! A SYN that is put into the SYN queue starts its request's timer, and the request
//! knows its listener. A connection that is put into the accept queue wakes its
//! listener.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

use super::twin::{Pair, judges};
use crate::address::Client;
use crate::globals::{
    AT_REQSK_TIMER, OFF_FASTOPEN_MAX_QLEN, OFF_REQ_NUM_TIMEOUT, OFF_REQ_TIMER, OFF_SKC_LISTENER,
    OFF_SKC_STATE, OFF_TIMER_FUNCTION,
};
use crate::hooks::{close, established};
use crate::maps::{LAST_CONNECTION, LAST_REQUEST};
use crate::read::{Memory, Probed, Ptr, Typed, as_number, slot};
use crate::scratch::Segment;
use crate::uapi::{LISTEN, SYN_RECV};

/// timer_start(timer, …): a request's timer starts when the request is queued
/// (inet_csk_reqsk_queue_hash_add()), and again each time that it has run. Only the
/// first start stands for a SYN: if a later one were noted, and the same client's
/// next SYN were refused, that SYN would pass for queued.
#[btf_tracepoint]
pub fn request_queued(ctx: BtfTracePointContext) -> i32 {
    let timer = slot::<0>(ctx.as_ptr()) as Ptr;
    if Typed::load::<u64>(timer, OFF_TIMER_FUNCTION.load()) != AT_REQSK_TIMER.load().start {
        return 0;
    }
    let Some(queued) = LAST_REQUEST.get_ptr_mut(0) else { return 0 };
    // SAFETY: this CPU's live map value. Requests are queued, and their timers run, with
    // the bottom half off.
    unsafe {
        let timer = as_number(&raw mut (*queued).listener, timer as u64);
        let req = (timer - u64::from(OFF_REQ_TIMER.load())) as Ptr;
        let client = Client::of::<Probed>(req);
        // num_timeout shares its byte with a bit that only requests of cookies have set,
        // which are not queued.
        if Probed::load::<u8>(req, OFF_REQ_NUM_TIMEOUT.load()) != 0 {
            (*queued).listener = 0;
            return 0;
        }
        (*queued).address = client.address;
        (*queued).port = u32::from(client.port);
        (*queued).listener = Probed::load(req, OFF_SKC_LISTENER.load());
    }
    0
}

/// The listener of a SYN, where it is the SYN that this CPU has just queued; 0 where it
/// is not.
#[inline(always)]
pub fn listener(syn: &Segment) -> u64 {
    let Some(queued) = LAST_REQUEST.get_ptr_mut(0) else { return 0 };
    // SAFETY: this CPU's live map value.
    unsafe {
        let listener = (*queued).listener;
        (*queued).listener = 0;
        let differs = ((*queued).port ^ syn.remote_port)
            | ((*queued).address[0] ^ syn.remote[0])
            | ((*queued).address[1] ^ syn.remote[1])
            | ((*queued).address[2] ^ syn.remote[2])
            | ((*queued).address[3] ^ syn.remote[3]);
        if differs == 0 { listener } else { 0 }
    }
}

/// inet_sock_set_state(sk, oldstate, newstate): a connection is made, for which its
/// listener is woken next.
#[btf_tracepoint]
pub fn connection_made(ctx: BtfTracePointContext) -> i32 {
    made(ctx.as_ptr())
}

/// Notes a connection that is made. The program on listeners that close does so too:
/// where the kernel skips one of the two, the other notes it ([`super::twin`]).
#[inline(always)]
pub fn made(ctx: *mut c_void) -> i32 {
    if slot::<1>(ctx) as u32 == u32::from(SYN_RECV)
        && let Some(made) = LAST_CONNECTION.get_ptr_mut(0)
    {
        // SAFETY: this CPU's live map value.
        unsafe { *made = slot::<0>(ctx) };
    }
    0
}

/// sk_data_ready(sk)
#[btf_tracepoint]
pub fn listener_woken(ctx: BtfTracePointContext) -> i32 {
    woken(slot::<0>(ctx.as_ptr()) as Ptr, false)
}

/// sk_data_ready(sk)
#[btf_tracepoint]
pub fn listener_woken_twin(ctx: BtfTracePointContext) -> i32 {
    woken(slot::<0>(ctx.as_ptr()) as Ptr, true)
}

/// A listener is woken for each connection in its accept queue
/// (tcp_child_process(), and tcp_conn_request() for Fast Open).
#[inline(always)]
fn woken(sk: Ptr, second: bool) -> i32 {
    if Typed::load::<u8>(sk, OFF_SKC_STATE.load()) != LISTEN {
        return 0;
    }
    let Some(tcp) = Typed::tcp_sock(sk) else { return 0 };
    let Some(made) = LAST_CONNECTION.get_ptr_mut(0) else { return 0 };
    // SAFETY: this CPU's live map value. Who makes the connection has it locked until
    // after the listener is woken.
    let child = unsafe { *made };
    if second {
        // The next wake-up may be one by Fast Open, which notes no connection.
        // SAFETY: this CPU's live map value.
        unsafe { *made = 0 };
    }
    let what = if child == 0 { sk as u64 } else { child };
    if !judges(Pair::Woken, second, what, 0) {
        return 0;
    }
    // No connection is noted where a listener is woken by Fast Open, or for a connection
    // that it takes over from a member of its group that closes
    // (inet_csk_listen_stop(), stable series of 2026 and 7.2).
    if child == 0 && Typed::load::<u32>(tcp, OFF_FASTOPEN_MAX_QLEN.load()) == 0 {
        close::taken_over::<Typed>(tcp);
        return established::taken_over::<Typed>(tcp);
    }
    established::queued::<Typed>(tcp, Client::of::<Probed>(child as Ptr), child != 0)
}
