//! A report with what is to be said of it.

use std::ops::Range;

use super::case::Groups;
use super::{Case, Finding, Severity};
use crate::tally::Report;

/// A report, judged once for every output.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What was observed.
    pub report: Report,
    /// What follows from it, listener by listener in the order of the report, which
    /// has most losses first; last what is to be said of the host.
    pub findings: Vec<Finding>,
    /// Which of the findings are of which listener.
    places: Vec<Range<usize>>,
}

impl Judged {
    /// Judges a report.
    pub fn of(report: Report) -> Self {
        let mut findings = Vec::new();
        let mut places = Vec::with_capacity(report.listeners.len());
        let groups = Groups::of(&report);
        for (at, listener) in report.listeners.iter().enumerate() {
            let from = findings.len();
            findings.extend(super::of_one(&Case::new(&report, &groups, at, listener)));
            places.push(from..findings.len());
        }
        findings.extend(super::of_host(&report));
        Self { report, findings, places }
    }

    /// What is to be said of the listener at this place of the report, its verdict first.
    pub fn of_listener(&self, at: usize) -> &[Finding] {
        self.places.get(at).and_then(|place| self.findings.get(place.clone())).unwrap_or_default()
    }

    /// The verdict on the listener at this place: what lost connections goes before
    /// what may, and what is named first in [`super::TABLE`] before the others.
    pub fn verdict(&self, at: usize) -> Option<&Finding> {
        self.of_listener(at).iter().min_by_key(|finding| (finding.kind.row().severity, finding.kind))
    }

    /// What is to be said of the host as a whole.
    pub fn of_host(&self) -> &[Finding] {
        let from = self.places.last().map_or(0, |place| place.end);
        self.findings.get(from..).unwrap_or_default()
    }

    /// Places of the listeners whose verdict is of this severity, in the order of the report.
    pub fn with(&self, severity: Severity) -> impl Iterator<Item = usize> {
        (0..self.places.len()).filter(move |at| self.severity(*at) == Some(severity))
    }

    /// How bad the verdict on the listener at this place is; `None` where there is
    /// nothing to say.
    pub fn severity(&self, at: usize) -> Option<Severity> {
        self.verdict(at).map(|finding| finding.kind.row().severity)
    }
}
