//! What tells of a handshake that goes well, and of which
//! socket of a group it is.
//!
//! A SYN that is kept starts its request's timer, and the request knows its
//! listener. A connection that is made wakes its listener.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;

use super::twin::{Pair, judges};
use crate::details::Client;
use crate::globals::{
    AT_REQSK_TIMER, OFF_FASTOPEN_MAX_QLEN, OFF_REQ_NUM_TIMEOUT, OFF_REQ_TIMER, OFF_SKC_DADDR, OFF_SKC_DPORT,
    OFF_SKC_FAMILY, OFF_SKC_LISTENER, OFF_SKC_STATE, OFF_SKC_V6_DADDR, OFF_TIMER_FUNCTION,
};
use crate::hooks::{ack, close};
use crate::maps::{LAST_CONNECTION, LAST_REQUEST};
use crate::read::{Memory, Probed, Ptr, Typed, slot};
use crate::scratch::Segment;
use crate::uapi::{INET6, LISTEN, SYN_RECV};

/// timer_start(timer, …): a request's timer starts when the request is queued
/// (inet_csk_reqsk_queue_hash_add()), and again each time that it ran, which is
/// no SYN. Taken for one, it would let a SYN of the same client pass for queued
/// that is refused when its request is gone.
#[btf_tracepoint]
pub fn request_queued(ctx: BtfTracePointContext) -> i32 {
    let timer = slot::<0>(ctx.as_ptr()) as Ptr;
    if Typed::load::<u64>(timer, OFF_TIMER_FUNCTION.load()) != AT_REQSK_TIMER.load().start {
        return 0;
    }
    let Some(queued) = LAST_REQUEST.get_ptr_mut(0) else { return 0 };
    // SAFETY: this CPU's live map value. Requests are queued, and their
    // timers run, with the bottom half off. Through map memory, the typed
    // pointer becomes a number that can be subtracted from.
    unsafe {
        (&raw mut (*queued).listener).write_volatile(timer as u64);
        let req = ((&raw const (*queued).listener).read_volatile() - u64::from(OFF_REQ_TIMER.load())) as Ptr;
        let client = client(req);
        // With it in a byte is the bit of a cookie's request, which is not queued.
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

/// The listener of a SYN that this CPU has just queued; 0: of another one.
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

/// The remote end of a request or connection. Of an IPv6 listener they are of
/// its family, also where the client came by IPv4.
#[inline(always)]
fn client(sk: Ptr) -> Client {
    let address: [u32; 4] = Probed::load(sk, OFF_SKC_V6_DADDR.load());
    let mapped = address[0] | address[1] | (address[2] ^ 0xffff_u32.to_be());
    let ipv6 = Probed::load::<u16>(sk, OFF_SKC_FAMILY.load()) == INET6 && mapped != 0;
    let address = if ipv6 { address } else { [Probed::load::<u32>(sk, OFF_SKC_DADDR.load()), 0, 0, 0] };
    Client { ipv6, address, port: u16::from_be(Probed::load(sk, OFF_SKC_DPORT.load())) }
}

/// inet_sock_set_state(sk, oldstate, newstate): which connection the listener
/// is woken for next.
#[btf_tracepoint]
pub fn connection_made(ctx: BtfTracePointContext) -> i32 {
    made(ctx.as_ptr())
}

/// Notes a connection. More than one program does: see [`super::twin`].
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
    // SAFETY: this CPU's live map value. The connection is locked by its
    // handler until after this.
    let child = unsafe { *made };
    if second {
        // SAFETY: as above. Fast Open wakes without a connection of its own.
        unsafe { *made = 0 };
    }
    let what = if child == 0 { sk as u64 } else { child };
    if !judges(Pair::Woken, second, what, 0) {
        return 0;
    }
    // Without a connection of its own a listener is woken by Fast Open, and for
    // each that it takes over from a member of its group that closes
    // (inet_csk_listen_stop(), stable series of 2026 and 7.2).
    if child == 0 && Typed::load::<u32>(tcp, OFF_FASTOPEN_MAX_QLEN.load()) == 0 {
        close::taken_over::<Typed>(tcp);
        return ack::lengthened::<Typed>(tcp);
    }
    ack::queued::<Typed>(tcp, client(child as Ptr), child != 0)
}
