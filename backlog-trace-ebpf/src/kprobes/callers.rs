//! The socket that a task is inside listen() or close() of.
//!
//! They run in process context and can go on on another CPU, so the CPU says
//! nothing; and a task is in one of them at a time and once, so the task says
//! everything. A packet that interrupts it never comes here.

use aya_ebpf::helpers::generated::bpf_get_current_pid_tgid;

use crate::maps::CALLERS;
use crate::read::Ptr;

/// The task enters.
#[inline(always)]
pub fn enter(sk: u64) {
    // Where the way out was left out, it has left an entry, which this one replaces.
    let _ = CALLERS.insert(task(), sk, 0);
}

/// The task leaves.
#[inline(always)]
pub fn leave() -> Option<Ptr> {
    let task = task();
    // SAFETY: only this task writes the entry.
    let sk = *unsafe { CALLERS.get(task) }?;
    let _ = CALLERS.remove(task);
    Some(sk as Ptr)
}

#[inline(always)]
fn task() -> u64 {
    // SAFETY: no arguments.
    unsafe { bpf_get_current_pid_tgid() }
}
