//! Where the counters stand when the observation begins.
//!
//! A namespace is enrolled when its first listener is met: it gets a slot, and
//! each CPU's baseline gets the address of that CPU's counters. A baseline
//! becomes active when its starting values are set. That must not happen between
//! the moment when the kernel moves a counter for a packet and the moment when
//! the packet's hook reads it, or the packet would be lost to both. Three ways
//! avoid it:
//!
//! - A namespace had listeners before the tool started. The hooks are attached
//!   first, and judge nothing where the baseline is not active. Then user space
//!   has every CPU set its own baseline: [`activate`] runs in an interrupt of
//!   that CPU, where no packet is handled between two of its instructions. What
//!   a packet moved that is half-way through is in the starting values already,
//!   so its hook finds no difference.
//! - A namespace gets its first listener later. Nothing can move its counters
//!   before listen() returns, so the listen hook sets the baselines of all CPUs.
//! - A namespace has listeners, and user space could not enter it. Each CPU sets
//!   its own baseline at the end of the first packet's hook, when no other packet
//!   is half-way through on that CPU. What the first packet moved is in the
//!   starting values.

use aya_ebpf::bindings::BPF_NOEXIST;
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
use crate::read::{Memory, Ptr, as_number, copy};
use crate::{context, namespace};

/// How many slots are tried for a new namespace before it is left out.
const TRIES: u32 = 16;

/// Makes this CPU's baseline of one slot active. User space runs it on every
/// CPU for every slot, with the slot as the first argument.
#[raw_tracepoint]
pub fn activate(ctx: RawTracePointContext) -> i32 {
    let slot: u64 = ctx.arg(0);
    let cpu = context::cpu();
    if let Some(baseline) = at(slot as u32, cpu) {
        // SAFETY: a live map value; nothing interrupts this program on its CPU.
        start(unsafe { &mut *baseline }, BY_LISTENER);
    }
    0
}

/// The baseline of one CPU for the namespace in a slot.
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
    // SAFETY: `first` is a live map value of a slot that nobody else uses yet.
    let mib = unsafe { as_number(&raw mut (*first).address, M::load(net, OFF_NET_MIB.load())) };
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

/// The slot of a namespace, where packets are judged on this CPU. Where they are not
/// judged yet, this packet's hook begins with it: what the packet itself moved is
/// in the starting values, so it is not judged.
#[inline(always)]
pub fn judged_in<M: Memory>(net: Ptr, is_packet: bool) -> Option<u32> {
    let slot = match namespace::slot_of::<M>(net) {
        Some(slot) => slot,
        None if is_packet && walked() => enroll_by_packet::<M>(net)?,
        None => return None,
    };
    let cpu = context::cpu();
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

/// Gives a slot to a namespace that neither the walk nor the listen hook has met.
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
    // SAFETY: a live map value that only this CPU writes now.
    unsafe {
        if (*baseline).address != 0 {
            start(&mut *baseline, BY_LISTENER);
            return;
        }
        if *offset == 0 {
            return;
        }
        (*baseline).netns = M::load(net, OFF_NET_INUM.load());
        (*baseline).born = context::now();
        let mib = as_number(&raw mut (*baseline).address, M::load(net, OFF_NET_MIB.load()));
        (*baseline).address = mib.wrapping_add(*offset);
        start(&mut *baseline, BY_PACKET);
    }
}

/// A slot that no other namespace has: one that was given back, or the next. Where two
/// namespaces reach for the same slot at the same time, the one that is entered
/// first has it, and the other tries the next.
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
            // SAFETY: a live map value; a lost update only costs another try.
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
    // This CPU was not online when the distances were taken: its baseline is never
    // active.
    if *offset == 0 {
        return 0;
    }
    // SAFETY: a live map value of a slot that is not active yet.
    unsafe {
        (*baseline).netns = netns;
        (*baseline).born = context::now();
        (*baseline).address = mib.wrapping_add(*offset);
        if late {
            start(&mut *baseline, BY_LISTENER);
        }
    }
    1
}

/// Sets the starting values from the counters as they stand: see the head of this file
/// for why nothing moves them meanwhile.
#[inline(always)]
fn start(baseline: &mut Baseline, active: u32) {
    if baseline.address == 0 || baseline.active != 0 {
        return;
    }
    const { assert!(COUNTERS == 6) };
    set(baseline, Counter::ListenOverflows, MIB_LISTENOVERFLOWS.load());
    set(baseline, Counter::ListenDrops, MIB_LISTENDROPS.load());
    set(baseline, Counter::ReqQFullDrop, MIB_FULLDROP.load());
    set(baseline, Counter::ReqQFullDoCookies, MIB_DOCOOKIES.load());
    set(baseline, Counter::SyncookiesSent, MIB_COOKIESSENT.load());
    set(baseline, Counter::SynRetrans, MIB_SYNRETRANS.load());
    const { assert!(EVIDENCE == 5) };
    set_evidence(baseline, Evidence::SyncookiesFailed, MIB_COOKIESFAILED.load());
    set_evidence(baseline, Evidence::EmbryonicRsts, MIB_EMBRYONICRSTS.load());
    set_evidence(baseline, Evidence::FastopenPassive, MIB_FASTOPENPASSIVE.load());
    set_evidence(baseline, Evidence::FastopenPassiveFail, MIB_FASTOPENPASSIVEFAIL.load());
    set_evidence(baseline, Evidence::FastopenListenOverflow, MIB_FASTOPENLISTENOVERFLOW.load());
    let address = baseline.address;
    copy(&raw mut baseline.cookies_received, address + 8 * u64::from(MIB_COOKIESRECV.load()));
    // Last, because a packet that interrupts listen() judges by the values above as
    // soon as it finds the baseline active: volatile writes stay where they are.
    // SAFETY: a member of the baseline that the caller lends.
    unsafe { (&raw mut baseline.active).write_volatile(active) };
}

/// One counter's starting value.
#[inline(always)]
fn set(baseline: &mut Baseline, counter: Counter, index: u32) {
    let value = standing(baseline.address, index);
    baseline.start[counter.index()] = value;
    baseline.last[counter.index()] = value;
}

/// The starting value of a counter that only tells causes apart.
#[inline(always)]
fn set_evidence(baseline: &mut Baseline, evidence: Evidence, index: u32) {
    baseline.evidence[evidence.index()] = standing(baseline.address, index);
}

/// Where a counter of the CPU stands whose counters begin at `address`.
#[inline(always)]
fn standing(address: u64, index: u32) -> u64 {
    let mut value = 0u64;
    copy(&raw mut value, address + 8 * u64::from(index));
    value
}
