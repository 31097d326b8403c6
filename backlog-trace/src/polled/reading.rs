//! What one look at a namespace gives. Pure.

use std::collections::BTreeMap;

use backlog_trace_common::counter::Counter;

use crate::listener::Counters;

/// One look at a namespace: its counters, its sockets, its counters again.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// When (`CLOCK_MONOTONIC`, ns).
    pub(super) time: u64,
    /// Before the sockets were listed.
    pub(super) before: Counters,
    /// After that.
    pub(super) after: Counters,
    /// No loss was counted from some milliseconds before the look to its end,
    /// so what the sockets say belongs to what the counters say.
    pub(super) calm: bool,
    /// `sk_drops` by listener; `None` where the kernel does not tell.
    pub(super) sockets: BTreeMap<u32, Option<u32>>,
}

/// The counters that a loss moves.
pub(super) fn losses(counters: &Counters) -> [u64; 3] {
    [Counter::ListenOverflows, Counter::ListenDrops, Counter::ReqQFullDrop]
        .map(|counter| of(counters, counter))
}

/// One of the audited counters.
pub(super) fn of(counters: &Counters, counter: Counter) -> u64 {
    counters.audited.get(counter.index()).copied().unwrap_or(0)
}
