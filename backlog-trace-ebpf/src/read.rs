//! The only file that touches kernel memory.
//!
//! [`Typed`] loads directly through pointers whose type the verifier knows: a load
//! from an address that went bad faults and gives 0, and no helper is called.
//! `bpf_probe_read_kernel()` serves where the verifier does not know the type: of
//! packet headers and counters on every rung, and of everything in kprobes.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_skc_to_tcp_request_sock, bpf_skc_to_tcp_sock};

use crate::globals::{OFF_SK_PROTOCOL, OFF_SKC_STATE};
use crate::uapi::{NEW_SYN_RECV, TCP, TIME_WAIT};

/// A kernel pointer. What it points at is said by the name of the variable: `sk` is
/// any socket, `tcp` a full TCP socket (here nearly always a listener), `req` a
/// half-open request, `skb` a packet, `net` a network namespace.
pub type Ptr = *const u8;

/// The `N`th 64-bit slot of a tracing context.
///
/// Written in assembly because a `match` over slots is merged by LLVM into one
/// load at a computed offset, which the verifier refuses up to 6.12
/// ("dereference of modified ctx ptr").
#[inline(always)]
pub fn slot<const N: i16>(ctx: *mut c_void) -> u64 {
    let value: u64;
    // SAFETY: reads one slot of the program's context; the verifier checks
    // that the slot exists.
    unsafe {
        core::arch::asm!("{v} = *(u64 *)({c} + {o})",
            v = out(reg) value, c = in(reg) ctx, o = const (N as i32) * 8,
            options(nostack, readonly, preserves_flags));
    }
    value
}

/// The `N`th 64-bit slot of a tracing context, read by a helper: for an argument
/// that the verifier of 5.10 does not let a program load, because it is a pointer
/// to something else than a structure (to a bool: "type INT is not a struct").
#[inline(always)]
pub fn untyped_slot<const N: usize>(ctx: *mut c_void) -> u64 {
    let mut value = 0u64;
    copy(&raw mut value, ctx as u64 + 8 * N as u64);
    value
}

/// The return value of a traced function with `args` arguments, which BTF has told
/// user space: it lies in the slot after the last argument. 0 where the function
/// has more than 7 arguments, or returns nothing.
#[inline(always)]
pub fn returned(ctx: *mut c_void, args: u32) -> u64 {
    match args {
        1 => slot::<1>(ctx),
        2 => slot::<2>(ctx),
        3 => slot::<3>(ctx),
        4 => slot::<4>(ctx),
        5 => slot::<5>(ctx),
        6 => slot::<6>(ctx),
        7 => slot::<7>(ctx),
        _ => 0,
    }
}

/// A pointer as a plain number, which the verifier allows to be added to or kept: it
/// becomes one by being written to map memory and read back.
///
/// # Safety
/// `place` must be a word of a live map value that nothing else uses meanwhile.
#[inline(always)]
pub unsafe fn as_number(place: *mut u64, pointer: u64) -> u64 {
    // SAFETY: the caller's promise.
    unsafe {
        place.write_volatile(pointer);
        place.read_volatile()
    }
}

/// How members of kernel structures are read on a rung.
pub trait Memory {
    /// One member of a structure; 0 where the address is bad.
    fn load<T: Copy>(base: Ptr, offset: u32) -> T;
    /// A socket as `struct tcp_sock`; `None` where it is not a full TCP socket.
    fn tcp_sock(sk: Ptr) -> Option<Ptr>;
    /// A request as `struct tcp_request_sock`.
    fn tcp_request(req: Ptr) -> Option<Ptr>;
}

/// Direct loads through typed pointers: fentry, fexit, tp_btf and iterators.
pub struct Typed;

impl Memory for Typed {
    #[inline(always)]
    fn load<T: Copy>(base: Ptr, offset: u32) -> T {
        // SAFETY: the verifier knows the type behind `base` and checks that
        // the member lies within it; a bad address faults and yields 0.
        // Volatile, so that LLVM neither widens nor merges loads.
        unsafe { base.add(offset as usize).cast::<T>().read_volatile() }
    }

    #[inline(always)]
    fn tcp_sock(sk: Ptr) -> Option<Ptr> {
        // SAFETY: `sk` is a typed socket pointer from the context.
        let tcp = unsafe { bpf_skc_to_tcp_sock(sk.cast_mut().cast()) };
        if tcp.is_null() { None } else { Some(tcp.cast::<u8>().cast_const()) }
    }

    #[inline(always)]
    fn tcp_request(req: Ptr) -> Option<Ptr> {
        // SAFETY: `req` is a typed request pointer from the context.
        let tcp = unsafe { bpf_skc_to_tcp_request_sock(req.cast_mut().cast()) };
        if tcp.is_null() { None } else { Some(tcp.cast::<u8>().cast_const()) }
    }
}

/// Reads by helper, through pointers whose type the verifier does not know:
/// 45 instructions a member instead of 12. The caller knows that a socket or a
/// request is behind the pointer.
pub struct Probed;

impl Memory for Probed {
    #[inline(always)]
    fn load<T: Copy>(base: Ptr, offset: u32) -> T {
        let mut value = MaybeUninit::<T>::zeroed();
        copy(value.as_mut_ptr(), base as u64 + u64::from(offset));
        // SAFETY: integers and pointers, for which zero is a value.
        unsafe { value.assume_init() }
    }

    /// What bpf_skc_to_tcp_sock() looks at: a full socket, and of TCP.
    #[inline(always)]
    fn tcp_sock(sk: Ptr) -> Option<Ptr> {
        let state: u8 = Self::load(sk, OFF_SKC_STATE.load());
        if state == 0 || state == TIME_WAIT || state == NEW_SYN_RECV {
            return None;
        }
        let protocol: u16 = Self::load(sk, OFF_SK_PROTOCOL.load());
        if protocol == TCP { Some(sk) } else { None }
    }

    #[inline(always)]
    fn tcp_request(req: Ptr) -> Option<Ptr> {
        Some(req)
    }
}

/// Copies kernel memory whose type the verifier does not know. `false` where the
/// address is bad.
#[inline(always)]
pub fn copy<T>(to: *mut T, from: u64) -> bool {
    // SAFETY: `to` is a valid place for a T; the helper checks `from`.
    unsafe { bpf_probe_read_kernel(to.cast(), size_of::<T>() as u32, from as *const c_void) == 0 }
}

/// Copies like [`copy`], and returns a mask instead of a bool: all ones where the
/// memory was copied, 0 where it was not. For callers that must not branch.
#[inline(always)]
pub fn mask<T>(to: *mut T, from: u64) -> u64 {
    // SAFETY: `to` is a valid place for a T; the helper checks `from`.
    let error = unsafe { bpf_probe_read_kernel(to.cast(), size_of::<T>() as u32, from as *const c_void) };
    let mut mask = error as u64;
    // An error is negative: its sign bit, spread over the word and inverted, is
    // the mask. In assembly, because LLVM would make a branch of it.
    // SAFETY: arithmetic on one register.
    unsafe {
        core::arch::asm!("{m} s>>= 63", "{m} ^= -1", m = inout(reg) mask, options(pure, nomem, nostack));
    }
    mask
}
