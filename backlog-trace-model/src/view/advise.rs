//! `advise`: what was found and what to change, and nothing else; as text and as JSON.

use std::io::{self, Write};

use serde::Serialize;

use crate::escape::write_json_line;
use crate::event::HookState;
use crate::findings::Judged;
use crate::output::Output;

use super::audit_text::Observed;
use super::json::{AuditPart, DetailsPart, HostPart, SourcePart, VERSION, hooks};
use super::json_findings::FindingPart;
use super::paint::{HEADING, painted};
use super::units::{rfc3339, seconds};
use super::verdict::{self, Length};
use super::{Screen, View, audit_text, title, wrap};

/// Prints what to change as text.
pub struct AdviseText<W> {
    out: W,
    screen: Screen,
    recording: Option<String>,
}

impl<W: Write> AdviseText<W> {
    /// Prints to `out`.
    pub const fn new(out: W, screen: Screen) -> Self {
        Self { out, screen, recording: None }
    }

    /// Names the recording that is replayed, if one is.
    #[must_use]
    pub fn of_recording(mut self, name: Option<String>) -> Self {
        self.recording = name;
        self
    }

    fn print(&mut self, judged: &Judged) -> io::Result<()> {
        let report = &judged.report;
        let mut lines =
            vec![painted(HEADING, &title::of_run(report, self.recording.as_deref(), &self.screen.zone))];
        lines.extend(verdict::lines(judged, self.screen.columns, Length::Whole));
        lines.extend(audit_text::lines(report, Observed::of(self.recording.as_deref()), self.screen.columns));
        wrap::print(&lines, self.screen.columns, &mut self.out)
    }
}

impl<W: Write> View for AdviseText<W> {
    fn take(&mut self, output: &Output<'_>) -> io::Result<()> {
        match output {
            Output::SoFar(judged) | Output::Ended { whole: judged, .. } => self.print(judged),
            Output::Began(_) | Output::Occurred(_) | Output::Missed { .. } | Output::Interval(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Prints what to change as one JSON object.
pub struct AdviseJson<W> {
    out: W,
    recording: Option<String>,
}

#[derive(Serialize)]
struct AdviceLine<'a> {
    v: u8,
    r#type: &'static str,
    complete: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    gaps: &'a [String],
    start: String,
    end: String,
    seconds: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    polled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recording: Option<&'a str>,
    host: Option<HostPart<'a>>,
    listeners: u64,
    listeners_with_loss: u64,
    findings: Vec<FindingPart<'a>>,
    audit: Vec<AuditPart>,
    hooks: &'a [HookState],
    sources: Vec<SourcePart<'a>>,
    details: DetailsPart,
}

impl<W: Write> AdviseJson<W> {
    /// Prints to `out`.
    pub const fn new(out: W) -> Self {
        Self { out, recording: None }
    }

    /// Names the recording that is replayed, if one is.
    #[must_use]
    pub fn of_recording(mut self, name: Option<String>) -> Self {
        self.recording = name;
        self
    }

    fn print(&mut self, judged: &Judged) -> io::Result<()> {
        let report = &judged.report;
        let line = AdviceLine {
            v: VERSION,
            r#type: "advice",
            complete: report.is_whole(),
            gaps: &report.gaps,
            start: rfc3339(report.unix_ns(report.from)),
            end: rfc3339(report.unix_ns(report.to)),
            seconds: seconds(report.from, report.to),
            polled: report.is_polled(),
            recording: self.recording.as_deref(),
            host: report.session.as_deref().map(HostPart::of),
            listeners: report.listeners_seen(),
            listeners_with_loss: report.listeners_with_loss(),
            findings: FindingPart::of(&judged.findings),
            audit: report.audit.iter().map(AuditPart::from).collect(),
            hooks: hooks(report.session.as_deref()),
            sources: SourcePart::of(&report.sources),
            details: report.details.into(),
        };
        write_json_line(&mut self.out, &line)
    }
}

impl<W: Write> View for AdviseJson<W> {
    fn take(&mut self, output: &Output<'_>) -> io::Result<()> {
        match output {
            Output::SoFar(judged) | Output::Ended { whole: judged, .. } => self.print(judged),
            Output::Began(_) | Output::Occurred(_) | Output::Missed { .. } | Output::Interval(_) => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
