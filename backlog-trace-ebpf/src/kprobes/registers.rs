//! The registers of a probed function: its arguments, what it returned and its stack
//! pointer, by their 64-bit slots in `struct pt_regs`.
//!
//! | | x86-64 | arm64 |
//! |---|---|---|
//! | first argument | rdi, slot 14 | x0, slot 0 |
//! | second | rsi, slot 13 | x1, slot 1 |
//! | third | rdx, slot 12 | x2, slot 2 |
//! | fourth | rcx, slot 11 | x3, slot 3 |
//! | fifth | r8, slot 9 | x4, slot 4 |
//! | return value | rax, slot 10 | x0, slot 0 |
//! | stack pointer | rsp, slot 19 | sp, slot 31 |
//!
//! The slots are those of arch/x86/include/asm/ptrace.h and
//! arch/arm64/include/asm/ptrace.h, the same from 5.10 to 7.2.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use crate::globals::ARM64;
use crate::read::slot;

/// The register in this slot of the machine's `struct pt_regs`. The verifier knows which
/// machine it is, and never looks at the slot of the other: slot 31 lies beyond the
/// end of x86-64's registers.
#[inline(always)]
fn register<const OF_X86_64: i16, const OF_ARM64: i16>(registers: *mut c_void) -> u64 {
    if ARM64.load() == 0 { slot::<OF_X86_64>(registers) } else { slot::<OF_ARM64>(registers) }
}

/// The registers where a function begins.
pub struct Entry(*mut c_void);

impl Entry {
    #[inline(always)]
    pub fn of(ctx: &ProbeContext) -> Self {
        Self(ctx.as_ptr())
    }

    #[inline(always)]
    pub fn first(&self) -> u64 {
        register::<14, 0>(self.0)
    }

    #[inline(always)]
    pub fn second(&self) -> u64 {
        register::<13, 1>(self.0)
    }

    #[inline(always)]
    pub fn third(&self) -> u64 {
        register::<12, 2>(self.0)
    }

    #[inline(always)]
    pub fn fourth(&self) -> u64 {
        register::<11, 3>(self.0)
    }

    #[inline(always)]
    pub fn fifth(&self) -> u64 {
        register::<9, 4>(self.0)
    }

    /// The stack pointer: on x86-64 the return address lies there.
    #[inline(always)]
    pub fn stack(&self) -> u64 {
        register::<19, 31>(self.0)
    }
}

/// The registers where a function has returned to.
pub struct Exit(*mut c_void);

impl Exit {
    #[inline(always)]
    pub fn of(ctx: &RetProbeContext) -> Self {
        Self(ctx.as_ptr())
    }

    #[inline(always)]
    pub fn returned(&self) -> u64 {
        register::<10, 0>(self.0)
    }

    /// The stack pointer: on x86-64 just above where the return address lay, on arm64
    /// where it was when the function began.
    #[inline(always)]
    pub fn stack(&self) -> u64 {
        register::<19, 31>(self.0)
    }
}
