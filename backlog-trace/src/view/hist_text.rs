//! `hist`: per listener what was lost and how deep its queues were, as text.

use std::io::{self, Write};
use std::time::Duration;

use backlog_trace_common::bucket::bounds;
use backlog_trace_common::reason::Class;

use crate::event::{Event, Figure};
use crate::listener::{Cap, binding};
use crate::tally::{ConnectionCounts, Cookies, Demand, ListenerReport, Report, Selection, Series, Tally};

use super::bars::{bar_columns, fold, row, sparkline};
use super::escape::Sanitized;
use super::intervals::Intervals;
use super::paint::{FAINT, HEADING, class, painted};
use super::{Screen, View, audit_text, names, units};

/// Columns of the sparkline's line that are not sparkline.
const BESIDE_SPARKLINE: usize = 56;

/// Prints histograms as text.
pub struct HistText<W> {
    out: W,
    tally: Tally,
    screen: Screen,
    intervals: Intervals,
    recording: Option<String>,
    gaps: Vec<String>,
    /// Filters hide listeners.
    is_selective: bool,
}

impl<W: Write> HistText<W> {
    /// Prints to `out`, each `interval` if there is one, and at the end.
    pub fn new(out: W, screen: Screen, selection: Selection, interval: Option<Duration>) -> Self {
        let intervals = Intervals::every(interval);
        let is_selective = !selection.is_all();
        let tally = Tally::new(selection);
        Self { out, tally, screen, intervals, recording: None, gaps: Vec::new(), is_selective }
    }

    /// Names the recording that is replayed, if one is.
    #[must_use]
    pub fn of_recording(mut self, name: Option<String>) -> Self {
        self.recording = name;
        self
    }

    fn print(&mut self, report: &Report) -> io::Result<()> {
        if let Some(title) = self.title(report) {
            writeln!(self.out, "{}", painted(HEADING, &title))?;
        }
        for listener in &report.listeners {
            for line in self.listener(listener, report) {
                writeln!(self.out, "{line}")?;
            }
        }
        if report.listeners.is_empty() {
            let among = if self.is_selective { " that the filters let through" } else { "" };
            writeln!(self.out, "no listener{among} saw a connection")?;
        }
        for line in audit_text::lines(report, &self.gaps, self.screen.columns) {
            writeln!(self.out, "{line}")?;
        }
        if !report.is_final {
            writeln!(self.out)?;
        }
        self.out.flush()
    }

    /// What stretch of time this is, where there is more than one or it is past.
    fn title(&self, report: &Report) -> Option<String> {
        if self.recording.is_none() && !self.intervals.are_several() {
            return None;
        }
        let from = units::clock(self.tally.unix_ns(report.from), 0, &self.screen.zone);
        let to = units::clock(self.tally.unix_ns(report.to), 0, &self.screen.zone);
        let stretch =
            format!("{from} to {to} ({})", units::span(report.to.saturating_sub(report.from) / 1000));
        Some(match (report.is_final, &self.recording) {
            (true, Some(name)) => format!("{}: {}{stretch}", Sanitized(name), origin(report)),
            (true, None) => format!("whole run: {stretch}"),
            (false, _) => stretch,
        })
    }

    fn listener(&self, report: &ListenerReport, of: &Report) -> Vec<String> {
        let mut lines = vec![self.heading(report)];
        if of.is_polled() {
            lines.push(polled_losses(report));
        } else {
            lines.push(losses(report, of));
            lines.extend(what_clients_met(report));
            lines.push(handshakes(report));
        }
        lines.extend(self.reasons(report));
        let totals = &report.totals;
        let accept_max = Some(totals.accept_queue_max);
        lines.extend(self.histogram(
            "accept queue length when a SYN arrived",
            &totals.accept_depth,
            |bucket| depth_label(bucket, totals.accept_depth.len(), accept_max),
        ));
        lines.extend(self.histogram(
            "accept queue length when it was polled: samples",
            &totals.accept_depth_polled,
            |bucket| depth_label(bucket, totals.accept_depth_polled.len(), accept_max),
        ));
        lines.extend(self.histogram("SYN queue length when a SYN arrived", &totals.syn_depth, |bucket| {
            depth_label(bucket, totals.syn_depth.len(), Some(totals.syn_queue_max))
        }));
        lines.extend(self.histogram("time from handshake to accept()", &totals.accept_wait_us, wait_label));
        lines.extend(report.series.as_ref().and_then(|series| self.losses_per_second(series, of)));
        lines.extend(audit_text::socket(report.sk_drops).map(|text| format!("  {text}")));
        lines
    }

    fn heading(&self, report: &ListenerReport) -> String {
        let known = report.who.known();
        let mut parts = vec![names::listener(&report.who), names::owner(known)];
        parts.extend(known.and_then(|known| known.cgroup.as_deref()).map(|path| Sanitized(path).to_string()));
        parts.push(limit(report.limit, known.and_then(|known| known.somaxconn)));
        parts.retain(|part| part != "-");
        painted(HEADING, &fold(&parts, "   ", self.screen.columns))
    }

    fn reasons(&self, report: &ListenerReport) -> Vec<String> {
        let columns = bar_columns(self.screen.columns);
        let largest = report.totals.reasons.iter().map(|(_, count)| count).max().unwrap_or(0);
        [Class::Loss, Class::Expired, Class::Retransmit, Class::Cookie, Class::Harmless]
            .into_iter()
            .flat_map(|of| report.reasons(of))
            .map(|(reason, count)| row(reason.name(), count, largest, columns, class(reason.row().class)))
            .collect()
    }

    fn histogram(&self, title: &str, counts: &[u64], label: impl Fn(usize) -> String) -> Vec<String> {
        let largest = counts.iter().copied().max().unwrap_or(0);
        if largest == 0 {
            return Vec::new();
        }
        let columns = bar_columns(self.screen.columns);
        let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let rows = filled.map(|(bucket, count)| row(&label(bucket), *count, largest, columns, FAINT));
        std::iter::once(format!("  {title}")).chain(rows).collect()
    }

    fn losses_per_second(&self, series: &Series, of: &Report) -> Option<String> {
        if series.cells().is_empty() {
            return None;
        }
        let columns =
            self.screen.columns.map_or(40, |columns| columns.saturating_sub(BESIDE_SPARKLINE).clamp(10, 120));
        let zone = &self.screen.zone;
        let at = |second: i64| units::clock(second.saturating_mul(1_000_000_000), 0, zone);
        let line = sparkline(series.cells(), columns);
        Some(format!(
            "  losses per second    {} {} {}   most {}{}",
            at(series.start()),
            painted(class(Class::Loss), &line),
            at(series.end()),
            series.most(),
            if of.details.missed > 0 { " (without the details missed)" } else { "" }
        ))
    }
}

impl<W: Write> View for HistText<W> {
    fn take(&mut self, event: &Event) -> io::Result<()> {
        match self.intervals.take(&mut self.tally, event) {
            Some(report) => self.print(&report),
            None => Ok(()),
        }
    }

    fn lacks(&mut self, gaps: Vec<String>) {
        self.gaps = gaps;
    }

    fn end(&mut self) -> io::Result<()> {
        self.intervals.rest(&mut self.tally).iter().try_for_each(|report| self.print(report))
    }
}

/// What is certain of a listener that was polled.
fn polled_losses(report: &ListenerReport) -> String {
    match (report.packets(Class::Loss), report.sk_drops.kernel) {
        (0, Some(0)) => "  nothing lost".to_owned(),
        (0, Some(_)) => "  no loss that was surely its own".to_owned(),
        (0, None) if report.who.known().is_none_or(|listener| listener.closed) => {
            "  no loss that was surely its own; it closed".to_owned()
        }
        (0, None) => "  - lost: the drops of its socket are not known".to_owned(),
        (packets, _) => format!("  at least {} lost", counted(packets, "packet")),
    }
}

/// `315 packets, 90 connections lost; 12 came back, after 1.0 s (median)`.
fn losses(report: &ListenerReport, of: &Report) -> String {
    let ConnectionCounts { lost, recovered, not_followed, .. } = &report.connections;
    // Packets are counted, connections are told by details: what is missed there is not in it.
    let bound = if of.details.missed > 0 { "at least " } else { "" };
    let noun = if of.is_final { "connection" } else { "new connection" };
    // What a closing listener loses is no packet; it has a line of its own.
    let closed = report.closed_with();
    let lost_text = match report.packets(Class::Loss).saturating_sub(closed) {
        0 if closed > 0 => "no packet lost".to_owned(),
        0 => "nothing lost".to_owned(),
        packets => format!("{}, {bound}{} lost", counted(packets, "packet"), counted(*lost, noun)),
    };
    let back = match recovered.median_us() {
        Some(median) => {
            let not_back = if of.is_final {
                format!(", {} did not", report.connections.not_back())
            } else {
                String::new()
            };
            format!("; {} came back, after {} (median){not_back}", recovered.count(), units::span(median))
        }
        None if *lost > 0 => "; none came back".to_owned(),
        None => String::new(),
    };
    let not_followed = match not_followed {
        0 => String::new(),
        count => format!("; {count} not followed to the end"),
    };
    format!("  {lost_text}{back}{not_followed}")
}

/// What the losses were to the clients, where there is anything to say.
fn what_clients_met(report: &ListenerReport) -> Vec<String> {
    let connections = &report.connections;
    let mut lines = Vec::new();
    let steps = connections.recovered.by_second();
    if steps.len() > 1 {
        let steps: Vec<String> = steps
            .iter()
            .map(|(second, count)| match second {
                0 => format!("{count} at once"),
                _ => format!("{count} after {second} s"),
            })
            .collect();
        lines.push(format!("  came back: {}", steps.join(", ")));
    }
    match (connections.believed, connections.sent_data) {
        (0, _) => {}
        (1, 0) => lines.push("  1 client believed that it was connected".to_owned()),
        (1, _) => {
            lines.push("  1 client believed that it was connected, and sent data into nothing".to_owned());
        }
        (many, 0) => lines.push(format!("  {many} clients believed that they were connected")),
        (many, sent) => lines.push(format!(
            "  {many} clients believed that they were connected, {sent} of them sent data into nothing"
        )),
    }
    let closed = report.closed_with();
    if closed > 0 {
        let connections = counted(closed, "connection");
        lines.push(format!("  it closed with {connections} unaccepted or half-open: lost"));
    }
    let cookies = Cookies::of(&report.totals);
    if cookies.sent > 0 && report.known(Figure::EstablishedByCookie).is_none() {
        lines.push(format!("  {} sent, - came back valid", counted(cookies.sent, "cookie")));
    } else if cookies.sent > 0 {
        let looks_like = match cookies.demand() {
            Some(Demand::Burst) => ": a burst of real clients",
            Some(Demand::Mixed) => ": real clients among others that never answer",
            Some(Demand::Flood) => ": a SYN flood, or clients that gave up",
            None => "",
        };
        let sent = counted(cookies.sent, "cookie");
        lines.push(format!("  {sent} sent, {} came back valid{looks_like}", cookies.valid));
    }
    lines
}

fn handshakes(report: &ListenerReport) -> String {
    let by_cookie = match report.known(Figure::EstablishedByCookie) {
        Some(0) | None => String::new(),
        Some(count) => format!(" ({count} by cookie)"),
    };
    let finished = report
        .known(Figure::Established)
        .map_or_else(|| "- handshakes".to_owned(), |count| counted(count, "handshake"));
    let accepted = report.known(Figure::Accepted).map_or_else(|| "-".to_owned(), |count| count.to_string());
    format!("  {}, {finished} finished{by_cookie}, {accepted} accepted", counted(report.totals.syns, "SYN"))
}

pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn depth_label(bucket: usize, buckets: usize, most: Option<u32>) -> String {
    let (from, to) = bounds(bucket, buckets);
    let to = most.map_or(to, |most| to.min(most).max(from));
    format!("{from:>6} -> {to}")
}

fn wait_label(bucket: usize) -> String {
    let from = if bucket == 0 { 0 } else { 1u64 << bucket.min(63) };
    format!("{:>7} -> {}", units::span(from), units::span(2u64 << bucket.min(62)))
}

/// The limit and who sets it: `limit 128 (application; somaxconn 4096)`.
fn limit(known: Option<u32>, somaxconn: Option<u32>) -> String {
    let limit = known.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
    match (binding(known, somaxconn), somaxconn) {
        (Some(Cap::Application), Some(somaxconn)) => {
            format!("limit {limit} (application; somaxconn {somaxconn})")
        }
        (Some(cap), _) => format!("limit {limit} ({})", cap.name()),
        (None, Some(somaxconn)) => format!("limit {limit} (somaxconn {somaxconn} now)"),
        (None, None) => format!("limit {limit}"),
    }
}

/// `host, kernel, ` of a recording.
fn origin(report: &Report) -> String {
    report.session.as_deref().map_or_else(String::new, |session| {
        format!("{}, {}, ", Sanitized(&session.host), Sanitized(&session.kernel))
    })
}
