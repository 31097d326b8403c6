//! `live --format json`: one object a line, as it happens.

use std::io::{self, Write};

use backlog_trace_common::detail::{Cause, Detail, Kind, Outcome};
use backlog_trace_common::reason::{Class, Reason};
use serde::Serialize;

use crate::event::{Event, HookState};
use crate::tally::{Attributed, Peer, Report, Selection, Tally};

use super::View;
use super::json::{
    AuditPart, DetailsPart, HostPart, ListenerPart, Packets, PeerPart, SourcePart, VERSION, hooks, sum,
};
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
    tally: Tally,
    selection: Selection,
    missed: u64,
    gaps: Vec<String>,
}

impl<W: Write> LiveJson<W> {
    /// Prints to `out` what is selected.
    pub fn new(out: W, selection: Selection) -> Self {
        Self { out, tally: Tally::new(selection.clone()), selection, missed: 0, gaps: Vec::new() }
    }

    fn print(&mut self, item: &Attributed) -> io::Result<()> {
        let time = rfc3339(self.tally.unix_ns(item.detail.time));
        let polled = self.tally.session().is_some_and(|session| session.is_polled());
        match Kind::from_number(item.detail.kind) {
            Some(Kind::Reason) => Reason::from_number(item.detail.reason).map_or(Ok(()), |reason| {
                write_json_line(&mut self.out, &occurrence(time, reason, item, polled))
            }),
            Some(Kind::Opened) => write_json_line(&mut self.out, &lifecycle(time, "opened", item, polled)),
            Some(Kind::Closed) => write_json_line(&mut self.out, &lifecycle(time, "closed", item, polled)),
            Some(Kind::Established) | None => Ok(()),
        }
    }

    fn print_summary(&mut self) -> io::Result<()> {
        let report = self.tally.whole();
        let time = rfc3339(self.tally.unix_ns(report.to));
        write_json_line(&mut self.out, &summary(time, &report, &self.selection, &self.gaps))?;
        self.out.flush()
    }

    fn print_missed(&mut self) -> io::Result<()> {
        let (time, total) = (self.tally.time(), self.tally.missed());
        let count = total.saturating_sub(std::mem::replace(&mut self.missed, total));
        if count == 0 {
            return Ok(());
        }
        let time = rfc3339(self.tally.unix_ns(time));
        write_json_line(&mut self.out, &MissedLine { v: VERSION, r#type: "missed", time, count, total })
    }
}

impl<W: Write> View for LiveJson<W> {
    fn take(&mut self, event: &Event) -> io::Result<()> {
        let items = self.tally.take(event);
        for item in &items {
            self.print(item)?;
        }
        match event {
            Event::Snapshot(_) => self.print_missed()?,
            Event::Mark => self.print_summary()?,
            Event::Started(_)
            | Event::Listener(_)
            | Event::Sources(_)
            | Event::Details(_)
            | Event::Finished => {}
        }
        self.out.flush()
    }

    fn lacks(&mut self, gaps: Vec<String>) {
        self.gaps = gaps;
    }

    fn end(&mut self) -> io::Result<()> {
        self.print_summary()
    }
}

fn occurrence(time: String, reason: Reason, item: &Attributed, polled: bool) -> OccurrenceLine<'_> {
    let detail = &item.detail;
    OccurrenceLine {
        v: VERSION,
        r#type: match reason.row().class {
            Class::Loss => "loss",
            Class::Cookie => "cookie",
            Class::Retransmit => "retransmit",
            Class::Expired => "expired",
            Class::Harmless => "harmless",
        },
        time,
        stage: reason.stage_name(),
        reason: reason.reason_name(),
        outcome: Outcome::name(detail.outcome),
        cause: Cause::name(detail.cause),
        attempt: (detail.attempt > 0).then_some(detail.attempt),
        listener: ListenerPart::of(&item.who),
        peer: Peer::of(detail).map(PeerPart::from),
        accept_queue: accept_queue(item, polled),
        syn_queue: (!polled).then(|| syn_queue(detail)),
        count: polled.then(|| u64::from(detail.more) + 1),
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
        syn_queue: (!polled).then(|| syn_queue(&item.detail)),
    }
}

/// A record of polling has the limit from the listing, which may not tell it.
fn accept_queue(item: &Attributed, polled: bool) -> QueuePart {
    let listed = || item.who.known().and_then(|listener| listener.limit);
    let limit = if polled { listed() } else { Some(item.detail.limit) };
    QueuePart { length: item.detail.accept_queue, limit }
}

const fn syn_queue(detail: &Detail) -> QueuePart {
    QueuePart { length: detail.syn_queue, limit: Some(detail.limit) }
}

fn summary<'a>(
    time: String,
    report: &'a Report,
    selection: &Selection,
    gaps: &'a [String],
) -> SummaryLine<'a> {
    let connections = report.listeners.iter().map(|listener| &listener.connections);
    let seen = !report.is_polled();
    SummaryLine {
        v: VERSION,
        r#type: "summary",
        time,
        seconds: seconds(report.from, report.to),
        polled: !seen,
        complete: report.complete && gaps.is_empty(),
        gaps,
        host: report.session.as_deref().map(HostPart::of),
        listeners: report.listeners_seen(),
        listeners_with_loss: report.listeners_with_loss(),
        packets: Packets::of(&sum(&report.listeners), selection, seen),
        connections: SummaryConnections {
            lost: seen.then(|| connections.clone().map(|counts| counts.lost).sum()),
            recovered: seen.then(|| connections.clone().map(|counts| counts.recovered.count()).sum()),
            not_followed: seen.then(|| connections.map(|counts| counts.not_followed).sum()),
        },
        audit: report.audit.iter().map(AuditPart::from).collect(),
        hooks: hooks(report.session.as_deref()),
        sources: SourcePart::of(&report.sources),
        details: report.details.into(),
    }
}
