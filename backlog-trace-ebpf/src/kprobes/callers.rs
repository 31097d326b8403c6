//! The socket that a task is inside listen() or close() of.
//!
//! Both run in process context, where a task can enter on CPU 1 and return on CPU
//! 3: so the socket is kept by task and not by CPU. A task is inside one of them
//! at a time, and a packet that interrupts it calls neither, so one socket for
//! each task is enough.

use crate::context;
use crate::maps::CALLERS;
use crate::read::Ptr;

/// The current task enters listen() or close() of this socket.
#[inline(always)]
pub fn enter(sk: u64) {
    // Where the kernel left out the program on the way out, the entry of that
    // call is still there; this one replaces it.
    let _ = CALLERS.insert(task(), sk, 0);
}

/// The current task leaves: the socket that it was inside of, where its way in was
/// seen.
#[inline(always)]
pub fn leave() -> Option<Ptr> {
    let task = task();
    // SAFETY: only this task writes the entry, and it is copied at once.
    let sk = *unsafe { CALLERS.get(task) }?;
    let _ = CALLERS.remove(task);
    Some(sk as Ptr)
}

#[inline(always)]
fn task() -> u64 {
    context::thread()
}
