//! `hist --format json`: one object per interval and a last one for the run.

use std::io::{self, Write};

use serde::Serialize;

use crate::event::{Figure, HookState};
use crate::findings::Judged;
use crate::listener::{Cap, binding};
use crate::output::Output;
use crate::tally::{Cookies, Demand, ListenerReport, Report, Selection};

use super::View;
use super::json::{
    AuditPart, ConnectionsPart, DetailsPart, HostPart, ListenerPart, Packets, SocketDropsPart, SourcePart,
    SysctlsPart, VERSION, hooks, rows,
};
use super::json_findings::FindingPart;
use super::units::{rfc3339, seconds};
use crate::escape::write_json_line;

#[derive(Serialize)]
struct HistogramLine<'a> {
    v: u8,
    r#type: &'static str,
    r#final: bool,
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
    listeners: Vec<ListenerLine<'a>>,
    findings: Vec<FindingPart<'a>>,
    audit: Vec<AuditPart>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sysctls: Vec<SysctlsPart>,
    hooks: &'a [HookState],
    sources: Vec<SourcePart<'a>>,
    details: DetailsPart,
}

#[derive(Serialize)]
struct ListenerLine<'a> {
    listener: ListenerPart<'a>,
    packets: Packets,
    connections: ConnectionsPart,
    cookies: Option<CookiesPart>,
    syns: Option<u64>,
    established: Option<u64>,
    established_by_cookie: Option<u64>,
    accepted: Option<u64>,
    accept_queue: AcceptQueue,
    syn_queue: SynQueue,
    accept_wait_us: Vec<[u64; 3]>,
    sk_drops: SocketDropsPart,
}

#[derive(Serialize)]
struct CookiesPart {
    sent: u64,
    valid: Option<u64>,
    invalid: Option<u64>,
    looks_like: Option<Demand>,
}

impl CookiesPart {
    /// Which came back is known where that is looked at.
    fn of(report: &ListenerReport) -> Self {
        let cookies = Cookies::of(&report.totals);
        let Cookies { sent, valid, invalid } = cookies;
        let seen = report.known(Figure::EstablishedByCookie).is_some();
        Self {
            sent,
            valid: seen.then_some(valid),
            invalid: seen.then_some(invalid),
            looks_like: cookies.demand().filter(|_| seen),
        }
    }
}

#[derive(Serialize)]
struct AcceptQueue {
    limit: Option<u32>,
    limited_by: Option<Cap>,
    max: Option<u64>,
    /// Its length when the stretch began and when it ended.
    begin: Option<u32>,
    end: Option<u32>,
    depth: Vec<[u64; 3]>,
    depth_at_accept: Vec<[u64; 3]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    depth_polled: Vec<[u64; 3]>,
}

#[derive(Serialize)]
struct SynQueue {
    limit: Option<u32>,
    max: Option<u32>,
    depth: Vec<[u64; 3]>,
}

/// Prints histograms as JSON.
pub struct HistJson<W> {
    out: W,
    selection: Selection,
    recording: Option<String>,
}

impl<W: Write> HistJson<W> {
    /// Prints to `out` what is selected.
    pub fn new(out: W, selection: Selection) -> Self {
        Self { out, selection, recording: None }
    }

    /// Names the recording that is replayed, if one is.
    #[must_use]
    pub fn of_recording(mut self, name: Option<String>) -> Self {
        self.recording = name;
        self
    }

    fn print(&mut self, judged: &Judged) -> io::Result<()> {
        let report = &judged.report;
        let line = HistogramLine {
            v: VERSION,
            r#type: "histogram",
            r#final: report.is_final,
            complete: report.is_whole(),
            gaps: &report.gaps,
            start: rfc3339(report.unix_ns(report.from)),
            end: rfc3339(report.unix_ns(report.to)),
            seconds: seconds(report.from, report.to),
            polled: report.is_polled(),
            recording: self.recording.as_deref(),
            host: report.session.as_deref().map(HostPart::of),
            listeners: report.listeners.iter().map(|listener| self.listener(listener, report)).collect(),
            findings: FindingPart::of(&judged.findings),
            audit: report.audit.iter().map(AuditPart::from).collect(),
            sysctls: SysctlsPart::of(report),
            hooks: hooks(report.session.as_deref()),
            sources: SourcePart::of(&report.sources),
            details: report.details.into(),
        };
        write_json_line(&mut self.out, &line)
    }

    fn listener<'a>(&self, report: &'a ListenerReport, of: &Report) -> ListenerLine<'a> {
        // What only packets tell is known where they were seen.
        let seen = !of.is_polled();
        let totals = &report.totals;
        let somaxconn = report.who.known().and_then(|listener| listener.somaxconn);
        let (accept_max, syn_max) = (Some(totals.accept_queue_max), Some(totals.syn_queue_max));
        ListenerLine {
            listener: ListenerPart::of(&report.who),
            packets: Packets::of(&totals.reasons, &self.selection, seen),
            connections: ConnectionsPart::of(&report.connections, of),
            cookies: seen.then(|| CookiesPart::of(report)),
            syns: seen.then_some(totals.syns),
            established: report.known(Figure::Established).filter(|_| seen),
            established_by_cookie: report.known(Figure::EstablishedByCookie).filter(|_| seen),
            accepted: report.known(Figure::Accepted).filter(|_| seen),
            accept_queue: AcceptQueue {
                limit: report.limit,
                limited_by: binding(report.limit, somaxconn),
                max: report.known(Figure::AcceptQueueMax),
                begin: report.waiting.map(|[begin, _]| begin),
                end: report.waiting.map(|[_, end]| end),
                depth: rows(&totals.accept_depth, accept_max),
                depth_at_accept: rows(&totals.accept_depth_at_accept, accept_max),
                depth_polled: rows(&totals.accept_depth_polled, accept_max),
            },
            syn_queue: SynQueue {
                limit: report.limit,
                max: seen.then_some(totals.syn_queue_max),
                depth: rows(&totals.syn_depth, syn_max),
            },
            accept_wait_us: rows(&totals.accept_wait_us, None),
            sk_drops: report.sk_drops.into(),
        }
    }
}

impl<W: Write> View for HistJson<W> {
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
