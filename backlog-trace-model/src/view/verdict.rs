//! The answer: how many listeners lost connections, which those are in one row
//! each, what shows it and what to do, and one line for all others.
//!
//! Every text ends with it. Refuses to decide: what is wrong was found before
//! ([`crate::findings`]).

use anstyle::Style;
use backlog_trace_common::reason::Class;
use unicode_width::UnicodeWidthStr;

use crate::escape::Sanitized;
use crate::event::Figure;
use crate::findings::{Finding, Judged, Severity};
use crate::quantity::{counted, rate, span};
use crate::tally::{ListenerReport, Report};

use super::grid::{Cell, Column, Grid, WIDEST};
use super::names::{self, Namespaces};
use super::owner::{self, Room};
use super::paint::{ALARM, FAINT, HEADING, class, painted};
use super::words::midway;

/// Listeners that stand in the table: what is below is one line.
const ROWS: usize = 20;

/// Listeners of which it is said what shows it and what to do.
const TOLD: usize = 8;

/// Listeners of which everything is said that was found, and not the verdict alone.
const TOLD_WHOLE: usize = 3;

/// Listeners at risk that are told.
const RISKS: usize = 5;

/// Columns from which on the table has room for accepts per second, which the
/// sentence about a listener has as well.
const WIDE: usize = 96;

/// Columns from which on it has room for a process and its service or container.
const WIDE_OWNER: usize = 120;

const COLUMNS: [Column; 7] = [
    Column::words("LISTENER", 14),
    Column::words("OWNER", 12),
    Column::numbers("LOST", 4),
    Column::numbers("GOT IN", 6),
    Column::numbers("QUEUE", 7),
    Column::numbers(ACCEPTS, 9),
    Column::words("VERDICT", 18),
];

const ACCEPTS: &str = "ACCEPTS/S";

/// Those of a terminal.
fn is_shown(column: &Column, columns: Option<usize>) -> bool {
    column.name != ACCEPTS || columns.is_none_or(|columns| columns >= WIDE)
}

/// How much of it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Length {
    /// The table alone: an interval.
    Table,
    /// What fits a screen.
    Screen,
    /// Everything that was found of every listener.
    Whole,
}

/// The lines of it, without the title and the audit.
pub(super) fn lines(judged: &Judged, columns: Option<usize>, length: Length) -> Vec<String> {
    let namespaces = Namespaces::of(&judged.report);
    let ill: Vec<usize> = judged.with(Severity::Loss).collect();
    let mut lines = vec![headline(&judged.report, ill.len())];
    lines.extend(table(judged, &ill, &namespaces, columns, length));
    if length != Length::Table {
        lines.extend(told(judged, &ill, &namespaces, length));
        lines.extend(risks(judged, &namespaces, columns, length));
        lines.extend(host(judged));
    }
    lines.extend(others(judged, !ill.is_empty()));
    lines
}

/// `1 of 40 listeners lost connections: 90 clients, 12 of them retried and got in`.
fn headline(report: &Report, ill: usize) -> String {
    let all = report.listeners_seen();
    if ill == 0 && report.is_polled() {
        let among = counted(all, "listener");
        return painted(HEADING, &format!("no loss that is certainly of one listener, on {among}"));
    }
    if ill == 0 {
        return match all {
            0 => painted(HEADING, "no listener saw a connection"),
            _ => painted(HEADING, &format!("no packet lost on {}", counted(all, "listener"))),
        };
    }
    let sum = |of: fn(&ListenerReport) -> u64| report.listeners.iter().map(of).fold(0, u64::saturating_add);
    let closed = sum(ListenerReport::closed_with);
    let packets = sum(|listener| listener.packets(Class::Loss).saturating_sub(listener.closed_with()));
    let refused = (packets > 0).then(|| refused(report, packets));
    let taken = (closed > 0).then(|| format!("{} by closing", counted(closed, "connection")));
    let lost: Vec<String> = refused.into_iter().chain(taken).collect();
    let of = format!("{ill} of {} lost connections: ", counted(all, "listener"));
    painted(ALARM, &format!("{of}{}", lost.join("; ")))
}

/// `90 clients in 315 packets, 12 of them retried and got in`.
fn refused(report: &Report, packets: u64) -> String {
    let sum = |of: fn(&ListenerReport) -> u64| report.listeners.iter().map(of).fold(0, u64::saturating_add);
    let packets = counted(packets, "packet");
    if report.is_polled() {
        return format!("at least {packets}");
    }
    let clients = sum(|listener| listener.connections.lost);
    let got_in = match sum(|listener| listener.connections.recovered.count()) {
        0 => String::new(),
        1 => ", 1 of them retried and got in".to_owned(),
        count => format!(", {count} of them retried and got in"),
    };
    let bound = if report.details.missed > 0 { "at least " } else { "" };
    match clients {
        0 if report.is_final => packets,
        0 => format!("{packets} of clients that had been refused before{got_in}"),
        _ => format!("{bound}{} in {packets}{got_in}", counted(clients, "client")),
    }
}

/// One row for each listener that lost connections.
fn table(
    judged: &Judged,
    ill: &[usize],
    namespaces: &Namespaces<'_>,
    columns: Option<usize>,
    length: Length,
) -> Vec<String> {
    let most = if length == Length::Whole { ill.len() } else { ROWS };
    let rows: Vec<_> = ill.iter().take(most).filter_map(|at| row(judged, *at, namespaces, columns)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    // All rows are known: each column is as wide as its widest cell from the first row on,
    // and where the columns do not fit one line, every row breaks at the same one.
    let widest = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|(text, _)| text.width()).max();
    let shown = COLUMNS.into_iter().filter(|column| is_shown(column, columns)).enumerate();
    let shown = shown.map(|(at, column)| Column {
        width: column.width.max(widest(at).unwrap_or(0).min(WIDEST)),
        ..column
    });
    let mut grid = Grid::new(shown, columns);
    let body: Vec<String> = rows.into_iter().flat_map(|row| grid.row(row)).collect();
    let more = ill.len().saturating_sub(most);
    let more = (more > 0).then(|| format!("and {more} more with fewer losses each: hist --all shows them"));
    [String::new()].into_iter().chain(grid.heading()).chain(body).chain(more).chain([String::new()]).collect()
}

fn row(judged: &Judged, at: usize, namespaces: &Namespaces<'_>, columns: Option<usize>) -> Option<Vec<Cell>> {
    let report = judged.report.listeners.get(at)?;
    let verdict = judged.verdict(at)?;
    let polled = judged.report.is_polled();
    let number = |known: Option<u64>| known.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let lost = report.connections.lost.max(report.closed_with());
    let limit = number(report.limit.map(u64::from));
    let cells = [
        place(report, namespaces),
        owner::in_report(report.who.known(), &judged.report, Room::of(columns, WIDE_OWNER)),
        if polled { format!(">{}", report.packets(Class::Loss)) } else { lost.to_string() },
        number((!polled).then(|| report.connections.recovered.count())),
        format!("{}/{limit}", number(report.known(Figure::AcceptQueueMax))),
        accepts(report, &judged.report).map_or_else(|| "-".to_owned(), rate),
        verdict.kind.row().verdict.to_owned(),
    ];
    let shown = COLUMNS.iter().zip(cells).filter(|(column, _)| is_shown(column, columns));
    let style = |column: &Column| if column.name == "VERDICT" { class(Class::Loss) } else { Style::new() };
    Some(shown.map(|(column, cell)| (cell, style(column))).collect())
}

/// The listener, with its network namespace where that does not go without saying.
fn place(report: &ListenerReport, namespaces: &Namespaces<'_>) -> String {
    let listener = names::listener(&report.who);
    namespaces.label(report.who.netns()).map_or_else(
        || listener.clone(),
        |netns| format!("{listener} in {}", netns.replacen("netns ", "", 1)),
    )
}

/// Accepts per second: while connections waited, where that is known.
fn accepts(listener: &ListenerReport, report: &Report) -> Option<f64> {
    if report.is_polled() {
        return None;
    }
    let busy = listener.history.as_ref().and_then(|history| history.need?.accepts_per_second);
    let seconds = std::time::Duration::from_nanos(report.to.saturating_sub(report.from)).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
    let over_all = || listener.known(Figure::Accepted).map(|count| count as f64 / seconds);
    busy.or_else(|| over_all().filter(|_| seconds > 0.0))
}

/// What shows it and what to do, of the worst.
fn told(judged: &Judged, ill: &[usize], namespaces: &Namespaces<'_>, length: Length) -> Vec<String> {
    let most = if length == Length::Whole { ill.len() } else { TOLD };
    let mut lines = Vec::new();
    for (rank, at) in ill.iter().take(most).enumerate() {
        let also = length == Length::Whole || rank < TOLD_WHOLE;
        lines.extend(one(judged, *at, namespaces, also, length == Length::Whole));
    }
    lines
}

/// What was found of one listener: the verdict, what was found `also`, and what to do:
/// the first thing, or everything.
fn one(judged: &Judged, at: usize, namespaces: &Namespaces<'_>, also: bool, everything: bool) -> Vec<String> {
    let (Some(report), Some(verdict)) = (judged.report.listeners.get(at), judged.verdict(at)) else {
        return Vec::new();
    };
    let title = format!("{} {}", place(report, namespaces), verdict.kind.row().verdict);
    let mut lines = vec![format!("{}: {}", painted(HEADING, &title), verdict.because)];
    lines.extend(actions(verdict, everything));
    if also {
        let others = judged.of_listener(at).iter().filter(|finding| finding.kind != verdict.kind);
        lines.extend(others.flat_map(|finding| {
            let also = format!("  also: {}", finding.because);
            let actions = if everything { actions(finding, true) } else { Vec::new() };
            [also].into_iter().chain(actions)
        }));
        lines.extend(midway(report.connections.maybe_midway).map(|text| format!("  {text}")));
    }
    lines.push(String::new());
    lines
}

/// `  -> set the backlog of nginx/812 to 590` and the line that does it.
fn actions(finding: &Finding, all: bool) -> Vec<String> {
    let most = if all { finding.actions.len() } else { 1 };
    let mut lines = Vec::new();
    for action in finding.actions.iter().take(most) {
        lines.push(format!("  -> {}", Sanitized(&action.what)));
        lines.extend(
            action
                .line
                .as_ref()
                .map(|line| format!("       {}", painted(HEADING, &Sanitized(line).to_string()))),
        );
        lines.extend(action.then.as_ref().map(|then| format!("     then: {}", Sanitized(then))));
    }
    lines
}

/// Listeners that lost nothing, and may.
fn risks(
    judged: &Judged,
    namespaces: &Namespaces<'_>,
    columns: Option<usize>,
    length: Length,
) -> Vec<String> {
    let at_risk: Vec<usize> = judged.with(Severity::Risk).collect();
    let most = if length == Length::Whole { at_risk.len() } else { RISKS };
    let mut lines = Vec::new();
    for at in at_risk.iter().take(most) {
        let (Some(report), Some(verdict)) = (judged.report.listeners.get(*at), judged.verdict(*at)) else {
            continue;
        };
        let owner = match owner::of(report.who.known(), Room::of(columns, WIDE_OWNER)) {
            owner if owner == "-" => String::new(),
            owner => format!(" of {owner}"),
        };
        lines.push(format!(
            "{}{owner} {}: {}",
            place(report, namespaces),
            verdict.kind.row().verdict,
            verdict.because
        ));
        if length == Length::Whole {
            lines.extend(actions(verdict, true));
        }
    }
    let more = at_risk.len().saturating_sub(most);
    if more > 0 {
        lines.push(format!("and {more} more at risk: hist --all shows them"));
    }
    lines
}

/// What is found of the host as a whole: that it refused nobody.
fn host(judged: &Judged) -> Vec<String> {
    judged
        .of_host()
        .iter()
        .flat_map(|finding| [finding.because.clone()].into_iter().chain(actions(finding, true)))
        .collect()
}

/// `38 other listeners lost nothing: longest accept queue 3, …`.
fn others(judged: &Judged, some_are_ill: bool) -> Option<String> {
    let is_other = |(at, _): &(usize, &ListenerReport)| judged.severity(*at) != Some(Severity::Loss);
    let others: Vec<&ListenerReport> =
        judged.report.listeners.iter().enumerate().filter(is_other).map(|(_, report)| report).collect();
    if !some_are_ill || others.is_empty() {
        return None;
    }
    let count = others.iter().map(|report| report.who.listeners()).fold(0, u64::saturating_add);
    let longest = others.iter().filter_map(|report| report.known(Figure::AcceptQueueMax)).max();
    let longest =
        longest.map_or_else(String::new, |longest| format!("; their longest accept queue was {longest}"));
    let wait = others.iter().filter_map(|report| report.longest_wait_us()).max();
    let wait = wait.map_or_else(String::new, |us| format!(", the longest wait below {}", span(us)));
    Some(painted(FAINT, &format!("{} lost nothing{longest}{wait}", counted(count, "other listener"))))
}
