//! This CPU's own counters of a namespace, and how far they moved.
//!
//! `linux_mib` slots are bumped with the bottom half off on the CPU that
//! handles the packet, so between two readings on one CPU they move by what
//! this CPU decided. What else bumps them is hooked as well (tcp_req_err()).

use aya_ebpf::helpers::generated::bpf_get_smp_processor_id;
use backlog_trace_common::baseline::Baseline;
use backlog_trace_common::counter::Counter;
use backlog_trace_common::counts::Counts;
use backlog_trace_common::evidence::Evidence;
use backlog_trace_common::globals::ABSENT;
use backlog_trace_common::verdict::{Delta, Signs};

use crate::globals::{
    MIB_COOKIESFAILED, MIB_COOKIESRECV, MIB_COOKIESSENT, MIB_DOCOOKIES, MIB_EMBRYONICRSTS,
    MIB_FASTOPENLISTENOVERFLOW, MIB_FASTOPENPASSIVE, MIB_FASTOPENPASSIVEFAIL, MIB_FULLDROP,
    MIB_LISTENOVERFLOWS, MIB_SYNRETRANS,
};
use crate::read::{Memory, Ptr, copy, mask};
use crate::{baseline, namespace};

/// The baseline of this CPU for a row's namespace.
///
/// # Safety
/// `row` must be this CPU's live map value, claimed by a listener.
#[inline(always)]
pub unsafe fn baseline(row: *mut Counts) -> Option<*mut Baseline> {
    // SAFETY: the caller's promise.
    of_slot(unsafe { (*row).netns_slot })
}

/// The baseline of this CPU for the namespace of a listener that has no row;
/// `None` while it is not judged.
#[inline(always)]
pub fn baseline_without_row<M: Memory>(tcp: Ptr) -> Option<*mut Baseline> {
    of_slot(namespace::find::<M>(tcp)?)
}

/// Leaves out of the next verdict what moved the counters since the last
/// reading: no hook saw the packet that did.
#[inline(always)]
pub fn catch_up<M: Memory>(tcp: Ptr) {
    if let Some(baseline) = baseline_without_row::<M>(tcp) {
        delta(baseline, true);
        resets(baseline);
        cookies_failed(baseline);
        fastopen(baseline);
    }
}

/// The baseline of this CPU for a slot; `None` while it has not begun.
#[inline(always)]
pub fn of_slot(slot: u32) -> Option<*mut Baseline> {
    // SAFETY: no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let baseline = baseline::at(slot, cpu)?;
    // SAFETY: a live map value.
    if unsafe { (*baseline).active } == 0 { None } else { Some(baseline) }
}

/// How far ListenOverflows and ListenDrops moved since the last reading, and,
/// where a cookie can have been wanted, the other three as well. Neighbours in
/// `linux_mib` are read by one call; user space has checked that they are.
#[inline(always)]
pub fn delta(baseline: *mut Baseline, cookies: bool) -> Delta {
    // SAFETY: `baseline` is a live map value; only this CPU writes it, and
    // with the bottom half off nothing else runs this on it meanwhile.
    let (address, last) = unsafe { ((*baseline).address, &mut (*baseline).last) };
    let mut delta = Delta::default();
    let mut step = |counter: Counter, (value, read): (u64, u64)| {
        delta.0[counter.index()] = moved(&mut last[counter.index()], value, read);
    };
    let (pair, read) = pair(address, MIB_LISTENOVERFLOWS.load());
    step(Counter::ListenOverflows, (pair[0], read));
    step(Counter::ListenDrops, (pair[1], read));
    if cookies {
        let ascending = MIB_FULLDROP.load() > MIB_DOCOOKIES.load();
        let first = if ascending { MIB_DOCOOKIES.load() } else { MIB_FULLDROP.load() };
        let (pair, read) = self::pair(address, first);
        let (wanted, dropped) = if ascending { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
        step(Counter::ReqQFullDoCookies, (wanted, read));
        step(Counter::ReqQFullDrop, (dropped, read));
        step(Counter::SyncookiesSent, one(address, MIB_COOKIESSENT.load()));
    }
    delta
}

/// How far a counter moved since the last reading; 0 where it was not read.
///
/// Without a branch: the verifier would follow what comes after once for each
/// way through every counter, which is 2^n.
#[inline(always)]
fn moved(last: &mut u64, value: u64, read: u64) -> u64 {
    let moved = value.wrapping_sub(*last) & read;
    *last = last.wrapping_add(moved);
    moved
}

/// A counter, and a mask: all ones where it was read.
#[inline(always)]
fn one(address: u64, index: u32) -> (u64, u64) {
    let mut value = 0u64;
    let read = mask(&raw mut value, address + 8 * u64::from(index));
    (value, read)
}

/// The same of two neighbours.
#[inline(always)]
fn pair(address: u64, index: u32) -> ([u64; 2], u64) {
    let mut pair = [0u64; 2];
    let read = mask(&raw mut pair, address + 8 * u64::from(index));
    (pair, read)
}

/// How far TCPSynRetrans moved. No verdict is made of it, but it is all that is
/// left to hold the count against when the namespace is gone.
#[inline(always)]
pub fn retransmits(baseline: *mut Baseline) -> u64 {
    // SAFETY: as in [`delta`].
    let (address, last) = unsafe { ((*baseline).address, &mut (*baseline).last) };
    let (value, read) = one(address, MIB_SYNRETRANS.load());
    moved(&mut last[Counter::SynRetrans.index()], value, read)
}

/// How far EmbryonicRsts moved: read wherever tcp_check_req() returned no
/// socket, which is the only function that moves it.
#[inline(always)]
pub fn resets(baseline: *mut Baseline) -> Signs {
    let mut signs = Signs::default();
    sign(baseline, &mut signs, Evidence::EmbryonicRsts, MIB_EMBRYONICRSTS.load());
    signs
}

/// How far SyncookiesFailed moved: read wherever a cookie was checked.
#[inline(always)]
pub fn cookies_failed(baseline: *mut Baseline) -> u64 {
    let mut signs = Signs::default();
    sign(baseline, &mut signs, Evidence::SyncookiesFailed, MIB_COOKIESFAILED.load());
    signs.of(Evidence::SyncookiesFailed)
}

/// How far the counters of Fast Open moved: read at each SYN of a listener
/// that has it.
#[inline(always)]
pub fn fastopen(baseline: *mut Baseline) -> Signs {
    let mut signs = Signs::default();
    sign(baseline, &mut signs, Evidence::FastopenPassive, MIB_FASTOPENPASSIVE.load());
    sign(baseline, &mut signs, Evidence::FastopenPassiveFail, MIB_FASTOPENPASSIVEFAIL.load());
    sign(baseline, &mut signs, Evidence::FastopenListenOverflow, MIB_FASTOPENLISTENOVERFLOW.load());
    signs
}

#[inline(always)]
fn sign(baseline: *mut Baseline, signs: &mut Signs, evidence: Evidence, index: u32) {
    // SAFETY: as in [`delta`].
    let (address, last) = unsafe { ((*baseline).address, &mut (*baseline).evidence[evidence.index()]) };
    let (value, read) = one(address, index);
    signs.0[evidence.index()] = moved(last, value, read);
}

/// One counter of this CPU as it stands, for functions that are hooked on both
/// sides. `None` where the kernel does not have it.
#[inline(always)]
pub fn standing(baseline: *mut Baseline, index: u32) -> Option<u64> {
    if index == ABSENT {
        return None;
    }
    // SAFETY: as in [`delta`].
    let address = unsafe { (*baseline).address };
    let mut value = 0u64;
    copy(&raw mut value, address + 8 * u64::from(index)).then_some(value)
}

/// Whether a valid cookie was received on this CPU since the last time that
/// this was asked (`SyncookiesRecv`, which is bumped before the connection is
/// made).
#[inline(always)]
pub fn cookie_received(baseline: *mut Baseline) -> bool {
    // SAFETY: as above.
    let (address, last) = unsafe { ((*baseline).address, &mut (*baseline).cookies_received) };
    let mut received = 0u64;
    copy(&raw mut received, address + 8 * u64::from(MIB_COOKIESRECV.load()));
    let moved = received != *last;
    *last = received;
    moved
}
