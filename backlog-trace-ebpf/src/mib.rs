//! This CPU's counters of a namespace, and how far they moved since a hook last
//! read them.
//!
//! The kernel changes the counters of `struct linux_mib` on the CPU that handles
//! the packet, with the bottom half off. So between two readings on one CPU they
//! move by what was decided on this CPU, and nothing else. Of the functions that
//! decide, tcp_req_err() handles no packet of a handshake; it is hooked as well
//! ([`crate::hooks::request`]).

use core::ptr::NonNull;

use backlog_trace_common::baseline::Baseline;
use backlog_trace_common::counter::Counter;
use backlog_trace_common::evidence::Evidence;
use backlog_trace_common::globals::ABSENT;
use backlog_trace_common::reason::Reason;
use backlog_trace_common::verdict::{Delta, Signs, SynVerdict};

use crate::globals::{
    MIB_COOKIESFAILED, MIB_COOKIESRECV, MIB_COOKIESSENT, MIB_DOCOOKIES, MIB_EMBRYONICRSTS,
    MIB_FASTOPENLISTENOVERFLOW, MIB_FASTOPENPASSIVE, MIB_FASTOPENPASSIVEFAIL, MIB_FULLDROP,
    MIB_LISTENOVERFLOWS, MIB_SYNRETRANS,
};
use crate::read::{Memory, Ptr, copy, mask};
use crate::row::{Row, bump};
use crate::{baseline, context, namespace};

/// This CPU's baseline of a namespace whose packets are judged.
#[derive(Clone, Copy)]
pub struct OwnBaseline(NonNull<Baseline>);

/// The baseline of this CPU for the namespace of a row's listener.
#[inline(always)]
pub fn of_row(row: Row) -> Option<OwnBaseline> {
    of_slot(row.netns_slot())
}

/// The baseline of this CPU for the namespace of a listener that has no row.
#[inline(always)]
pub fn without_row<M: Memory>(tcp: Ptr) -> Option<OwnBaseline> {
    of_slot(namespace::find::<M>(tcp)?)
}

/// The baseline of this CPU for a slot; `None` where packets of its namespace are not
/// judged on this CPU yet.
#[inline(always)]
pub fn of_slot(slot: u32) -> Option<OwnBaseline> {
    let cpu = context::cpu();
    let baseline = OwnBaseline(NonNull::new(baseline::at(slot, cpu)?)?);
    if baseline.counters().active == 0 { None } else { Some(baseline) }
}

/// Reads the counters of a listener's namespace and judges nothing by them: what moved
/// them since the last reading was a packet that no hook saw, and must not be
/// charged to the next one.
#[inline(always)]
pub fn catch_up<M: Memory>(tcp: Ptr) {
    if let Some(baseline) = without_row::<M>(tcp) {
        baseline.delta(true);
        baseline.resets();
        baseline.cookies_failed();
        baseline.fastopen();
    }
}

impl OwnBaseline {
    /// What lies in the baseline. Every access by a hook comes through here, and no
    /// reference to the baseline leaves this file.
    #[inline(always)]
    fn counters<'a>(self) -> &'a mut Baseline {
        // SAFETY: a map value outlives the program that looked it up. An active baseline
        // is accessed by its CPU alone, with the bottom half off, so no other program
        // runs on it before this one has ended.
        unsafe { &mut *self.0.as_ptr() }
    }

    /// How far ListenOverflows and ListenDrops moved since the last reading, and, where
    /// a cookie can have been wanted, the three counters of cookies as well. Counters
    /// that are neighbours in `linux_mib` are read by one call; user space has checked
    /// that they are.
    #[inline(always)]
    pub fn delta(self, cookies: bool) -> Delta {
        let baseline = self.counters();
        let (address, last) = (baseline.address, &mut baseline.last);
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

    /// How far TCPSynRetrans moved. No verdict is made of it. It is read because
    /// nothing else is left to hold the count of SYN+ACKs sent again against once
    /// the namespace is gone.
    #[inline(always)]
    pub fn retransmits(self) -> u64 {
        let baseline = self.counters();
        let (value, read) = one(baseline.address, MIB_SYNRETRANS.load());
        moved(&mut baseline.last[Counter::SynRetrans.index()], value, read)
    }

    /// How far EmbryonicRsts moved: read wherever tcp_check_req() returned no socket.
    /// Only that function moves it.
    #[inline(always)]
    pub fn resets(self) -> Signs {
        let mut signs = Signs::default();
        self.sign(&mut signs, Evidence::EmbryonicRsts, MIB_EMBRYONICRSTS.load());
        signs
    }

    /// How far SyncookiesFailed moved: read wherever a cookie was checked.
    #[inline(always)]
    pub fn cookies_failed(self) -> u64 {
        let mut signs = Signs::default();
        self.sign(&mut signs, Evidence::SyncookiesFailed, MIB_COOKIESFAILED.load());
        signs.of(Evidence::SyncookiesFailed)
    }

    /// How far the counters of Fast Open moved: read at each SYN of a listener that
    /// has it.
    #[inline(always)]
    pub fn fastopen(self) -> Signs {
        let mut signs = Signs::default();
        self.sign(&mut signs, Evidence::FastopenPassive, MIB_FASTOPENPASSIVE.load());
        self.sign(&mut signs, Evidence::FastopenPassiveFail, MIB_FASTOPENPASSIVEFAIL.load());
        self.sign(&mut signs, Evidence::FastopenListenOverflow, MIB_FASTOPENLISTENOVERFLOW.load());
        signs
    }

    #[inline(always)]
    fn sign(self, signs: &mut Signs, evidence: Evidence, index: u32) {
        let baseline = self.counters();
        let (value, read) = one(baseline.address, index);
        signs.0[evidence.index()] = moved(&mut baseline.evidence[evidence.index()], value, read);
    }

    /// Where one counter of this CPU stands, for functions that are hooked on both
    /// sides. `None` where the kernel does not have the counter.
    #[inline(always)]
    pub fn standing(self, index: u32) -> Option<u64> {
        if index == ABSENT {
            return None;
        }
        let mut value = 0u64;
        let from = self.counters().address + 8 * u64::from(index);
        copy(&raw mut value, from).then_some(value)
    }

    /// Whether a valid cookie was received on this CPU since the last time that this
    /// was asked (`SyncookiesRecv`, which moves before the connection is made).
    #[inline(always)]
    pub fn cookie_received(self) -> bool {
        let baseline = self.counters();
        let mut received = 0u64;
        copy(&raw mut received, baseline.address + 8 * u64::from(MIB_COOKIESRECV.load()));
        core::mem::replace(&mut baseline.cookies_received, received) != received
    }

    /// Counts one occurrence of a reason at a listener that has no row: for the
    /// namespace, so that the audit closes all the same.
    #[inline(always)]
    pub fn count_unlisted(self, reason: Reason) {
        bump(&mut self.counters().unlisted, reason.index());
    }

    /// Counts what became of a SYN of a listener that has no row.
    #[inline(always)]
    pub fn count_unlisted_syn(self, verdict: &SynVerdict) {
        let baseline = self.counters();
        baseline.unlisted_cookies_wanted += u64::from(verdict.cookie_wanted);
        baseline.unlisted_cookies_made += u64::from(verdict.cookie_made);
        if let Some(reason) = verdict.reason {
            self.count_unlisted(reason);
        }
    }
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

/// The counter of this index, and a mask: all ones where it was read.
#[inline(always)]
fn one(address: u64, index: u32) -> (u64, u64) {
    let mut value = 0u64;
    let read = mask(&raw mut value, address + 8 * u64::from(index));
    (value, read)
}

/// The counter of this index and the one after it, and a mask: all ones where they
/// were read.
#[inline(always)]
fn pair(address: u64, index: u32) -> ([u64; 2], u64) {
    let mut pair = [0u64; 2];
    let read = mask(&raw mut pair, address + 8 * u64::from(index));
    (pair, read)
}
