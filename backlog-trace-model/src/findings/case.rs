//! What a finding looks at: one listener of a report, with what else the report
//! knows that concerns it.

use std::collections::HashMap;
use std::net::IpAddr;

use backlog_trace_common::counter::Counter;
use backlog_trace_common::reason::{Class, Reason};

use super::{Action, Certainty, Fact, Finding, Kind};
use crate::event::Figure;
use crate::listener::{Listener, Sysctls};
use crate::tally::{History, ListenerReport, Need, Report};

/// Listeners of a report that are one to their clients: members of a reuseport
/// group, or a listener and its successor.
#[derive(Debug, Default)]
pub(super) struct Groups<'a> {
    by_endpoint: HashMap<Endpoint, Vec<&'a ListenerReport>>,
}

/// Namespace (by number and cookie), address, port, whether IPv6 alone.
type Endpoint = (u32, Option<u64>, IpAddr, u16, bool);

fn endpoint(listener: &Listener) -> Endpoint {
    (listener.netns, listener.namespace, listener.address, listener.port, listener.v6only)
}

impl<'a> Groups<'a> {
    /// Those of a report.
    pub(super) fn of(report: &'a Report) -> Self {
        let mut by_endpoint: HashMap<Endpoint, Vec<&'a ListenerReport>> = HashMap::new();
        for report in &report.listeners {
            if let Some(listener) = report.who.known() {
                by_endpoint.entry(endpoint(listener)).or_default().push(report);
            }
        }
        Self { by_endpoint }
    }

    fn members(&self, listener: &Listener) -> &[&'a ListenerReport] {
        self.by_endpoint.get(&endpoint(listener)).map_or(&[], Vec::as_slice)
    }
}

/// Members of a group that are looked at for one of them: a recording may claim
/// any number.
const MEMBERS: usize = 256;

/// One listener of a report.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    report: &'a Report,
    groups: &'a Groups<'a>,
    at: usize,
    /// The listener.
    pub listener: &'a ListenerReport,
}

impl<'a> Case<'a> {
    /// The listener that stands at this place of the report, counted from 0.
    pub(super) const fn new(
        report: &'a Report,
        groups: &'a Groups<'a>,
        at: usize,
        listener: &'a ListenerReport,
    ) -> Self {
        Self { report, groups, at, listener }
    }

    /// The book's row.
    pub fn known(&self) -> Option<&'a Listener> {
        self.listener.who.known()
    }

    /// What details told of it; of the whole run alone.
    pub const fn history(&self) -> Option<&'a History> {
        self.listener.history.as_ref()
    }

    /// What would have kept its accept queue from refusing anybody, where every
    /// detail that this follows from was received.
    pub fn need(&self) -> Option<Need> {
        let need = self.history().and_then(|history| history.need)?;
        let is_seen = !self.report.is_polled() && self.listener.known(Figure::Accepted).is_some();
        let most = self.listener.known(Figure::AcceptQueueMax).unwrap_or(0);
        let need = self.listener.longest_wait_us().map_or(need, |us| need.known_to_empty(most, us));
        (is_seen && self.report.details.missed == 0).then_some(need)
    }

    /// Packets that were lost because the accept queue was over its limit.
    pub fn overflows(&self) -> u64 {
        let is_overflow = |reason: &Reason| reason.row().counters.contains(&Counter::ListenOverflows);
        self.sum(|reason| is_overflow(&reason))
    }

    /// Packets that met one of these reasons of a loss.
    pub fn lost_by(&self, reasons: &[Reason]) -> u64 {
        self.sum(|reason| reasons.contains(&reason))
    }

    /// Connections that met a loss: those that details tell of.
    pub const fn lost_clients(&self) -> u64 {
        self.listener.connections.lost
    }

    /// Nothing was seen packet by packet.
    pub fn is_polled(&self) -> bool {
        self.report.is_polled()
    }

    /// Details that found no room in the ring buffer.
    pub const fn details_missed(&self) -> u64 {
        self.report.details.missed
    }

    /// For how long somebody has waited at least and nothing was accepted, in
    /// seconds, at the end of the stretch.
    pub fn nothing_accepted_for(&self) -> Option<f64> {
        self.listener.known(Figure::Accepted)?;
        let since = self.listener.stalled_since?;
        let until = self.before_it_closed().map_or(self.report.to, |need| need.seen_at);
        Some(std::time::Duration::from_nanos(until.saturating_sub(since)).as_secs_f64())
    }

    /// The sysctls of its namespace; what cannot be read is unknown.
    pub fn sysctls(&self) -> Sysctls {
        self.report.sysctls.get(&self.listener.who.netns()).copied().unwrap_or_default()
    }

    /// A line that sets a sysctl, in the listener's namespace where that is not the host's own.
    pub fn set(&self, sysctl: &str, value: u64) -> String {
        let set = format!("sysctl -w {sysctl}={value}");
        let host = self.report.session.as_deref().and_then(|session| session.netns);
        let inside = self.known().filter(|listener| host != Some(listener.netns));
        match inside.and_then(|listener| listener.owners.first()) {
            Some(owner) => format!("nsenter --net=/proc/{}/ns/net {set}", owner.pid),
            None => set,
        }
    }

    /// Connections that wait at the end of the stretch, or waited when the listener closed.
    pub fn waiting(&self) -> Option<u64> {
        let at_the_end = || self.listener.waiting.map(|[_, ends]| u64::from(ends));
        self.before_it_closed().map(|need| need.waiting).or_else(at_the_end)
    }

    /// How a listener stood that has closed.
    fn before_it_closed(&self) -> Option<Need> {
        let is_closed = self.known().is_some_and(|listener| listener.closed);
        self.history().and_then(|history| history.need).filter(|_| is_closed)
    }

    /// Other listeners of the same address, port and namespace that are open.
    pub fn twins(&self) -> impl Iterator<Item = &'a ListenerReport> {
        let own = self.known();
        let members = own.map_or(&[][..], |own| self.groups.members(own));
        let is_twin = move |other: &Listener| own.is_some_and(|own| own.id != other.id) && !other.closed;
        members.iter().take(MEMBERS).copied().filter(move |other| other.who.known().is_some_and(is_twin))
    }

    /// The process that holds the socket, as people write it: `nginx/812 +3`.
    pub fn owner(&self) -> String {
        self.known().and_then(Listener::holders).unwrap_or_else(|| "the application".to_owned())
    }

    /// A finding about this listener.
    pub fn finding(&self, kind: Kind, certainty: Certainty, because: String) -> Finding {
        Finding {
            kind,
            certainty,
            at: Some(self.at),
            who: Some(self.listener.who.clone()),
            because,
            facts: Vec::new(),
            actions: Vec::new(),
        }
    }

    fn sum(&self, counts: impl Fn(Reason) -> bool) -> u64 {
        let lost = self.listener.reasons(Class::Loss).filter(|(reason, _)| counts(*reason));
        lost.map(|(_, count)| count).fold(0, u64::saturating_add)
    }
}

impl Finding {
    /// With the numbers that show it.
    #[must_use]
    pub fn shown_by(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.facts.extend(facts);
        self
    }

    /// With what to do.
    #[must_use]
    pub fn advising(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions);
        self
    }
}
