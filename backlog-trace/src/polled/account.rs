//! The account of one namespace: what its counters moved, and how much of that
//! has been given to listeners. Pure.
//!
//! A look is not atomic. Its counters are read before its sockets, so each
//! loss that they hold has moved its listener's `sk_drops` already
//! (`tcp_listendrop()` moves it first). Where the look is calm, the two belong
//! together exactly. Where losses are counted all the time no look is; then the
//! account waits, and after [`PATIENCE`] it settles for bounds that hold all
//! the same: wider by what was under way.

use std::collections::BTreeMap;

use backlog_trace_common::counter::{COUNTERS, Counter};
use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::{NamespaceCounts, Reasons};

use super::reading::{Reading, losses, of};
use super::share::{Moved, share};
use crate::listener::Counters;

/// How long an account waits for a calm look: 1 s, in ns.
const PATIENCE: u64 = 1_000_000_000;

/// What was given to one listener.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Given {
    /// Losses and cookies.
    pub(super) reasons: Reasons,
    /// SYNs lost although a cookie was wanted.
    pub(super) cookies_wanted_lost: u64,
}

/// Where an account was settled last.
#[derive(Clone, Debug, Default)]
struct Base {
    time: u64,
    counters: Counters,
    sockets: BTreeMap<u32, Option<u32>>,
    /// Losses that may have moved `sk_drops` by then and a counter later.
    late: u64,
    /// How far each listener's `sk_drops` had moved: a late loss is of a listener that
    /// had moved then.
    moved: BTreeMap<u32, u64>,
}

/// One namespace's account: as large as the listeners that are open in it.
#[derive(Clone, Debug)]
pub(super) struct Account {
    netns: u32,
    start: Counters,
    base: Base,
    /// The look before, by which `sk_drops` may be taken as settled where no
    /// loss has been counted since.
    last: BTreeMap<u32, Option<u32>>,
    /// The latest look, where it waits for a calm one.
    waiting: Option<Reading>,
    /// The latest look was settled, and nothing was lost while it was taken or
    /// before: what it says of `sk_drops` can be told as it is.
    is_plain: bool,
    /// Of listeners whose `sk_drops` may hold losses that a counter does not
    /// hold yet: how many. They belong to the next stretch.
    ahead: BTreeMap<u32, u32>,
    /// A listener closed since the account was settled: what it lost is not known.
    closed: bool,
    /// Losses beside both full queues so far; cookies wanted in vain so far.
    others: u64,
    wanted_lost: u64,
    attributed: [u64; COUNTERS],
    /// More overflows than drops: the counters are moved by somebody else.
    foreign: bool,
}

impl Account {
    /// Begins at a first look.
    pub(super) fn new(netns: u32, reading: &Reading) -> Self {
        Self {
            netns,
            start: reading.before,
            base: Base {
                time: reading.time,
                counters: reading.before,
                sockets: reading.sockets.clone(),
                late: late(reading),
                // Anybody's may be what was lost while the sockets were listed.
                moved: reading.sockets.keys().map(|id| (*id, u64::MAX)).collect(),
            },
            last: reading.sockets.clone(),
            waiting: None,
            is_plain: true,
            ahead: BTreeMap::new(),
            closed: false,
            others: 0,
            wanted_lost: 0,
            attributed: [0; COUNTERS],
            foreign: false,
        }
    }

    /// Whether these counters hold losses that are not settled yet.
    pub(super) fn is_open(&self, now: &Counters) -> bool {
        losses(now) != losses(&self.base.counters)
    }

    /// Takes a look; returns what is given to whom by it. `cpus`: how many
    /// packets can be under way at one time. `is_last`: no look follows.
    pub(super) fn take(&mut self, reading: &Reading, cpus: u64, is_last: bool) -> Vec<(u32, Given)> {
        let open = self.is_open(&reading.before);
        let earlier = self.base.sockets.keys().chain(self.last.keys());
        self.closed |= earlier.into_iter().any(|id| !reading.sockets.contains_key(id));
        let waits = open && !reading.calm && !is_last && reading.time < self.base.time + PATIENCE;
        if waits {
            self.last.clone_from(&reading.sockets);
            self.waiting = Some(reading.clone());
            self.is_plain = false;
            return Vec::new();
        }
        self.waiting = None;
        self.is_plain = !open && reading.calm;
        let given = self.settle(reading, cpus);
        self.ahead = if open { self.ahead(reading, &given) } else { BTreeMap::new() };
        for (_, given) in &given {
            let moved = given.reasons.counters();
            self.attributed.iter_mut().zip(moved).for_each(|(sum, moved)| *sum += moved);
            if let Some(wanted) = self.attributed.get_mut(Counter::ReqQFullDoCookies.index()) {
                *wanted += given.cookies_wanted_lost;
            }
        }
        let last = std::mem::replace(&mut self.last, reading.sockets.clone());
        self.closed = false;
        self.base = if open {
            Base {
                time: reading.time,
                counters: reading.before,
                sockets: reading.sockets.clone(),
                late: late(reading),
                moved: moved(&self.base.sockets, &reading.sockets),
            }
        } else {
            // What loses nothing moves sk_drops as well. As no loss was
            // counted since the last look, whatever had moved it by then is
            // settled; what has moved it since may be a loss under way.
            let is_open = |(id, _): &(u32, _)| reading.sockets.contains_key(id);
            Base {
                time: reading.time,
                counters: reading.before,
                sockets: last.into_iter().filter(is_open).collect(),
                late: 0,
                moved: BTreeMap::new(),
            }
        };
        given
    }

    /// The namespace is gone: settles what was seen of it last.
    pub(super) fn end(&mut self, cpus: u64) -> Vec<(u32, Given)> {
        self.waiting.take().map_or_else(Vec::new, |reading| self.take(&reading, cpus, true))
    }

    /// Whether the latest look waits for a calm one, so that what it saw
    /// belongs to the next stretch.
    pub(super) const fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// `sk_drops` of the listeners that were open when the account was settled:
    /// as far as the counters of [`Self::counts`] have moved, and no further.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (u32, Option<u32>)> + '_ {
        let ahead = |id: &u32| self.ahead.get(id).copied().unwrap_or(0);
        let sockets = if self.is_plain { &self.last } else { &self.base.sockets };
        sockets.iter().map(move |(id, drops)| (*id, drops.map(|drops| drops.wrapping_sub(ahead(id)))))
    }

    /// What may have moved `sk_drops` and no counter yet: as much as was lost
    /// while the sockets were listed, as far as it was not given.
    fn ahead(&self, reading: &Reading, given: &[(u32, Given)]) -> BTreeMap<u32, u32> {
        let late = late(reading);
        if late == 0 {
            return BTreeMap::new();
        }
        let given: BTreeMap<u32, u64> = given
            .iter()
            .map(|(id, given)| {
                (*id, given.reasons.counters().get(Counter::ListenDrops.index()).copied().unwrap_or(0))
            })
            .collect();
        let ahead = moved(&self.base.sockets, &reading.sockets).into_iter().map(|(id, moved)| {
            let before = self.ahead.get(&id).copied().map_or(0, u64::from);
            let given = given.get(&id).copied().unwrap_or(0);
            let ahead = moved.saturating_add(before).saturating_sub(given).min(late);
            (id, u32::try_from(ahead).unwrap_or(u32::MAX))
        });
        ahead.filter(|(_, ahead)| *ahead > 0).collect()
    }

    /// The namespace's balance as last settled.
    pub(super) fn counts(&self) -> NamespaceCounts {
        let mut kernel = [0; COUNTERS];
        for (kernel, (now, start)) in
            kernel.iter_mut().zip(self.base.counters.audited.iter().zip(self.start.audited))
        {
            *kernel = now.saturating_sub(start);
        }
        NamespaceCounts {
            netns: self.netns,
            kernel,
            attributed: [self.attributed; 2],
            unlisted: Reasons::default(),
            unread: false,
        }
    }

    fn settle(&mut self, reading: &Reading, cpus: u64) -> Vec<(u32, Given)> {
        let base = &self.base;
        let since = |counter| of(&reading.before, counter).saturating_sub(of(&base.counters, counter));
        let mut overflows = since(Counter::ListenOverflows);
        let mut full = since(Counter::ReqQFullDrop);
        let drops = since(Counter::ListenDrops);
        let mut others = self.take_others(reading);
        self.foreign |= reading.calm && self.more_overflows_than_drops(reading);
        if self.foreign {
            (overflows, full, others) = (0, 0, drops);
        }
        let listeners = self.bounds(reading);
        let moved = listeners.iter().flatten().fold(0u64, |sum, (_, most)| sum.saturating_add(*most));
        let under_way = if reading.calm { 0 } else { cpus };
        let high = |now: u64, then: u64| now.saturating_sub(then);
        let not_syns = moved
            .saturating_sub(drops)
            .saturating_add(self.base.late)
            .saturating_add(under_way)
            .saturating_add(high(reading.after.cookies_returned, self.base.counters.cookies_returned))
            .saturating_add(high(reading.after.fastopen_failed, self.base.counters.fastopen_failed));
        let mut given: Vec<(u32, Given)> = share(&Moved { overflows, full, others, not_syns, listeners })
            .into_iter()
            .map(|(id, reasons)| (id, Given { reasons, cookies_wanted_lost: 0 }))
            .collect();
        self.give_cookies(reading, others, &mut given);
        given
    }

    /// Losses beside both full queues that are new. Where the look is not
    /// calm, the counters are not of one instant: then fewer, and the rest later.
    fn take_others(&mut self, reading: &Reading) -> u64 {
        let drops = moved_since(&reading.before, &self.start, Counter::ListenDrops);
        let overflows = moved_since(&reading.after, &self.start, Counter::ListenOverflows);
        let full = moved_since(&reading.after, &self.start, Counter::ReqQFullDrop);
        let others = drops.saturating_sub(overflows).saturating_sub(full).max(self.others);
        let new = others - self.others;
        self.others = others;
        new
    }

    /// bpf_tcp_gen_syncookie() moves counters without dropping anything.
    fn more_overflows_than_drops(&self, reading: &Reading) -> bool {
        let of = |counter| moved_since(&reading.before, &self.start, counter);
        of(Counter::ListenOverflows) + of(Counter::ReqQFullDrop) > of(Counter::ListenDrops)
    }

    /// The most that each listener can have lost; `None` where one closed, of
    /// which that is not known.
    fn bounds(&self, reading: &Reading) -> Option<Vec<(u32, u64)>> {
        if self.closed || reading.sockets.values().any(Option::is_none) {
            return None;
        }
        let moved = moved(&self.base.sockets, &reading.sockets);
        let with_late = moved.into_iter().map(|(id, moved)| {
            let late = self.base.moved.get(&id).copied().unwrap_or(0).min(self.base.late);
            (id, moved.saturating_add(late))
        });
        Some(with_late.collect())
    }

    /// A cookie moves nothing of its listener's own: its losses are known
    /// where there is no other listener.
    fn give_cookies(&mut self, reading: &Reading, others: u64, given: &mut Vec<(u32, Given)>) {
        let sent = of(&reading.before, Counter::SyncookiesSent)
            .saturating_sub(of(&self.base.counters, Counter::SyncookiesSent));
        // The wish is counted before the cookie, and read after it.
        let wanted = moved_since(&reading.before, &self.start, Counter::ReqQFullDoCookies);
        let answered = moved_since(&reading.after, &self.start, Counter::SyncookiesSent);
        let wanted_lost = wanted.saturating_sub(answered).max(self.wanted_lost);
        let new_wanted_lost = wanted_lost - self.wanted_lost;
        self.wanted_lost = wanted_lost;
        // A cookie may be made for a SYN that is lost after all.
        let sent = sent.saturating_sub(others);
        let Some(only) = self.only_listener(reading) else { return };
        if sent == 0 && new_wanted_lost == 0 {
            return;
        }
        let at = given.iter().position(|(id, _)| *id == only).unwrap_or_else(|| {
            given.push((only, Given::default()));
            given.len() - 1
        });
        if let Some((_, given)) = given.get_mut(at) {
            given.reasons[Reason::SynCookieSent] = sent;
            given.cookies_wanted_lost = new_wanted_lost;
        }
    }

    fn only_listener(&self, reading: &Reading) -> Option<u32> {
        let only = |sockets: &BTreeMap<u32, Option<u32>>| match sockets.len() {
            1 => sockets.keys().next().copied(),
            _ => None,
        };
        let now = only(&reading.sockets)?;
        (only(&self.base.sockets) == Some(now) && only(&self.last) == Some(now)).then_some(now)
    }
}

fn moved_since(now: &Counters, start: &Counters, counter: Counter) -> u64 {
    of(now, counter).saturating_sub(of(start, counter))
}

/// Losses counted while the sockets were listed.
fn late(reading: &Reading) -> u64 {
    of(&reading.after, Counter::ListenDrops).saturating_sub(of(&reading.before, Counter::ListenDrops))
}

/// How far each listener's `sk_drops` moved, which wraps at 2^32. That of a
/// new one began at 0.
fn moved(then: &BTreeMap<u32, Option<u32>>, now: &BTreeMap<u32, Option<u32>>) -> BTreeMap<u32, u64> {
    let drops = |sockets: &BTreeMap<u32, Option<u32>>, id| sockets.get(id).copied().flatten().unwrap_or(0);
    now.keys().map(|id| (*id, u64::from(drops(now, id).wrapping_sub(drops(then, id))))).collect()
}

#[cfg(test)]
mod tests;
