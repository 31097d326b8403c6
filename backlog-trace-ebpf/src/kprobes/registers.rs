//! The registers of a probed x86-64 function: `struct pt_regs` by 64-bit slots.

use core::ffi::c_void;

use aya_ebpf::EbpfContext;
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use crate::read::slot;

/// The registers where a function begins.
pub struct Entry(*mut c_void);

impl Entry {
    #[inline(always)]
    pub fn of(ctx: &ProbeContext) -> Self {
        Self(ctx.as_ptr())
    }

    /// The first five arguments: rdi, rsi, rdx, rcx, r8.
    #[inline(always)]
    pub fn first(&self) -> u64 {
        slot::<14>(self.0)
    }

    #[inline(always)]
    pub fn second(&self) -> u64 {
        slot::<13>(self.0)
    }

    #[inline(always)]
    pub fn third(&self) -> u64 {
        slot::<12>(self.0)
    }

    #[inline(always)]
    pub fn fourth(&self) -> u64 {
        slot::<11>(self.0)
    }

    #[inline(always)]
    pub fn fifth(&self) -> u64 {
        slot::<9>(self.0)
    }

    /// rsp: where the return address lies.
    #[inline(always)]
    pub fn stack(&self) -> u64 {
        slot::<19>(self.0)
    }
}

/// The registers where it has returned to.
pub struct Exit(*mut c_void);

impl Exit {
    #[inline(always)]
    pub fn of(ctx: &RetProbeContext) -> Self {
        Self(ctx.as_ptr())
    }

    /// rax: what it returned.
    #[inline(always)]
    pub fn returned(&self) -> u64 {
        slot::<10>(self.0)
    }

    /// rsp: just above where the return address lay.
    #[inline(always)]
    pub fn stack(&self) -> u64 {
        slot::<19>(self.0)
    }
}
