//! One listener in full, as text: what its clients met, its reasons, how deep its
//! queues were and how long connections waited.

use backlog_trace_common::bucket::bounds;
use backlog_trace_common::reason::Class;

use crate::escape::Sanitized;
use crate::event::{Figure, Totals};
use crate::quantity::{counted, span};
use crate::tally::{ConnectionCounts, Cookies, Demand, ListenerReport, Report, Series};

use super::bars::{Bars, fold, sparkline};
use super::names::Namespaces;
use super::paint::{FAINT, HEADING, class, painted};
use super::words::{self, midway};
use super::wrap::shortened;
use super::{Screen, audit_text, names, units};

/// Columns of the sparkline's line that are not sparkline.
const BESIDE_SPARKLINE: usize = 56;

/// The same where only its first and last second stand beside it.
const BESIDE_CLOCKS: usize = 4 + 8 + 1 + 1 + 8;

/// Shows listeners on a screen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Histograms<'a>(pub(super) &'a Screen);

impl Histograms<'_> {
    /// The lines of one listener of a report.
    pub(super) fn of(self, report: &ListenerReport, of: &Report, namespaces: &Namespaces<'_>) -> Vec<String> {
        let mut lines = vec![self.heading(report, namespaces)];
        if of.is_polled() {
            lines.push(polled_losses(report));
        } else {
            lines.push(losses(report, of));
            lines.extend(what_clients_met(report, self.0.columns));
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
        lines.extend(report.history.as_ref().and_then(|history| self.losses_per_second(&history.series, of)));
        lines.extend(audit_text::socket(report.sk_drops).map(|text| format!("  {text}")));
        lines
    }

    fn heading(self, report: &ListenerReport, namespaces: &Namespaces<'_>) -> String {
        let known = report.who.known();
        let mut parts = vec![names::listener(&report.who)];
        parts.extend(namespaces.label(report.who.netns()));
        parts.push(names::owner(known));
        parts.extend(known.and_then(|known| known.cgroup.as_deref()).map(|path| self.path(path)));
        parts.push(words::limit(report.limit, known.and_then(|known| known.somaxconn)));
        parts.retain(|part| part != "-");
        painted(HEADING, &fold(&parts, "   ", self.0.columns))
    }

    /// A cgroup as far as there is room for it on a line of its own.
    fn path(self, path: &str) -> String {
        let path = Sanitized(path).to_string();
        self.0.columns.map_or(path.clone(), |columns| shortened(&path, columns.saturating_sub(4)))
    }

    fn reasons(self, report: &ListenerReport) -> Vec<String> {
        let bars = Bars::on(self.0.columns);
        let largest = report.totals.reasons.iter().map(|(_, count)| count).max().unwrap_or(0);
        [Class::Loss, Class::Expired, Class::Retransmit, Class::Cookie, Class::Harmless]
            .into_iter()
            .flat_map(|of| report.reasons(of))
            .map(|(reason, count)| bars.row(reason.name(), count, largest, class(reason.row().class)))
            .collect()
    }

    fn histogram(self, title: &str, counts: &[u64], label: impl Fn(usize) -> String) -> Vec<String> {
        let largest = counts.iter().copied().max().unwrap_or(0);
        if largest == 0 {
            return Vec::new();
        }
        let bars = Bars::on(self.0.columns);
        let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let rows = filled.map(|(bucket, count)| bars.row(&label(bucket), *count, largest, FAINT));
        std::iter::once(format!("  {title}")).chain(rows).collect()
    }

    fn losses_per_second(self, series: &Series, of: &Report) -> Option<String> {
        if series.cells().is_empty() {
            return None;
        }
        // Beside its words where that leaves it room enough, or on a line of its own.
        let columns = self.0.columns.map_or(40, |columns| {
            let beside = columns.saturating_sub(BESIDE_SPARKLINE);
            if beside < 20 { columns.saturating_sub(BESIDE_CLOCKS).max(1) } else { beside.min(120) }
        });
        let zone = &self.0.zone;
        let at = |second: i64| units::clock(second.saturating_mul(1_000_000_000), 0, zone);
        let line = painted(class(Class::Loss), &sparkline(series.cells(), columns));
        let parts = [
            "  losses per second ".to_owned(),
            format!("{} {line} {}", at(series.start()), at(series.end())),
            format!(
                "most {}{}",
                series.most(),
                if of.details.missed > 0 { " (without what the ring buffer had no room for)" } else { "" }
            ),
        ];
        Some(fold(&parts, "   ", self.0.columns))
    }
}

/// What is certain of a listener that was polled.
fn polled_losses(report: &ListenerReport) -> String {
    match (report.packets(Class::Loss), report.sk_drops.kernel) {
        (0, Some(0)) => "  nothing lost".to_owned(),
        (0, Some(_)) => "  no loss that is certainly of this listener".to_owned(),
        (0, None) if report.who.known().is_none_or(|listener| listener.closed) => {
            "  no loss that is certainly of this listener, which has closed".to_owned()
        }
        (0, None) => "  - lost: the drops of its socket are not known".to_owned(),
        (packets, _) => format!("  at least {} lost", counted(packets, "packet")),
    }
}

/// `315 packets, 90 connections lost; 12 retried and got in, after 1.0 s (median)`.
fn losses(report: &ListenerReport, of: &Report) -> String {
    let ConnectionCounts { lost, recovered, not_followed, .. } = &report.connections;
    // Packets are counted, connections are told by details: what is missed there is not in it.
    let bound = if of.details.missed > 0 { "at least " } else { "" };
    // What a closing listener loses is no packet; it has a line of its own.
    let closed = report.closed_with();
    let lost_text = match report.packets(Class::Loss).saturating_sub(closed) {
        0 if closed > 0 => "no packet lost".to_owned(),
        0 => "nothing lost".to_owned(),
        packets => {
            // A client's way begins at the socket that refused it first, and
            // goes on at its successor.
            let noun = if of.is_final && *lost > 0 { "connection" } else { "new connection" };
            format!("{}, {bound}{} lost", counted(packets, "packet"), counted(*lost, noun))
        }
    };
    let back = match recovered.median_us() {
        Some(median) => {
            let not_back = if of.is_final {
                format!("; {} did not", report.connections.not_back())
            } else {
                String::new()
            };
            let median = span(median);
            format!("; {} retried and got in, after {median} (median){not_back}", recovered.count())
        }
        None if *lost > 0 && of.is_final => "; none got in later".to_owned(),
        None if *lost > 0 => "; none got in yet".to_owned(),
        None => String::new(),
    };
    let not_followed = match not_followed {
        0 => String::new(),
        count => format!("; {count} not followed to the end"),
    };
    format!("  {lost_text}{back}{not_followed}")
}

/// What the losses were to the clients, where there is anything to say.
fn what_clients_met(report: &ListenerReport, columns: Option<usize>) -> Vec<String> {
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
        lines.push(format!("  retried and got in: {}", steps.join(", ")));
    }
    lines.extend(midway(connections.maybe_midway).map(|text| format!("  {text}")));
    lines.extend(believers(connections.believed, connections.sent_data, columns));
    let closed = report.closed_with();
    if closed > 0 {
        let connections = counted(closed, "connection");
        lines.push(format!("  the listener closed and lost {connections}, unaccepted or half-open"));
    }
    lines.extend(cookies(&report.totals));
    lines
}

/// Clients whose final ACK was dropped in silence.
fn believers(clients: u64, sent_data: u64, columns: Option<usize>) -> Option<String> {
    let (think, harm) = match (clients, sent_data) {
        (0, _) => return None,
        (1, 0) => ("1 client thinks it is connected (its final ACK was dropped)".to_owned(), None),
        (1, _) => (
            "1 client thinks it is connected (its final ACK was dropped)".to_owned(),
            Some("the client sent data, which was lost".to_owned()),
        ),
        (_, sent_data) => (
            format!("{clients} clients think they are connected (their final ACK was dropped)"),
            (sent_data > 0).then(|| format!("{sent_data} of them sent data, which was lost")),
        ),
    };
    let parts: Vec<String> = [think].into_iter().chain(harm).collect();
    // Two columns stand before it.
    Some(format!("  {}", fold(&parts, "; ", columns.map(|columns| columns.saturating_sub(2)))))
}

/// SYNs, handshakes and ACKs are not the same: one client can send several of each.
fn cookies(totals: &Totals) -> Option<String> {
    let cookies = Cookies::of(totals);
    if cookies.sent == 0 {
        return None;
    }
    let looks_like = match cookies.demand() {
        Some(Demand::Burst) => ": a burst of real clients",
        Some(Demand::Mixed) => ": real clients among others that never answer",
        Some(Demand::Flood) => ": a SYN flood, or clients that gave up",
        None => "",
    };
    let finished = totals.established_by_cookie;
    let acks = if cookies.valid == finished {
        String::new()
    } else {
        format!(" ({})", counted(cookies.valid, "valid ACK"))
    };
    let sent = counted(cookies.sent, "SYN");
    let finished = counted(finished, "handshake");
    Some(format!("  {sent} answered by SYN cookie, {finished} finished by it{acks}{looks_like}"))
}

fn handshakes(report: &ListenerReport) -> String {
    let by_cookie = match report.known(Figure::EstablishedByCookie) {
        Some(0) | None => String::new(),
        Some(count) => format!(" ({count} by SYN cookie)"),
    };
    let finished = report
        .known(Figure::Established)
        .map_or_else(|| "- handshakes".to_owned(), |count| counted(count, "handshake"));
    let accepted = report.known(Figure::Accepted).map_or_else(|| "-".to_owned(), |count| count.to_string());
    // finished + waited at the beginning = accepted + wait at the end.
    let waited = match report.waiting {
        None | Some([0, 0]) => String::new(),
        Some([began, 0]) => format!(" ({began} waited at the beginning)"),
        Some([0, ends]) => format!(" ({ends} wait at the end)"),
        Some([began, ends]) => format!(" ({began} waited at the beginning, {ends} wait at the end)"),
    };
    format!(
        "  {}, {finished} finished{by_cookie}, {accepted} accepted{waited}",
        counted(report.totals.syns, "SYN")
    )
}

fn depth_label(bucket: usize, buckets: usize, most: Option<u32>) -> String {
    let (from, to) = bounds(bucket, buckets);
    let to = most.map_or(to, |most| to.min(most).max(from));
    format!("{from:>6} -> {to}")
}

fn wait_label(bucket: usize) -> String {
    let from = if bucket == 0 { 0 } else { 1u64 << bucket.min(63) };
    format!("{:>7} -> {}", span(from), span(2u64 << bucket.min(62)))
}
