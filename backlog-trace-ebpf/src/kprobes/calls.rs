//! The arguments of hooked functions that have begun and not returned, on this CPU,
//! with the bottom half off: a stack of frames beside the kernel's own stack.
//!
//! With the bottom half off a call stays on its CPU and no other task runs in
//! between. So the calls of one CPU nest, and they nest on one kernel stack. That
//! is why frames are kept by CPU and never by task: the task that a packet
//! interrupts has nothing to do with the packet.
//!
//! The kernel can leave out the program on either side of a call: where another
//! kprobe runs on this CPU (`kprobe_running()`), where another program of this
//! kind or a bpf() call does (`bpf_prog_active` in trace_call_bpf()), and while
//! probes are attached and taken back one by one. A frame is therefore found
//! again by its function and by its place on the kernel stack, not by being on
//! top:
//!
//! - Where the program on the way in was left out, the one on the way out finds
//!   no frame and judges nothing.
//! - Where the program on the way out was left out, the frame stays. It is
//!   dropped by the next call that begins at or above its place on the stack, or
//!   on another stack.
//!
//! Either way a packet has moved counters that no program read. The next call
//! that begins outside of any other reads them without judging them
//! ([`crate::mib::catch_up`]): what they moved is charged to no listener, and the
//! audit shows it as unattributed.

use crate::maps::CALLS;
use crate::mib;
use crate::read::{Memory, Probed, Ptr};
use crate::scratch::{Call, Calls, DEPTH};

/// No kernel stack is larger (THREAD_SIZE with KASAN, and with pages of 64 KiB).
const STACK: u64 = 1 << 16;

/// How far the stack pointer after the return can be above that at the beginning:
/// by 8 for the return address on x86-64, by 0 on arm64, which has it in a
/// register, and by what the trampolines of some kernels have pushed.
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
    /// A call of a function at this place of the stack, about this listener or
    /// request and this packet.
    #[inline(always)]
    pub const fn new(function: Function, stack: u64, sk: u64, skb: u64) -> Self {
        Self { function: function as u64, stack, sk, skb, req: 0, stolen: 0 }
    }
}

/// A call begins. `listener` is the listener that it is about; NULL where no counter
/// is to be caught up with.
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

/// How many frames, from the outermost, can be of calls that have not returned when
/// a call begins at this place of the stack.
#[inline(always)]
fn live(calls: *mut Calls, stack: u64) -> u64 {
    // SAFETY: this CPU's live map value.
    let mut depth = unsafe { (&raw const (*calls).depth).read_volatile() };
    for _ in 0..DEPTH {
        if depth == 0 || depth > DEPTH as u64 {
            return 0;
        }
        // SAFETY: this CPU's live map value.
        let outer = unsafe { (*frame(calls, depth - 1)).stack };
        // Stacks grow downwards: a call that this one is inside of began above
        // it, and on the same stack.
        if outer > stack && outer - stack < STACK {
            return depth;
        }
        depth -= 1;
    }
    0
}

/// A call has returned: what it was called with, where its beginning was seen.
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
        // SAFETY: this CPU's live map value.
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

/// A frame by its index. The mask shows the verifier that the index is within the
/// array.
#[inline(always)]
fn frame(calls: *mut Calls, index: u64) -> *mut Call {
    // SAFETY: this CPU's live map value, and the index is within the array.
    unsafe { (&raw mut (*calls).frames).cast::<Call>().add(index as usize & (DEPTH - 1)) }
}
