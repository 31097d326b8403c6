//! Calls that have begun and not returned, on this CPU, with the bottom half
//! off: a stack beside the kernel's.
//!
//! With the bottom half off nothing moves to another CPU and no other task
//! runs in between, so on one CPU such calls nest, and they nest on one kernel
//! stack. That is why a frame is keyed by CPU and never by task: the task that a packet
//! interrupts has nothing to do with it.
//!
//! The kernel can leave out a program on either side: where another kprobe
//! runs on this CPU (`kprobe_running()`), where another program of this kind or
//! a bpf() call does (`bpf_prog_active` in trace_call_bpf()), and while probes
//! are attached and taken back one by one. A frame is therefore found again by
//! its function and by its place on the kernel stack, not by being on top:
//!
//! - The way in was left out: the way out finds no frame and judges nothing.
//! - The way out was left out: its frame stays, and is dropped by the next call
//!   that begins at or above its place on the stack, or on another stack.
//!
//! Either way a packet has moved counters that no hook read. The next call that
//! begins takes them in without judging them ([`crate::mib::catch_up`]), unless
//! it is inside another one: they are nobody's, and the audit shows them.

use crate::maps::CALLS;
use crate::mib;
use crate::read::{Memory, Probed, Ptr};
use crate::scratch::{Call, Calls, DEPTH};

/// No kernel stack is larger (THREAD_SIZE with KASAN).
const STACK: u64 = 1 << 16;

/// How far the stack pointer of a return can be from that of its call: the
/// return address, and what the trampolines of some kernels have pushed.
const NEAR: u64 = 32;

/// The function that a frame is of.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Function {
    /// tcp_v4_conn_request() and subflow_v4_conn_request().
    SynV4 = 1,
    /// tcp_v6_conn_request() and subflow_v6_conn_request().
    SynV6 = 2,
    /// tcp_check_req()
    Ack = 3,
    /// cookie_v4_check()
    CookieV4 = 4,
    /// tcp_req_err()
    Request = 5,
    /// cookie_v6_check()
    CookieV6 = 6,
    /// reqsk_timer_handler()
    Timer = 7,
    /// inet_csk_reqsk_queue_hash_add()
    HashAdd = 8,
    /// reuseport_migrate_sock()
    Migrate = 9,
}

impl Call {
    /// What a function was called with.
    #[inline(always)]
    pub const fn new(function: Function, stack: u64, sk: u64, skb: u64) -> Self {
        Self { function: function as u64, stack, sk, skb, req: 0, stolen: 0 }
    }
}

/// A call begins whose listener is `listener`.
#[inline(always)]
pub fn begin(call: Call, listener: Ptr) {
    let Some(calls) = CALLS.get_ptr_mut(0) else { return };
    let mut depth = live(calls, call.stack);
    if depth == 0
        && let Some(tcp) = Probed::tcp_sock(listener)
    {
        mib::catch_up::<Probed>(tcp);
    }
    if depth >= DEPTH as u64 {
        depth = 0;
    }
    // SAFETY: this CPU's live map value.
    unsafe {
        frame(calls, depth).write(call);
        (&raw mut (*calls).depth).write_volatile(depth + 1);
    }
}

/// How many of the frames can still be of calls that this one is inside of.
#[inline(always)]
fn live(calls: *mut Calls, stack: u64) -> u64 {
    // SAFETY: this CPU's live map value.
    let mut depth = unsafe { (&raw const (*calls).depth).read_volatile() };
    for _ in 0..DEPTH {
        if depth == 0 || depth > DEPTH as u64 {
            return 0;
        }
        // SAFETY: as above.
        let outer = unsafe { (*frame(calls, depth - 1)).stack };
        // An outer call's place is above, and not far.
        if outer > stack && outer - stack < STACK {
            return depth;
        }
        depth -= 1;
    }
    0
}

/// A call has returned: what it was called with, if its beginning was seen.
#[inline(always)]
pub fn end(function: Function, stack: u64) -> Option<Call> {
    let calls = CALLS.get_ptr_mut(0)?;
    // SAFETY: this CPU's live map value.
    let mut depth = unsafe { (&raw const (*calls).depth).read_volatile() };
    for _ in 0..DEPTH {
        if depth == 0 || depth > DEPTH as u64 {
            return None;
        }
        depth -= 1;
        // SAFETY: as above.
        unsafe {
            let call = frame(calls, depth).read();
            if call.function == function as u64 && stack.wrapping_sub(call.stack) <= NEAR {
                (&raw mut (*calls).depth).write_volatile(depth);
                return Some(call);
            }
        }
    }
    None
}

/// The mask is for the verifier.
#[inline(always)]
fn frame(calls: *mut Calls, index: u64) -> *mut Call {
    // SAFETY: this CPU's live map value, and the index is within the array.
    unsafe { (&raw mut (*calls).frames).cast::<Call>().add(index as usize & (DEPTH - 1)) }
}
