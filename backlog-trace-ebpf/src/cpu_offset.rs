//! How far each CPU's copy of per-CPU memory lies from the pointer that stands for
//! all copies, such as `net->mib.net_statistics`: added to that pointer, the
//! distance gives the address of this CPU's counters.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

use crate::context;
use crate::globals::OFF_ARRAY_PPTRS;
use crate::maps::{CPU_OFFSETS, CPU_PROBE};
use crate::read::copy;

/// Records the distance of this CPU's copy. User space runs this program once on
/// every CPU (`BPF_F_TEST_RUN_ON_CPU`).
///
/// The kernel's own table of these distances (`__per_cpu_offset`) is no symbol
/// on kernels without KALLSYMS_ALL. A per-CPU array knows both ends of one
/// distance: a lookup in it returns this CPU's copy, and its `pptrs[0]` is the
/// per-CPU pointer. Both pointers are put into map memory and read back as plain
/// numbers, because the verifier allows no arithmetic on either.
#[raw_tracepoint]
pub fn cpu_offset(_ctx: RawTracePointContext) -> i32 {
    let Some(place) = CPU_PROBE.get_ptr_mut(0) else { return 0 };
    // SAFETY: `place` is this CPU's live map value.
    let (map, own) = unsafe {
        let words: *mut u64 = place.cast();
        words.write_volatile(&raw const CPU_PROBE as u64);
        words.add(1).write_volatile(place as u64);
        (words.read_volatile(), words.add(1).read_volatile())
    };
    let mut pointer = 0u64;
    if !copy(&raw mut pointer, map + u64::from(OFF_ARRAY_PPTRS.load())) {
        return 0;
    }
    let cpu = context::cpu();
    if let Some(offset) = CPU_OFFSETS.get_ptr_mut(cpu) {
        // SAFETY: `offset` is a live map value that only this CPU writes.
        unsafe { *offset = own.wrapping_sub(pointer) };
    }
    0
}
