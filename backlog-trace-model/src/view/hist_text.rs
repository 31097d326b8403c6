//! `hist`: per listener what was lost and how deep its queues were, as text.

use std::io::{self, Write};

use crate::findings::{Judged, Severity};
use crate::output::Output;
use crate::tally::{Report, Selection};

use super::audit_text::Observed;
use super::histograms::Histograms;
use super::names::Namespaces;
use super::paint::{HEADING, painted};
use super::verdict::{self, Length};
use super::{Screen, View, audit_text, title, wrap};

/// Listeners whose histograms are shown unless all are asked for.
const DETAILED: usize = 2;

/// Prints histograms as text.
pub struct HistText<W> {
    out: W,
    screen: Screen,
    recording: Option<String>,
    /// Filters hide listeners.
    is_selective: bool,
    /// Histograms of every listener are asked for.
    shows_all: bool,
    /// An interval was printed: the last report is told apart from those.
    in_intervals: bool,
}

impl<W: Write> HistText<W> {
    /// Prints to `out` what is selected.
    pub fn new(out: W, screen: Screen, selection: &Selection) -> Self {
        let is_selective = !selection.is_all();
        Self { out, screen, recording: None, is_selective, shows_all: false, in_intervals: false }
    }

    /// With everything that is known of every listener.
    #[must_use]
    pub const fn of_all(mut self, shows_all: bool) -> Self {
        self.shows_all = shows_all;
        self
    }

    /// Names the recording that is replayed, if one is.
    #[must_use]
    pub fn of_recording(mut self, name: Option<String>) -> Self {
        self.recording = name;
        self
    }

    fn print(&mut self, judged: &Judged) -> io::Result<()> {
        let report = &judged.report;
        let title = painted(HEADING, &self.title(report));
        let mut answer = verdict::lines(judged, self.screen.columns, self.length(report));
        if report.listeners.is_empty() && self.is_selective {
            answer = vec![painted(HEADING, "no listener that the filters let through saw a connection")];
        }
        answer.extend(audit_text::lines(
            report,
            Observed::of(self.recording.as_deref()),
            self.screen.columns,
        ));
        let details = self.details(judged);
        // On a terminal, what stays in view is what comes last.
        let lines: Vec<String> = if self.screen.columns.is_some() {
            details.into_iter().chain([title]).chain(answer).collect()
        } else {
            let gap = (!details.is_empty()).then(String::new);
            [title].into_iter().chain(answer).chain(gap).chain(details).collect()
        };
        wrap::print(&lines, self.screen.columns, &mut self.out)?;
        if !report.is_final {
            writeln!(self.out)?;
            self.in_intervals = true;
        }
        Ok(())
    }

    fn length(&self, report: &Report) -> Length {
        match (self.shows_all, report.is_final) {
            (true, _) => Length::Whole,
            (false, true) => Length::Screen,
            (false, false) => Length::Table,
        }
    }

    /// Histograms and reasons: of the worst few, or of all where that was asked for.
    fn details(&self, judged: &Judged) -> Vec<String> {
        let report = &judged.report;
        let namespaces = Namespaces::of(report);
        let of = |at: usize| {
            report
                .listeners
                .get(at)
                .map(|listener| Histograms(&self.screen).of(listener, report, &namespaces))
        };
        let most = if report.is_final { DETAILED } else { 0 };
        let mut lines: Vec<String> = if self.shows_all || self.is_selective {
            (0..report.listeners.len()).filter_map(of).flatten().collect()
        } else {
            judged.with(Severity::Loss).take(most).filter_map(of).flatten().collect()
        };
        if !lines.is_empty() && self.screen.columns.is_some() {
            lines.push(String::new());
        }
        lines
    }

    /// What stretch of time this is; of a recording, on which host.
    fn title(&self, report: &Report) -> String {
        let (recording, zone) = (self.recording.as_deref(), &self.screen.zone);
        match (report.is_final, recording) {
            (true, None) if self.in_intervals => format!("whole run: {}", title::of_run(report, None, zone)),
            (true, _) => title::of_run(report, recording, zone),
            (false, _) => title::stretch(report, zone),
        }
    }
}

impl<W: Write> View for HistText<W> {
    fn take(&mut self, output: &Output<'_>) -> io::Result<()> {
        match output {
            Output::Interval(judged) => self.print(judged),
            Output::Ended { rest, whole } => {
                rest.iter().chain([whole]).try_for_each(|judged| self.print(judged))
            }
            Output::Began(_) | Output::Occurred(_) | Output::Missed { .. } | Output::SoFar(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
