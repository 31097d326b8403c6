//! Where the counters stand when the observation begins.
//!
//! Every (namespace, CPU) gets a baseline before a packet on it is judged. Its
//! order with the hooks is what makes it exact: the hooks are attached first
//! and judge nothing where a baseline is missing; then one is made for every
//! namespace that has a listener, and the listen() hook makes one for a
//! namespace that gets its first listener later, before that listener can
//! receive anything. A packet that is half-way through the kernel while its
//! CPU's counters are read is either in the starting value or in the next
//! difference, never in both and never in neither.

use core::ffi::c_void;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use backlog_trace_common::baseline::BaselineKey;
use backlog_trace_common::counter::COUNTERS;
use backlog_trace_common::limits::MAX_CPUS;

use crate::counts;
use crate::globals::{
    CPUS, MIB_COOKIESSENT, MIB_DOCOOKIES, MIB_FULLDROP, MIB_LISTENDROPS, MIB_LISTENOVERFLOWS,
    OFF_ARRAY_PPTRS, OFF_NET_INUM, OFF_NET_MIB, OFF_SKC_NET, OFF_SKC_STATE,
};
use crate::maps::{BASELINES, CPU_OFFSETS, CPU_PROBE, NEW_BASELINE};
use crate::read::{Memory, Ptr, Typed, copy, slot};

/// `TCP_LISTEN`.
pub const LISTEN: u8 = 10;

/// Records the distance from a per-CPU pointer to this CPU's memory. User
/// space runs it once on every CPU (`BPF_F_TEST_RUN_ON_CPU`).
///
/// The kernel's own table of these distances is no symbol on kernels without
/// KALLSYMS_ALL. A per-CPU array knows both ends: its lookup returns this
/// CPU's copy, its `pptrs[0]` is the per-CPU pointer. Both pointers are put
/// into map memory and read back as plain numbers, because the verifier does
/// arithmetic on neither.
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
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    if let Some(offset) = CPU_OFFSETS.get_ptr_mut(cpu) {
        // SAFETY: `offset` is a live map value that only this CPU writes.
        unsafe { *offset = own.wrapping_sub(pointer) };
    }
    0
}

/// Walks the sockets of one namespace when user space reads the iterator:
/// every listener gets its identity, its namespace its baselines.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub extern "C" fn listeners(ctx: *mut c_void) -> i32 {
    let sk = slot::<1>(ctx) as Ptr;
    if sk.is_null() {
        return 0;
    }
    let state: u8 = Typed::load(sk, OFF_SKC_STATE.load());
    if state != LISTEN {
        return 0;
    }
    if let Some(tcp) = Typed::tcp_sock(sk) {
        begin::<Typed>(tcp);
        counts::meet::<Typed>(tcp, counts::key::<Typed>(tcp), None);
    }
    0
}

/// Makes the baselines of a socket's namespace where they are missing.
#[inline(always)]
pub fn begin<M: Memory>(tcp: Ptr) {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    let netns: u32 = M::load(net, OFF_NET_INUM.load());
    if BASELINES.get_ptr(BaselineKey { netns, cpu: 0 }).is_some() {
        return;
    }
    let Some(place) = NEW_BASELINE.get_ptr_mut(0) else { return };
    // A typed pointer cannot be added to a number; through map memory it
    // becomes one.
    // SAFETY: `place` is this CPU's scratch value.
    let mib = unsafe {
        let place = &raw mut (*place).address;
        place.write_volatile(M::load(net, OFF_NET_MIB.load()));
        place.read_volatile()
    };
    let cpus = CPUS.load();
    let mut cpu = 0u32;
    while cpu < MAX_CPUS {
        if cpu >= cpus {
            break;
        }
        add(netns, cpu, mib);
        cpu += 1;
    }
}

/// One baseline. Out of line, so that the loop over CPUs is verified once.
#[inline(never)]
fn add(netns: u32, cpu: u32, mib: u64) -> u32 {
    let Some(offset) = CPU_OFFSETS.get(cpu) else { return 0 };
    // A CPU that was not online when the offsets were taken.
    if *offset == 0 {
        return 0;
    }
    let Some(new) = NEW_BASELINE.get_ptr_mut(0) else { return 0 };
    let address = mib.wrapping_add(*offset);
    // In the order of Counter's numbers.
    let slots: [u32; COUNTERS] = [
        MIB_LISTENOVERFLOWS.load(),
        MIB_LISTENDROPS.load(),
        MIB_FULLDROP.load(),
        MIB_DOCOOKIES.load(),
        MIB_COOKIESSENT.load(),
    ];
    // SAFETY: `new` is this CPU's scratch value.
    unsafe {
        (*new).address = address;
        let mut at = 0;
        while at < COUNTERS {
            let mut value = 0u64;
            copy(&raw mut value, address + 8 * u64::from(slots[at]));
            (*new).start[at] = value;
            (*new).last[at] = value;
            at += 1;
        }
        // A hook that ran meanwhile may have made it: its value stays.
        u32::from(BASELINES.insert(&BaselineKey { netns, cpu }, &*new, u64::from(BPF_NOEXIST)).is_ok())
    }
}
