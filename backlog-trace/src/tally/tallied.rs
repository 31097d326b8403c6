//! The state that events build up, and the reports that can be read from it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use backlog_trace_common::detail::{Detail, Kind, Outcome};
use backlog_trace_common::reason::{Class, Reason, Stage};

use crate::event::{Event, ListenerCounts, Session, Snapshot};

use super::{
    Attributed, Attribution, ConnectionCounts, Connections, DetailCounts, Encounter, ListenerReport, Peer,
    Report, Selection, Series, Who, audit_namespaces, audit_socket, since, union,
};

/// Everything observed so far.
#[derive(Default, Debug)]
pub struct Tally {
    selection: Selection,
    session: Option<Arc<Session>>,
    attribution: Attribution,
    connections: Connections,
    accounts: HashMap<u32, Account>,
    latest: Arc<Snapshot>,
    /// The snapshot that the current interval began with.
    base: Arc<Snapshot>,
    finished: bool,
}

/// What details tell of one listener.
#[derive(Default, Debug)]
struct Account {
    whole: ConnectionCounts,
    interval: ConnectionCounts,
    series: Series,
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
            Event::Details(arrived) => self.attribution.place(arrived, &mut details),
            Event::Snapshot(snapshot) => {
                self.attribution.release(&mut details);
                self.latest = Arc::clone(snapshot);
            }
            Event::Mark => {}
            Event::Finished => {
                self.attribution.release(&mut details);
                self.finished = true;
            }
        }
        details.retain(|item| self.selects(item));
        for item in &details {
            self.count(item);
        }
        details
    }

    /// Who observes; `None` before the first event.
    pub const fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// The counts plane as last seen.
    pub fn latest(&self) -> &Snapshot {
        &self.latest
    }

    /// Unix time in ns of a `CLOCK_MONOTONIC` stamp.
    pub fn unix_ns(&self, monotonic: u64) -> i64 {
        self.session.as_ref().map_or_else(
            || i64::try_from(monotonic).unwrap_or(i64::MAX),
            |session| session.clock.unix_ns(monotonic),
        )
    }

    /// Whether anything was counted since the interval began.
    pub fn has_interval(&self) -> bool {
        self.latest.time > self.base.time
    }

    /// Reports the current interval and begins the next one.
    pub fn cut(&mut self) -> Report {
        let report = self.report(&self.base, false, |account| (account.interval.clone(), None));
        self.base = Arc::clone(&self.latest);
        self.accounts.values_mut().for_each(|account| account.interval = ConnectionCounts::default());
        report
    }

    /// Reports the whole run so far.
    pub fn whole(&self) -> Report {
        let nothing = Snapshot { time: self.start_time(), ..Snapshot::default() };
        self.report(&nothing, true, |account| (account.whole.clone(), Some(account.series.clone())))
    }

    fn start(&mut self, session: &Arc<Session>) {
        self.base = Arc::new(Snapshot { time: session.start, ..Snapshot::default() });
        if self.latest.time == 0 {
            self.latest = Arc::clone(&self.base);
        }
        self.session = Some(Arc::clone(session));
    }

    fn start_time(&self) -> u64 {
        self.session.as_ref().map_or(self.latest.time, |session| session.start)
    }

    fn selects(&self, item: &Attributed) -> bool {
        reason_of(&item.detail).is_none_or(|reason| self.selection.wants_reason(reason))
            && self.selection.wants_listener(&item.who)
    }

    fn count(&mut self, item: &Attributed) {
        let Some(listener) = item.who.known().map(|listener| listener.id) else { return };
        let peer = Peer::of(&item.detail);
        match (Kind::from_number(item.detail.kind), reason_of(&item.detail)) {
            (Some(Kind::Reason), Some(reason)) if reason.row().class == Class::Loss => {
                let second = self.unix_ns(item.detail.time).div_euclid(1_000_000_000);
                self.accounts
                    .entry(listener)
                    .or_default()
                    .series
                    .add(second, 1 + u64::from(item.detail.more));
                if let Some(peer) = peer {
                    self.count_lost(listener, peer, item.detail.time);
                    if dropped_in_silence(reason, &item.detail) {
                        self.count_belief(listener, peer, item.detail.payload > 0);
                    }
                }
            }
            (Some(Kind::Established), _) => {
                let took =
                    peer.and_then(|peer| self.connections.established(listener, peer, item.detail.time));
                if let Some(took) = took {
                    let account = self.accounts.entry(listener).or_default();
                    account.whole.recovered.add(took / 1000);
                    account.interval.recovered.add(took / 1000);
                }
            }
            _ => {}
        }
    }

    fn count_lost(&mut self, listener: u32, peer: Peer, time: u64) {
        let (encounter, forgotten) = self.connections.lost(listener, peer, time);
        if encounter == Encounter::First {
            let account = self.accounts.entry(listener).or_default();
            account.whole.lost += 1;
            account.interval.lost += 1;
        }
        if let Some(forgotten) = forgotten {
            let account = self.accounts.entry(forgotten).or_default();
            account.whole.not_followed += 1;
            account.interval.not_followed += 1;
        }
    }

    fn count_belief(&mut self, listener: u32, peer: Peer, carried_data: bool) {
        let new = self.connections.dropped_in_silence(listener, peer, carried_data);
        let account = self.accounts.entry(listener).or_default();
        for counts in [&mut account.whole, &mut account.interval] {
            counts.believed += u64::from(new.believes);
            counts.sent_data += u64::from(new.sent_data);
        }
    }

    fn report(
        &self,
        base: &Snapshot,
        is_final: bool,
        from_details: impl Fn(&Account) -> (ConnectionCounts, Option<Series>),
    ) -> Report {
        let (now_counts, base_counts) = (by_listener(&self.latest), by_listener(base));
        let nothing = ListenerCounts::default();
        let mut ids: Vec<u32> = now_counts.keys().chain(self.accounts.keys()).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut listeners: Vec<ListenerReport> = ids
            .into_iter()
            .filter_map(|id| {
                let now = now_counts.get(&id).unwrap_or(&nothing);
                let base = base_counts.get(&id).unwrap_or(&nothing);
                let (connections, series) = self.accounts.get(&id).map(&from_details).unwrap_or_default();
                self.report_listener(id, now, base, connections, series)
            })
            .collect();
        listeners.sort_by_cached_key(|report| {
            let address = report.who.known().map(|listener| (listener.address, listener.id));
            (std::cmp::Reverse(report.packets(Class::Loss)), report.who.netns(), report.who.port(), address)
        });
        Report {
            session: self.session.clone(),
            is_final,
            complete: self.finished,
            from: base.time,
            to: self.latest.time,
            listeners,
            audit: audit_namespaces(&self.latest.namespaces, &base.namespaces),
            details: DetailCounts {
                seen: self.latest.details_seen.saturating_sub(base.details_seen),
                missed: self.latest.details_missed.saturating_sub(base.details_missed),
            },
        }
    }

    fn report_listener(
        &self,
        id: u32,
        now: &ListenerCounts,
        base: &ListenerCounts,
        connections: ConnectionCounts,
        series: Option<Series>,
    ) -> Option<ListenerReport> {
        let who = self
            .attribution
            .listener(id)
            .map_or(Who::Unknown { netns: 0, port: 0, cookie: None }, |listener| {
                Who::Known(Arc::clone(listener))
            });
        if !self.selection.wants_listener(&who) {
            return None;
        }
        let mut totals = since(&now.totals, &base.totals);
        let sk_drops = audit_socket((&now.totals, now.sk_drops), (&base.totals, base.sk_drops));
        for (reason, _) in
            now.totals.reasons.iter().filter(|(reason, _)| !self.selection.wants_reason(*reason))
        {
            totals.reasons[reason] = 0;
        }
        let limit =
            if totals.limit == 0 { who.known().map_or(0, |listener| listener.limit) } else { totals.limit };
        let report = ListenerReport { who, totals, limit, connections, sk_drops, series };
        let is_asked_for = self.selection.reasons.is_all() || report.totals.reasons.iter().next().is_some();
        (is_asked_for && !report.is_empty()).then_some(report)
    }
}

fn reason_of(detail: &Detail) -> Option<Reason> {
    match Kind::from_number(detail.kind) {
        Some(Kind::Reason) => Reason::from_number(detail.reason),
        _ => None,
    }
}

/// Whether the client had its SYN+ACK, and was not told that its answer is lost.
fn dropped_in_silence(reason: Reason, detail: &Detail) -> bool {
    matches!(reason.row().stage, Stage::Ack | Stage::CookieAck) && detail.outcome == Outcome::Silent as u8
}

/// Counts by listener; parts of one listener are added up.
fn by_listener(snapshot: &Snapshot) -> BTreeMap<u32, ListenerCounts> {
    let mut listeners = BTreeMap::<u32, ListenerCounts>::new();
    for counts in &snapshot.listeners {
        listeners
            .entry(counts.id)
            .and_modify(|sum| {
                sum.totals = union(&sum.totals, &counts.totals);
                sum.sk_drops = sum.sk_drops.or(counts.sk_drops);
            })
            .or_insert_with(|| counts.clone());
    }
    listeners
}
