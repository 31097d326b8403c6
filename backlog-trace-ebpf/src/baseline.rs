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
//! - A namespace with listeners that user space could not enter: each CPU sets
//!   its own at the end of the first packet's hook, where no other packet is
//!   half-way through on it. That packet is in the starting value.

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_ktime_get_ns};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use backlog_trace_common::baseline::{BY_LISTENER, BY_PACKET, Baseline};
use backlog_trace_common::counter::{COUNTERS, Counter};
use backlog_trace_common::evidence::{EVIDENCE, Evidence};
use backlog_trace_common::limits::MAX_CPUS;
use backlog_trace_common::progress::{NEXT_SLOT, WALKED};

use crate::globals::{
    CPUS, MIB_COOKIESFAILED, MIB_COOKIESRECV, MIB_COOKIESSENT, MIB_DOCOOKIES, MIB_EMBRYONICRSTS,
    MIB_FASTOPENLISTENOVERFLOW, MIB_FASTOPENPASSIVE, MIB_FASTOPENPASSIVEFAIL, MIB_FULLDROP, MIB_LISTENDROPS,
    MIB_LISTENOVERFLOWS, MIB_SYNRETRANS, NETNS_ROOM, OFF_NET_INUM, OFF_NET_MIB, OFF_SKC_NET,
};
use crate::maps::{BASELINES, CPU_OFFSETS, FREE_SLOTS, NETNS_SLOTS, PROGRESS, SLOT_OWNERS};
use crate::namespace;
use crate::read::{Memory, Ptr, copy};

/// How many slots are tried for a new namespace before it is left out.
const TRIES: u32 = 16;

/// Makes this CPU's baseline of one slot active. User space runs it on every
/// CPU for every slot, with the slot as the first argument.
#[raw_tracepoint]
pub fn activate(ctx: RawTracePointContext) -> i32 {
    let slot: u64 = ctx.arg(0);
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    if let Some(baseline) = at(slot as u32, cpu) {
        start(baseline, BY_LISTENER);
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
    if namespace::find::<M>(tcp).is_some() {
        return;
    }
    let key = namespace::name::<M>(net);
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
    let late = walked();
    let cpus = CPUS.load();
    let mut cpu = 0u32;
    while cpu < MAX_CPUS {
        if cpu >= cpus {
            break;
        }
        prepare(slot, cpu, netns, mib, late);
        cpu += 1;
    }
    enter(key, slot);
}

/// Enters a namespace under its slot. Where another CPU was faster, the slot
/// goes back.
#[inline(always)]
fn enter(key: u64, slot: u32) -> bool {
    let entered = NETNS_SLOTS.insert(key, slot, u64::from(BPF_NOEXIST)).is_ok();
    if !entered {
        let _ = SLOT_OWNERS.remove(slot);
        let _ = FREE_SLOTS.push(slot, 0);
    }
    entered
}

/// Whether every listener that was open at the start has been walked.
#[inline(always)]
fn walked() -> bool {
    PROGRESS.get(WALKED).is_some_and(|walked| *walked == 1)
}

/// The slot of a listener's namespace, where packets are judged on this CPU.
#[inline(always)]
pub fn judged<M: Memory>(tcp: Ptr, is_packet: bool) -> Option<u32> {
    judged_in::<M>(M::load(tcp, OFF_SKC_NET.load()), is_packet)
}

/// The slot of a namespace, where packets are judged on this CPU. Where they
/// are not yet, this packet's hook begins it: the packet itself is in the
/// starting value.
#[inline(always)]
pub fn judged_in<M: Memory>(net: Ptr, is_packet: bool) -> Option<u32> {
    let slot = match namespace::slot_of::<M>(net) {
        Some(slot) => slot,
        None if is_packet && walked() => enroll_by_packet::<M>(net)?,
        None => return None,
    };
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let baseline = at(slot, cpu)?;
    // SAFETY: a live map value.
    if unsafe { (*baseline).active } != 0 {
        return Some(slot);
    }
    if is_packet && walked() {
        begin_here::<M>(net, baseline, cpu);
    }
    None
}

/// Gives a namespace a slot that no walk and no listen hook has met.
#[inline(always)]
fn enroll_by_packet<M: Memory>(net: Ptr) -> Option<u32> {
    let key = namespace::name::<M>(net);
    let slot = take_slot(key)?;
    if enter(key, slot) { Some(slot) } else { None }
}

/// Begins the judging of a namespace on this CPU.
#[inline(always)]
fn begin_here<M: Memory>(net: Ptr, baseline: *mut Baseline, cpu: u32) {
    let Some(offset) = CPU_OFFSETS.get(cpu) else { return };
    // SAFETY: a live map value that only this CPU writes now. Through map
    // memory, the typed pointer becomes a number that can be added to.
    unsafe {
        if (*baseline).address != 0 {
            start(baseline, BY_LISTENER);
            return;
        }
        if *offset == 0 {
            return;
        }
        (*baseline).netns = M::load(net, OFF_NET_INUM.load());
        (*baseline).born = bpf_ktime_get_ns();
        let place = &raw mut (*baseline).address;
        place.write_volatile(M::load(net, OFF_NET_MIB.load()));
        place.write_volatile(place.read_volatile().wrapping_add(*offset));
        start(baseline, BY_PACKET);
    }
}

/// A slot that no other namespace has: one that was given back, or the next.
/// Two namespaces that reach for the same
/// one at the same time are told apart by who enters its name first.
#[inline(always)]
fn take_slot(key: u64) -> Option<u32> {
    if let Ok(Some(slot)) = FREE_SLOTS.pop()
        && slot < NETNS_ROOM.load()
    {
        let _ = SLOT_OWNERS.insert(slot, key, u64::from(BPF_NOEXIST));
        return Some(slot);
    }
    let hint = PROGRESS.get_ptr_mut(NEXT_SLOT)?;
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
        (*baseline).born = bpf_ktime_get_ns();
        (*baseline).address = mib.wrapping_add(*offset);
    }
    if late {
        start(baseline, BY_LISTENER);
    }
    1
}

/// Sets the starting values from the counters as they stand.
#[inline(always)]
fn start(baseline: *mut Baseline, active: u32) {
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
        (&raw mut (*baseline).active).write_volatile(active);
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
