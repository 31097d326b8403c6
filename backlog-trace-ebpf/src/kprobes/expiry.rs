//! A half-open request given up, by kprobes.

use aya_ebpf::macros::{kprobe, kretprobe};
use aya_ebpf::programs::{ProbeContext, RetProbeContext};

use super::calls::{self, Function};
use super::registers::{Entry, Exit};
use crate::globals::{OFF_REQ_TIMER, OFF_SKC_LISTENER};
use crate::hooks::expiry;
use crate::read::{Memory, Probed, Ptr};
use crate::scratch::Call;

/// reqsk_timer_handler(t)
#[kprobe]
pub fn request_timer_in(ctx: ProbeContext) -> u32 {
    let entry = Entry::of(&ctx);
    let timer = entry.first();
    let req = timer.wrapping_sub(u64::from(OFF_REQ_TIMER.load()));
    let listener: Ptr = Probed::load(req as Ptr, OFF_SKC_LISTENER.load());
    calls::begin(Call::new(Function::Timer, entry.stack(), req, 0), listener);
    expiry::begins(timer);
    0
}

/// reqsk_timer_handler(t)
#[kretprobe]
pub fn request_timer_out(ctx: RetProbeContext) -> u32 {
    if calls::end(Function::Timer, Exit::of(&ctx).stack()).is_some() {
        expiry::done();
    }
    0
}
