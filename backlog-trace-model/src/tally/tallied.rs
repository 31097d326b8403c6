//! The state that events build up, and the reports that can be read from it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use backlog_trace_common::counter::Counter;
use backlog_trace_common::detail::Outcome;
use backlog_trace_common::reason::{Class, Reason, Stage};

use crate::event::{Event, Met, Session, Snapshot, SourceState, What};
use crate::listener::Sysctls;

use super::plane::{Moved, Plane, Stretch};
use super::{
    Arrival, Attributed, Attribution, ConnectionCounts, Connections, Encounter, Endpoint, History, Knock,
    ListenerReport, Report, Selection, Series, Signs, WhatIf, Who,
};

/// How long after the start a client can be met for the first time although it
/// was refused before: the longest time between two SYNs (tcp_syn_retries 6).
const LONGEST_BETWEEN_SYNS: u64 = 64_000_000_000;

/// Everything observed so far.
#[derive(Default, Debug)]
pub struct Tally {
    selection: Selection,
    session: Option<Arc<Session>>,
    sources: Arc<Vec<SourceState>>,
    /// By the namespace's inode number: the next one that has it replaces them.
    sysctls: Arc<BTreeMap<u32, Sysctls>>,
    attribution: Attribution,
    connections: Connections,
    accounts: HashMap<u32, Account>,
    /// Of those, which have something of the current interval.
    moved: BTreeSet<u32>,
    /// Of listeners that are not named any more.
    folded: Account,
    plane: Plane,
    finished: bool,
}

/// What details tell of one listener.
#[derive(Default, Debug)]
struct Account {
    whole: ConnectionCounts,
    interval: ConnectionCounts,
    series: Series,
    signs: Signs,
    what_if: WhatIf,
}

impl Tally {
    /// An empty one that reports what is selected.
    pub fn new(selection: Selection) -> Self {
        Self { selection, ..Self::default() }
    }

    /// Takes in one event; returns the selected details that have found their
    /// listener by it, in the order of arrival.
    pub fn take(&mut self, event: &Event) -> Vec<Attributed> {
        let mut details = Vec::new();
        match event {
            Event::Started(session) => self.start(session),
            Event::Listener(listener) => self.attribution.learn(listener, &mut details),
            Event::Sources(sources) => self.sources = Arc::clone(sources),
            Event::Details(arrived) => self.attribution.place(arrived, &mut details),
            Event::Snapshot(snapshot) => {
                self.attribution.release(&mut details);
                self.look(snapshot);
                let sysctls = snapshot.sysctls.iter().map(|of| (of.netns, of.values));
                Arc::make_mut(&mut self.sysctls).extend(sysctls);
                for id in self.plane.take(snapshot) {
                    self.fold(id);
                }
            }
            Event::Mark => {}
            Event::Finished => {
                self.attribution.release(&mut details);
                self.finished = true;
            }
        }
        for item in &details {
            self.follow(item);
        }
        details.retain(|item| self.selects(item));
        details
    }

    /// When the counts were last seen (`CLOCK_MONOTONIC`, ns).
    pub const fn time(&self) -> u64 {
        self.plane.time()
    }

    /// Details that found no room in the ring buffer so far.
    pub const fn missed(&self) -> u64 {
        self.plane.details(Stretch::Whole).missed
    }

    /// Whether a snapshot was taken since the interval began.
    pub const fn has_interval(&self) -> bool {
        self.plane.time() > self.plane.began(Stretch::Interval)
    }

    /// Reports the current interval and begins the next one.
    pub fn cut(&mut self) -> Report {
        let report = self.report(Stretch::Interval);
        self.plane.cut();
        for id in std::mem::take(&mut self.moved) {
            if let Some(account) = self.accounts.get_mut(&id) {
                account.interval = ConnectionCounts::default();
            }
        }
        self.folded.interval = ConnectionCounts::default();
        report
    }

    /// Reports the whole run so far.
    pub fn whole(&self) -> Report {
        self.report(Stretch::Whole)
    }

    fn start(&mut self, session: &Arc<Session>) {
        self.plane.begin(session.start);
        self.sources = Arc::new(session.sources.clone());
        self.session = Some(Arc::clone(session));
    }

    /// A closed listener is not named any more: what is known of its clients
    /// goes where its counts went.
    fn fold(&mut self, id: u32) {
        self.moved.remove(&id);
        if let Some(account) = self.accounts.remove(&id) {
            self.folded.whole.add(&account.whole);
            self.folded.interval.add(&account.interval);
        }
        self.attribution.forget(id);
    }

    /// What details tell of a listener, also of one that is not named any more.
    fn account(&mut self, listener: u32) -> &mut Account {
        if self.attribution.listener(listener).is_some() {
            self.moved.insert(listener);
            self.accounts.entry(listener).or_default()
        } else {
            &mut self.folded
        }
    }

    fn selects(&self, item: &Attributed) -> bool {
        item.occurrence.met().is_none_or(|met| self.selection.wants_reason(met.reason))
            && self.selection.wants_listener(&item.who)
    }

    /// Of a listener that details told of before.
    fn known_account(&mut self, id: u32, change: impl FnOnce(&mut Account)) {
        if let Some(account) = self.accounts.get_mut(&id) {
            change(account);
        }
    }

    /// How the queues of those stand now that details told of.
    fn look(&mut self, snapshot: &Snapshot) {
        for counts in &snapshot.listeners {
            let Some(account) = self.accounts.get_mut(&counts.id) else { continue };
            if let Some([_, waiting]) = counts.waiting
                && account.what_if.has_refused()
            {
                account.what_if.see(snapshot.time, u64::from(waiting), Arrival::None);
            }
        }
    }

    /// What an occurrence tells of a connection. What lets a client in may be a
    /// listener that the filters hide: the process that succeeds the one asked for.
    fn follow(&mut self, item: &Attributed) {
        let Some(listener) = item.who.known() else { return };
        let (id, at, time) = (listener.id, Endpoint::of(listener), item.occurrence.time);
        let knock = item.occurrence.peer.map(|peer| Knock { listener: id, at, peer, time });
        match item.occurrence.what {
            What::Met(met) if self.selects(item) => {
                self.account(id).signs.note(met, item.occurrence.peer);
                if met.reason.row().class == Class::Loss {
                    self.count_loss(id, time, met.packets());
                    self.follow_loss(item, met, knock.as_ref(), listener.lost_before);
                }
            }
            What::Met(_) => {}
            What::Established => {
                let recovered = knock.and_then(|knock| self.connections.established(&knock));
                if let Some(recovered) = recovered {
                    let us = recovered.took / 1000;
                    self.count(recovered.refused_by, |counts| counts.recovered.add(us));
                }
                // One that another listener refused is this one's first.
                let at_last = recovered.is_some_and(|recovered| recovered.refused_by == id);
                self.see(item, if at_last { Arrival::FinishedAtLast } else { Arrival::Finished });
            }
            What::Opened => {
                self.connections.closed(id, at, false);
                self.known_account(id, |account| account.what_if.open());
            }
            What::Closed => {
                self.connections.closed(id, at, true);
                self.known_account(id, |account| account.what_if.close());
            }
        }
    }

    fn follow_loss(&mut self, item: &Attributed, met: Met, knock: Option<&Knock>, lost_before: bool) {
        let Some(knock) = knock else { return };
        let encounter = self.count_lost(knock, lost_before);
        if dropped_in_silence(met) {
            self.count_belief(knock, met.payload > 0);
        }
        let is_refused = encounter == Encounter::First && is_overflow(met.reason);
        self.see(item, if is_refused { Arrival::Refused } else { Arrival::None });
    }

    /// What an occurrence tells of the accept queue of a listener that refused somebody.
    fn see(&mut self, item: &Attributed, arrival: Arrival) {
        let Some(id) = item.who.known().map(|listener| listener.id) else { return };
        let refuses = |account: &Account| account.what_if.has_refused();
        if arrival == Arrival::Refused || self.accounts.get(&id).is_some_and(refuses) {
            let length = u64::from(item.occurrence.accept_queue);
            self.account(id).what_if.see(item.occurrence.time, length, arrival);
        }
    }

    /// Counts for the run and for the interval.
    fn count(&mut self, listener: u32, add: impl Fn(&mut ConnectionCounts)) {
        let account = self.account(listener);
        add(&mut account.whole);
        add(&mut account.interval);
    }

    fn count_loss(&mut self, listener: u32, time: u64, packets: u64) {
        let second = Session::unix_ns(self.session.as_deref(), time).div_euclid(1_000_000_000);
        self.account(listener).series.add(second, packets);
    }

    fn count_lost(&mut self, knock: &Knock, lost_before: bool) -> Encounter {
        let (encounter, forgotten) = self.connections.lost(knock);
        if encounter == Encounter::First {
            let start = self.session.as_ref().map_or(0, |session| session.start);
            let soon = knock.time.saturating_sub(start) <= LONGEST_BETWEEN_SYNS;
            self.count(knock.listener, |counts| {
                counts.lost += 1;
                counts.maybe_midway += u64::from(lost_before && soon);
            });
        }
        if let Some(forgotten) = forgotten {
            self.count(forgotten, |counts| counts.not_followed += 1);
        }
        encounter
    }

    fn count_belief(&mut self, knock: &Knock, carried_data: bool) {
        let Some((listener, new)) = self.connections.dropped_in_silence(knock, carried_data) else { return };
        self.count(listener, |counts| {
            counts.believed += u64::from(new.believes);
            counts.sent_data += u64::from(new.sent_data);
        });
    }

    fn report(&self, stretch: Stretch) -> Report {
        let mut ids = self.plane.ids(stretch);
        match stretch {
            Stretch::Whole => ids.extend(self.accounts.keys()),
            Stretch::Interval => ids.extend(&self.moved),
        }
        ids.sort_unstable();
        ids.dedup();
        let mut listeners: Vec<ListenerReport> =
            ids.into_iter().filter_map(|id| self.report_listener(id, stretch)).collect();
        listeners.sort_by_cached_key(|report| {
            let address = report.who.known().map(|listener| (listener.address, listener.id));
            (std::cmp::Reverse(report.packets(Class::Loss)), report.who.netns(), report.who.port(), address)
        });
        listeners.extend(self.report_folded(stretch));
        Report {
            session: self.session.clone(),
            sources: Arc::clone(&self.sources),
            is_final: stretch == Stretch::Whole,
            complete: self.finished,
            gaps: Vec::new(),
            from: self.plane.began(stretch),
            to: self.plane.time(),
            listeners,
            audit: self.plane.audit(stretch),
            sysctls: Arc::clone(&self.sysctls),
            details: self.plane.details(stretch),
        }
    }

    fn report_listener(&self, id: u32, stretch: Stretch) -> Option<ListenerReport> {
        let who = self
            .attribution
            .listener(id)
            .map_or(Who::Unknown { netns: 0, port: 0, cookie: None }, |listener| {
                Who::Known(Arc::clone(listener))
            });
        if !self.selection.wants_listener(&who) {
            return None;
        }
        let account = self.accounts.get(&id);
        self.complete(who, self.plane.listener(id, stretch), account, stretch)
    }

    /// Closed listeners that are not named any more. A filter for listeners
    /// asks for one that it can name.
    fn report_folded(&self, stretch: Stretch) -> Option<ListenerReport> {
        let folded = self.plane.folded(stretch);
        if folded.listeners == 0 || !self.selection.listeners.is_empty() {
            return None;
        }
        let who = Who::Closed { listeners: folded.listeners };
        let moved = Moved { totals: folded.totals.clone(), sk_drops: folded.sk_drops, ..Moved::default() };
        self.complete(who, moved, Some(&self.folded), stretch)
    }

    fn history(&self, account: &Account) -> History {
        // Of some reasons alone, it cannot be told who came.
        let can_tell = self.selection.reasons.is_all();
        let need = || account.what_if.need(self.plane.time());
        History {
            series: account.series.clone(),
            signs: account.signs.clone(),
            need: if can_tell { need() } else { None },
        }
    }

    fn complete(
        &self,
        who: Who,
        moved: Moved,
        account: Option<&Account>,
        stretch: Stretch,
    ) -> Option<ListenerReport> {
        let Moved { mut totals, sk_drops, waiting, stalled_since } = moved;
        for (reason, _) in totals.reasons.clone().iter() {
            if !self.selection.wants_reason(reason) {
                totals.reasons[reason] = 0;
            }
        }
        let limit = if totals.limit == 0 {
            who.known().and_then(|listener| listener.limit)
        } else {
            Some(totals.limit)
        };
        let (connections, history) = match (account, stretch) {
            (None, _) => (ConnectionCounts::default(), None),
            (Some(account), Stretch::Interval) => (account.interval.clone(), None),
            (Some(account), Stretch::Whole) => (account.whole.clone(), Some(self.history(account))),
        };
        let report =
            ListenerReport { who, totals, limit, waiting, stalled_since, connections, sk_drops, history };
        let is_asked_for = self.selection.reasons.is_all() || report.totals.reasons.iter().next().is_some();
        (is_asked_for && !report.is_empty()).then_some(report)
    }
}

/// Whether the packet was refused because the accept queue was over its limit.
fn is_overflow(reason: Reason) -> bool {
    reason.row().class == Class::Loss && reason.row().counters.contains(&Counter::ListenOverflows)
}

/// Whether the client had its SYN+ACK, and was not told that its answer is lost.
fn dropped_in_silence(met: Met) -> bool {
    matches!(met.reason.row().stage, Stage::Ack | Stage::CookieAck) && met.outcome == Outcome::Silent
}

#[cfg(test)]
mod tests;
