//! `live --format json`: one object a line, as it happens.

use std::io::{self, Write};

use backlog_trace_common::reason::Class;
use serde::Serialize;

use crate::event::{HookState, Met, Occurrence, Session, What};
use crate::findings::Judged;
use crate::output::Output;
use crate::tally::{Attributed, Selection};

use super::View;
use super::json::{
    AuditPart, DetailsPart, HostPart, ListenerPart, Packets, PeerPart, SourcePart, VERSION, hooks, sum,
};
use super::json_findings::FindingPart;
use super::units::{rfc3339, seconds};
use crate::escape::write_json_line;

#[derive(Serialize)]
struct OccurrenceLine<'a> {
    v: u8,
    r#type: &'static str,
    time: String,
    stage: &'static str,
    reason: &'static str,
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u8>,
    listener: ListenerPart<'a>,
    peer: Option<PeerPart>,
    accept_queue: QueuePart,
    syn_queue: Option<QueuePart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

#[derive(Serialize)]
struct ListenerLine<'a> {
    v: u8,
    r#type: &'static str,
    time: String,
    event: &'static str,
    listener: ListenerPart<'a>,
    accept_queue: Option<QueuePart>,
    syn_queue: Option<QueuePart>,
}

#[derive(Serialize)]
struct MissedLine {
    v: u8,
    r#type: &'static str,
    time: String,
    count: u64,
    total: u64,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    v: u8,
    r#type: &'static str,
    time: String,
    seconds: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    polled: bool,
    complete: bool,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    gaps: &'a [String],
    host: Option<HostPart<'a>>,
    listeners: u64,
    listeners_with_loss: u64,
    packets: Packets,
    connections: SummaryConnections,
    findings: Vec<FindingPart<'a>>,
    audit: Vec<AuditPart>,
    hooks: &'a [HookState],
    sources: Vec<SourcePart<'a>>,
    details: DetailsPart,
}

#[derive(Serialize)]
struct SummaryConnections {
    lost: Option<u64>,
    recovered: Option<u64>,
    not_followed: Option<u64>,
}

#[derive(Serialize)]
struct QueuePart {
    length: u32,
    limit: Option<u32>,
}

/// Prints each loss as JSON.
pub struct LiveJson<W> {
    out: W,
    selection: Selection,
    session: Option<Session>,
}

impl<W: Write> LiveJson<W> {
    /// Prints to `out` what is selected.
    pub fn new(out: W, selection: Selection) -> Self {
        Self { out, selection, session: None }
    }

    fn print(&mut self, item: &Attributed) -> io::Result<()> {
        let time = rfc3339(Session::unix_ns(self.session.as_ref(), item.occurrence.time));
        let polled = self.session.as_ref().is_some_and(Session::is_polled);
        match item.occurrence.what {
            What::Met(met) => write_json_line(&mut self.out, &occurrence(time, met, item, polled)),
            What::Opened => write_json_line(&mut self.out, &lifecycle(time, "opened", item, polled)),
            What::Closed => write_json_line(&mut self.out, &lifecycle(time, "closed", item, polled)),
            What::Established => Ok(()),
        }
    }

    fn print_summary(&mut self, judged: &Judged) -> io::Result<()> {
        write_json_line(&mut self.out, &summary(judged, &self.selection))
    }
}

impl<W: Write> View for LiveJson<W> {
    fn take(&mut self, output: &Output<'_>) -> io::Result<()> {
        match output {
            Output::Began(session) => {
                self.session = Some(Session::clone(session));
                Ok(())
            }
            Output::Occurred(item) => self.print(item),
            Output::Missed { time, count, total } => {
                let time = rfc3339(Session::unix_ns(self.session.as_ref(), *time));
                let (count, total) = (*count, *total);
                write_json_line(
                    &mut self.out,
                    &MissedLine { v: VERSION, r#type: "missed", time, count, total },
                )
            }
            Output::Interval(_) => Ok(()),
            Output::SoFar(judged) | Output::Ended { whole: judged, .. } => self.print_summary(judged),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn occurrence<'a>(time: String, met: Met, item: &'a Attributed, polled: bool) -> OccurrenceLine<'a> {
    OccurrenceLine {
        v: VERSION,
        r#type: match met.reason.row().class {
            Class::Loss => "loss",
            Class::Cookie => "cookie",
            Class::Retransmit => "retransmit",
            Class::Expired => "expired",
            Class::Harmless => "harmless",
        },
        time,
        stage: met.reason.stage_name(),
        reason: met.reason.reason_name(),
        outcome: met.outcome.name(),
        cause: met.cause.name(),
        attempt: (met.attempt > 0).then_some(met.attempt),
        listener: ListenerPart::of(&item.who),
        peer: item.occurrence.peer.map(PeerPart::from),
        accept_queue: accept_queue(item, polled),
        syn_queue: (!polled).then(|| syn_queue(&item.occurrence)),
        count: polled.then(|| met.packets()),
    }
}

/// What stood in a queue that closed between two looks is not known.
fn lifecycle<'a>(time: String, event: &'static str, item: &'a Attributed, polled: bool) -> ListenerLine<'a> {
    let known = !polled || event != "closed";
    ListenerLine {
        v: VERSION,
        r#type: "listener",
        time,
        event,
        listener: ListenerPart::of(&item.who),
        accept_queue: known.then(|| accept_queue(item, polled)),
        syn_queue: (!polled).then(|| syn_queue(&item.occurrence)),
    }
}

/// A record of polling has the limit from the listing, which may not tell it.
fn accept_queue(item: &Attributed, polled: bool) -> QueuePart {
    let listed = || item.who.known().and_then(|listener| listener.limit);
    let limit = if polled { listed() } else { Some(item.occurrence.limit) };
    QueuePart { length: item.occurrence.accept_queue, limit }
}

const fn syn_queue(occurrence: &Occurrence) -> QueuePart {
    QueuePart { length: occurrence.syn_queue, limit: Some(occurrence.limit) }
}

fn summary<'a>(judged: &'a Judged, selection: &Selection) -> SummaryLine<'a> {
    let report = &judged.report;
    let connections = report.listeners.iter().map(|listener| &listener.connections);
    let seen = !report.is_polled();
    SummaryLine {
        v: VERSION,
        r#type: "summary",
        time: rfc3339(report.unix_ns(report.to)),
        seconds: seconds(report.from, report.to),
        polled: !seen,
        complete: report.is_whole(),
        gaps: &report.gaps,
        host: report.session.as_deref().map(HostPart::of),
        listeners: report.listeners_seen(),
        listeners_with_loss: report.listeners_with_loss(),
        packets: Packets::of(&sum(&report.listeners), selection, seen),
        connections: SummaryConnections {
            lost: seen.then(|| connections.clone().map(|counts| counts.lost).sum()),
            recovered: seen.then(|| connections.clone().map(|counts| counts.recovered.count()).sum()),
            not_followed: seen.then(|| connections.map(|counts| counts.not_followed).sum()),
        },
        findings: FindingPart::of(&judged.findings),
        audit: report.audit.iter().map(AuditPart::from).collect(),
        hooks: hooks(report.session.as_deref()),
        sources: SourcePart::of(&report.sources),
        details: report.details.into(),
    }
}
