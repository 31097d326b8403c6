//! `live`: one aligned line per loss, as it happens.

use std::io::{self, Write};

use backlog_trace_common::detail::{Cause, Detail, Kind, Outcome};
use backlog_trace_common::reason::{Class, Reason};
use unicode_width::UnicodeWidthStr;

use crate::event::Event;
use crate::tally::{Attributed, ListenerReport, Peer, Report, Selection, Tally};

use super::bars::fold;
use super::paint::{ALARM, FAINT, HEADING, class, painted};
use super::{Screen, View, audit_text, hist_text, names, units};

/// Columns a line needs with everything in it; on a narrower terminal the
/// owner, the SYN queue and the second's fraction are left out.
const WIDE: usize = 118;

/// A column: its heading, and the width it starts with.
type Column = (&'static str, usize);

const WIDE_COLUMNS: [Column; 8] = [
    ("TIME", 15),
    ("LISTENER", 14),
    ("OWNER", 13),
    ("PEER", 20),
    ("LOST", 22),
    ("OUTCOME", 8),
    ("ACCEPT Q", 8),
    ("SYN Q", 5),
];

const NARROW_COLUMNS: [Column; 6] =
    [("TIME", 8), ("LISTENER", 12), ("PEER", 15), ("LOST", 21), ("OUTCOME", 7), ("ACCEPT Q", 8)];

/// Prints each loss as text.
pub struct LiveText<W> {
    out: W,
    tally: Tally,
    screen: Screen,
    widths: Vec<usize>,
    has_heading: bool,
    missed: u64,
    gaps: Vec<String>,
}

impl<W: Write> LiveText<W> {
    /// Prints to `out` what is selected.
    pub fn new(out: W, screen: Screen, selection: Selection) -> Self {
        let mut view = Self {
            out,
            tally: Tally::new(selection),
            screen,
            widths: Vec::new(),
            has_heading: false,
            missed: 0,
            gaps: Vec::new(),
        };
        view.widths = view.columns().iter().map(|(_, width)| *width).collect();
        view
    }

    fn is_narrow(&self) -> bool {
        self.screen.columns.is_some_and(|columns| columns < WIDE)
    }

    fn is_polled(&self) -> bool {
        self.tally.session().is_some_and(|session| session.is_polled())
    }

    fn columns(&self) -> &'static [Column] {
        if self.is_narrow() { &NARROW_COLUMNS } else { &WIDE_COLUMNS }
    }

    fn print(&mut self, item: &Attributed) -> io::Result<()> {
        let detail = &item.detail;
        let (lost, style) = match Kind::from_number(detail.kind) {
            Some(Kind::Reason) => match Reason::from_number(detail.reason) {
                Some(reason) => (reason.name(), class(reason.row().class)),
                None => return Ok(()),
            },
            Some(Kind::Opened) => ("listener opened", FAINT),
            Some(Kind::Closed) => ("listener closed", FAINT),
            Some(Kind::Established) | None => return Ok(()),
        };
        self.print_heading()?;
        let (gap, digits) = if self.is_narrow() { (" ", 0) } else { ("  ", 6) };
        let time = units::clock(self.tally.unix_ns(detail.time), digits, &self.screen.zone);
        let polled = self.is_polled();
        let lost =
            if detail.more > 0 { format!("{lost} x{}", u64::from(detail.more) + 1) } else { lost.to_owned() };
        let mut cells = vec![time, names::listener(&item.who)];
        if !self.is_narrow() {
            cells.push(names::owner(item.who.known()));
        }
        cells.extend([names::peer(Peer::of(detail)), lost, outcome(detail)]);
        // What stood in a queue that closed between two looks is not known.
        let known = !polled || Kind::from_number(detail.kind) != Some(Kind::Closed);
        let listed = || item.who.known().and_then(|listener| listener.limit);
        let limit = if polled { listed() } else { Some(detail.limit) };
        let limit = limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        let queue = |length, known| {
            if known { format!("{length}/{limit}") } else { "-".to_owned() }
        };
        cells.push(queue(detail.accept_queue, known));
        if !self.is_narrow() {
            cells.push(queue(detail.syn_queue, !polled));
        }
        let lost_at = cells.len() - if self.is_narrow() { 3 } else { 4 };
        let last = cells.len() - 1;
        self.widen(&cells, gap.len());
        for (at, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
            let padding = if at == last { 0 } else { width.saturating_sub(cell.width()) };
            let text = if at == lost_at { painted(style, cell) } else { cell.clone() };
            write!(self.out, "{text}{:padding$}{}", "", if at == last { "\n" } else { gap })?;
        }
        Ok(())
    }

    /// Columns grow with what is in them, unless every line after this one
    /// would cross the terminal's edge for it.
    fn widen(&mut self, cells: &[String], gap: usize) {
        let grown: Vec<usize> =
            cells.iter().zip(&self.widths).map(|(cell, width)| cell.width().max(*width)).collect();
        let line = grown.iter().sum::<usize>() + gap * grown.len().saturating_sub(1);
        if self.screen.columns.is_none_or(|columns| line <= columns) {
            self.widths = grown;
        }
    }

    fn print_heading(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.has_heading, true) {
            return Ok(());
        }
        let gap = if self.is_narrow() { " " } else { "  " };
        let cells: Vec<String> = self
            .columns()
            .iter()
            .zip(&self.widths)
            .map(|((name, _), width)| format!("{name:width$}"))
            .collect();
        writeln!(self.out, "{}", painted(HEADING, cells.join(gap).trim_end()))
    }

    fn print_summary(&mut self) -> io::Result<()> {
        let report = self.tally.whole();
        writeln!(self.out, "{}", fold(&summary(&report), "; ", self.screen.columns))?;
        for line in audit_text::lines(&report, &self.gaps, self.screen.columns) {
            writeln!(self.out, "{line}")?;
        }
        self.out.flush()
    }

    fn print_missed(&mut self) -> io::Result<()> {
        let (time, total) = (self.tally.time(), self.tally.missed());
        let count = total.saturating_sub(std::mem::replace(&mut self.missed, total));
        if count == 0 {
            return Ok(());
        }
        let digits = if self.is_narrow() { 0 } else { 6 };
        let time = units::clock(self.tally.unix_ns(time), digits, &self.screen.zone);
        let text = format!("{count} lines missing: no room in the ring buffer; counted all the same");
        writeln!(self.out, "{time}  {}", painted(ALARM, &text))
    }
}

impl<W: Write> View for LiveText<W> {
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

/// What the client was told, or why we had to speak again and for which time.
fn outcome(detail: &Detail) -> String {
    let words = Outcome::name(detail.outcome).or(Cause::name(detail.cause));
    match (words, detail.attempt) {
        (None, 0) => "-".to_owned(),
        (None, attempt) => format!("try {attempt}"),
        (Some(words), 0) => words.to_owned(),
        (Some(words), attempt) => format!("{words}, try {attempt}"),
    }
}

fn summary(report: &Report) -> Vec<String> {
    let packets =
        |class| report.listeners.iter().map(|listener| listener.packets(class)).fold(0, u64::saturating_add);
    let (lost, connections) =
        report.listeners.iter().fold((0u64, 0u64), |(listeners, connections), listener| {
            (
                listeners + u64::from(listener.packets(Class::Loss) > 0),
                connections + listener.connections.lost,
            )
        });
    let recovered: u64 = report.listeners.iter().map(|listener| listener.connections.recovered.count()).sum();
    let closed_with: u64 = report.listeners.iter().map(ListenerReport::closed_with).sum();
    let counted = hist_text::counted;
    let what = if report.is_polled() {
        format!("at least {}", counted(packets(Class::Loss), "packet"))
    } else {
        let packets = counted(packets(Class::Loss).saturating_sub(closed_with), "packet");
        format!("{packets}, {}", counted(connections, "connection"))
    };
    let mut parts = vec![format!("{what} lost on {}", counted(lost, "listener"))];
    if connections > 0 {
        parts.push(format!("{recovered} came back"));
    }
    if closed_with > 0 {
        parts.push(format!("{} lost by listeners that closed", counted(closed_with, "connection")));
    }
    for (of, words) in [
        (Class::Cookie, "answered by cookie"),
        (Class::Retransmit, "SYN+ACK sent again"),
        (Class::Expired, "half-open given up or reset"),
    ] {
        let count = packets(of);
        if count > 0 {
            parts.push(format!("{words} {count}"));
        }
    }
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, &format!("in {}: ", units::span(report.to.saturating_sub(report.from) / 1000)));
    }
    parts
}
