//! Where the counters stand when the observation begins.
//!
//! A namespace is enrolled when its first listener is met: it gets a slot, and
//! each CPU's baseline the address of that CPU's counters. It becomes active
//! when the starting values are set, which must not happen between a bump of
//! a counter and the reading of it on the way out:
//!
//! - A namespace that had listeners before the tool: the hooks are attached
//!   first and judge nothing where the baseline is not active; then user space
//!   has every CPU set its own ([`activate`] runs in an interrupt of that CPU,
//!   where no packet is half-way through between two of its instructions). A
//!   packet that was half-way through is in the starting value, and no
//!   difference is left for its hook to see.
//! - A namespace that gets its first listener later: nothing can bump its
//!   counters before listen() returns, so the listen hook sets them for all
//!   CPUs.

use core::ffi::c_void;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use backlog_trace_common::baseline::Baseline;
use backlog_trace_common::counter::{COUNTERS, Counter};
use backlog_trace_common::evidence::{EVIDENCE, Evidence};
use backlog_trace_common::limits::MAX_CPUS;

use crate::counts::{self, Place};
use crate::globals::{
    CPUS, MIB_COOKIESFAILED, MIB_COOKIESRECV, MIB_COOKIESSENT, MIB_DOCOOKIES, MIB_EMBRYONICRSTS,
    MIB_FASTOPENLISTENOVERFLOW, MIB_FASTOPENPASSIVE, MIB_FASTOPENPASSIVEFAIL, MIB_FULLDROP, MIB_LISTENDROPS,
    MIB_LISTENOVERFLOWS, MIB_SYNRETRANS, NETNS_ROOM, OFF_ARRAY_PPTRS, OFF_NET_COOKIE, OFF_NET_INUM,
    OFF_NET_MIB, OFF_SKC_NET, OFF_SKC_STATE,
};
use crate::maps::{BASELINES, CPU_OFFSETS, CPU_PROBE, NETNS_SLOTS, PROGRESS, SLOT_OWNERS};
use crate::mib;
use crate::read::{Memory, Ptr, Typed, copy, slot};

/// `TCP_LISTEN`.
pub const LISTEN: u8 = 10;

/// How many slots are tried for a new namespace before it is left out.
const TRIES: u32 = 16;

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

/// Makes this CPU's baseline of one slot active. User space runs it on every
/// CPU for every slot, with the slot as the first argument.
#[raw_tracepoint]
pub fn activate(ctx: RawTracePointContext) -> i32 {
    let slot: u64 = ctx.arg(0);
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    if let Some(baseline) = at(slot as u32, cpu) {
        start(baseline);
    }
    0
}

/// Walks the sockets of one namespace when user space reads the iterator:
/// every listener gets its identity, its namespace a slot.
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
        enroll::<Typed>(tcp);
        counts::meet::<Typed>(tcp, counts::key::<Typed>(tcp), None, Place::Listen);
    }
    0
}

/// One baseline.
#[inline(always)]
pub fn at(slot: u32, cpu: u32) -> Option<*mut Baseline> {
    BASELINES.get_ptr_mut(slot * CPUS.load() + cpu)
}

/// Gives a socket's namespace a slot, if it has none.
#[inline(always)]
pub fn enroll<M: Memory>(tcp: Ptr) {
    let net: Ptr = M::load(tcp, OFF_SKC_NET.load());
    let netns: u32 = M::load(net, OFF_NET_INUM.load());
    if mib::find::<M>(tcp).is_some() {
        return;
    }
    let cookie: u64 = M::load(net, OFF_NET_COOKIE.load());
    let key = if cookie != 0 { cookie } else { mib::by_inode::<M>(net) };
    let Some(slot) = take_slot(key) else { return };
    let Some(first) = at(slot, 0) else { return };
    // A typed pointer cannot be added to a number; through map memory it
    // becomes one.
    // SAFETY: `first` is a live map value of a slot that nobody else uses yet.
    let mib = unsafe {
        let place = &raw mut (*first).address;
        place.write_volatile(M::load(net, OFF_NET_MIB.load()));
        place.read_volatile()
    };
    let late = PROGRESS.get(0).is_some_and(|walked| *walked == 1);
    let cpus = CPUS.load();
    let mut cpu = 0u32;
    while cpu < MAX_CPUS {
        if cpu >= cpus {
            break;
        }
        prepare(slot, cpu, netns, mib, late);
        cpu += 1;
    }
    let _ = NETNS_SLOTS.insert(key, slot, u64::from(BPF_NOEXIST));
}

/// A slot that no other namespace has. Two namespaces that reach for the same
/// one at the same time are told apart by who enters its name first.
#[inline(always)]
fn take_slot(key: u64) -> Option<u32> {
    let hint = PROGRESS.get_ptr_mut(1)?;
    let mut tries = 0;
    while tries < TRIES {
        // SAFETY: a live map value; a lost update only costs another try.
        let slot = unsafe { hint.read_volatile() } + tries;
        if slot >= NETNS_ROOM.load() {
            return None;
        }
        if SLOT_OWNERS.insert(slot, key, u64::from(BPF_NOEXIST)).is_ok() {
            // SAFETY: as above.
            unsafe { hint.write_volatile(slot + 1) };
            return Some(slot);
        }
        tries += 1;
    }
    None
}

/// Fills in one baseline. Out of line, so that the loop over CPUs is verified once.
#[inline(never)]
fn prepare(slot: u32, cpu: u32, netns: u32, mib: u64, late: bool) -> u32 {
    let (Some(offset), Some(baseline)) = (CPU_OFFSETS.get(cpu), at(slot, cpu)) else { return 0 };
    // A CPU that was not online when the distances were taken: never active.
    if *offset == 0 {
        return 0;
    }
    // SAFETY: a live map value of a slot that is not active yet.
    unsafe {
        (*baseline).netns = netns;
        (*baseline).address = mib.wrapping_add(*offset);
    }
    if late {
        start(baseline);
    }
    1
}

/// Sets the starting values from the counters as they stand.
#[inline(always)]
fn start(baseline: *mut Baseline) {
    // SAFETY: a live map value; see the module's head for why nothing moves
    // the counters meanwhile.
    unsafe {
        if (*baseline).address == 0 || (*baseline).active != 0 {
            return;
        }
        let address = (*baseline).address;
        set(baseline, Counter::ListenOverflows, address, MIB_LISTENOVERFLOWS.load());
        set(baseline, Counter::ListenDrops, address, MIB_LISTENDROPS.load());
        set(baseline, Counter::ReqQFullDrop, address, MIB_FULLDROP.load());
        set(baseline, Counter::ReqQFullDoCookies, address, MIB_DOCOOKIES.load());
        set(baseline, Counter::SyncookiesSent, address, MIB_COOKIESSENT.load());
        set(baseline, Counter::SynRetrans, address, MIB_SYNRETRANS.load());
        const { assert!(EVIDENCE == 5) };
        stand(baseline, Evidence::SyncookiesFailed, address, MIB_COOKIESFAILED.load());
        stand(baseline, Evidence::EmbryonicRsts, address, MIB_EMBRYONICRSTS.load());
        stand(baseline, Evidence::FastopenPassive, address, MIB_FASTOPENPASSIVE.load());
        stand(baseline, Evidence::FastopenPassiveFail, address, MIB_FASTOPENPASSIVEFAIL.load());
        stand(baseline, Evidence::FastopenListenOverflow, address, MIB_FASTOPENLISTENOVERFLOW.load());
        copy(&raw mut (*baseline).cookies_received, address + 8 * u64::from(MIB_COOKIESRECV.load()));
        (&raw mut (*baseline).active).write_volatile(1);
    }
}

/// One counter's starting value.
///
/// # Safety
/// `baseline` must be a live map value.
#[inline(always)]
unsafe fn set(baseline: *mut Baseline, counter: Counter, address: u64, index: u32) {
    const { assert!(COUNTERS == 6) };
    let mut value = 0u64;
    copy(&raw mut value, address + 8 * u64::from(index));
    // SAFETY: the caller's promise.
    unsafe {
        (*baseline).start[counter.index()] = value;
        (*baseline).last[counter.index()] = value;
    }
}

/// The same for a counter that only tells causes apart.
///
/// # Safety
/// `baseline` must be a live map value.
#[inline(always)]
unsafe fn stand(baseline: *mut Baseline, evidence: Evidence, address: u64, index: u32) {
    let mut value = 0u64;
    copy(&raw mut value, address + 8 * u64::from(index));
    // SAFETY: the caller's promise.
    unsafe { (*baseline).evidence[evidence.index()] = value };
}
