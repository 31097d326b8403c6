//! What the cells of one row are taken from: one listener in one report. It knows
//! which figures are not known, and no format.

use backlog_trace_common::reason::Reason;

use crate::check::{Hook, shows};
use crate::event::Session;
use crate::findings::Judged;
use crate::listener::{Listener, Place};
use crate::tally::{ListenerReport, Report, Selection};

/// One listener in one report.
pub(super) struct Row<'a> {
    pub(super) report: &'a Report,
    pub(super) of: &'a ListenerReport,
    pub(super) place: Place<'a>,
    /// The name of its verdict.
    pub(super) verdict: Option<&'static str>,
    pub(super) recording: Option<&'a str>,
    selection: &'a Selection,
}

impl<'a> Row<'a> {
    /// The rows of a report, in its order.
    pub(super) fn all(
        judged: &'a Judged,
        recording: Option<&'a str>,
        selection: &'a Selection,
    ) -> impl Iterator<Item = Self> {
        let report = &judged.report;
        report.listeners.iter().enumerate().map(move |(at, of)| Self {
            report,
            of,
            place: of
                .who
                .known()
                .and_then(|known| known.cgroup.as_deref())
                .map(Place::of)
                .unwrap_or_default(),
            verdict: judged.verdict(at).map(|finding| finding.kind.row().name),
            recording,
            selection,
        })
    }

    /// The book's row of the listener.
    pub(super) fn listener(&self) -> Option<&'a Listener> {
        self.of.who.known()
    }

    /// Who observed; `None` where a recording lost its start.
    pub(super) fn session(&self) -> Option<&'a Session> {
        self.report.session.as_deref()
    }

    /// A figure that only packets tell: not known where counters were polled.
    pub(super) fn seen<T>(&self, figure: T) -> Option<T> {
        (!self.report.is_polled()).then_some(figure)
    }

    /// Packets that met a reason. `None`: `--reason` leaves it out, or none was
    /// counted where it cannot be told that none met it.
    pub(super) fn packets(&self, reason: Reason) -> Option<u64> {
        let count = self.of.totals.reasons[reason];
        let is_known = self.selection.wants_reason(reason) && (count > 0 || self.would_show(reason));
        is_known.then_some(count)
    }

    /// Whether a packet that meets a reason would have been counted: the hook that
    /// counts it is attached, by a method that shows it.
    fn would_show(&self, reason: Reason) -> bool {
        if self.report.is_polled() {
            return false;
        }
        let Some(hook) = Hook::all().find(|hook| hook.row().reasons.contains(&reason)) else {
            // Only polling counts it.
            return self.session().is_some();
        };
        let state =
            self.session().and_then(|session| session.hooks.iter().find(|state| state.hook == hook.name()));
        state.and_then(|state| state.rung).is_some_and(|rung| shows(rung, reason))
    }
}
