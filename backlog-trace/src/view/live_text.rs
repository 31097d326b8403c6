//! `live`: one aligned line per loss, as it happens.

use std::io::{self, Write};

use backlog_trace_common::detail::{Detail, Kind};
use backlog_trace_common::reason::{Class, Reason};
use unicode_width::UnicodeWidthStr;

use crate::event::Event;
use crate::tally::{Attributed, ListenerReport, Peer, Report, Selection, Tally};

use super::bars::fold;
use super::paint::{ALARM, FAINT, HEADING, class, painted};
use super::words::{self, counted};
use super::{Screen, View, audit_text, names, units};

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
            Some(Kind::Opened | Kind::Closed) => return self.print_life(item),
            Some(Kind::Established) | None => return Ok(()),
        };
        self.print_heading()?;
        let (gap, digits) = if self.is_narrow() { (" ", 0) } else { ("  ", 6) };
        let time = units::clock(self.tally.unix_ns(detail.time), digits, &self.screen.zone);
        let polled = self.is_polled();
        let lost =
            if detail.more > 0 { format!("{lost} x{}", u64::from(detail.more) + 1) } else { lost.to_owned() };
        let mut cells = vec![time, self.place(item)];
        if !self.is_narrow() {
            cells.push(names::owner(item.who.known()));
        }
        cells.extend([names::peer(Peer::of(detail)), lost, outcome(detail)]);
        cells.push(format!("{}/{}", detail.accept_queue, detail.limit));
        if !self.is_narrow() {
            cells.push(if polled {
                "-".to_owned()
            } else {
                format!("{}/{}", detail.syn_queue, detail.limit)
            });
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

    /// The listener, and its network namespace where that is not the host's.
    fn place(&self, item: &Attributed) -> String {
        let listener = names::listener(&item.who);
        match names::elsewhere(&item.who, self.tally.session().map(AsRef::as_ref)) {
            Some(netns) => format!("{listener} in {netns}"),
            None => listener,
        }
    }

    /// A listener opened or closed: no loss, so a line of its own shape.
    fn print_life(&mut self, item: &Attributed) -> io::Result<()> {
        self.print_heading()?;
        let (gap, digits) = if self.is_narrow() { (" ", 0) } else { ("  ", 6) };
        let time = units::clock(self.tally.unix_ns(item.detail.time), digits, &self.screen.zone);
        let owner = match names::owner(item.who.known()) {
            owner if owner == "-" => String::new(),
            owner => format!(" of {owner}"),
        };
        let text = format!("{}{owner} {}", self.place(item), life(&item.detail, self.is_polled()));
        writeln!(self.out, "{time}{gap}{}", painted(FAINT, &text))
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
        let text = format!("{count} lines missing: the ring buffer was full; counted all the same");
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
            Event::Started(_) | Event::Listener(_) | Event::Details(_) | Event::Finished => {}
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
    match (words::outcome(detail), detail.attempt) {
        (None, 0) => "-".to_owned(),
        (None, attempt) => format!("try {attempt}"),
        (Some(words), 0) => words.to_owned(),
        (Some(words), attempt) => format!("try {attempt}: {words}"),
    }
}

/// What became of a listener. What stood in queues that closed between two
/// looks is not known.
fn life(detail: &Detail, polled: bool) -> String {
    let Detail { accept_queue, syn_queue, limit, .. } = *detail;
    match Kind::from_number(detail.kind) {
        Some(Kind::Closed) if polled => "closed".to_owned(),
        Some(Kind::Closed) => format!("closed with {accept_queue} unaccepted and {syn_queue} half-open"),
        _ => format!("opened with backlog {limit}"),
    }
}

fn summary(report: &Report) -> Vec<String> {
    let sum =
        |of: &dyn Fn(&ListenerReport) -> u64| report.listeners.iter().map(of).fold(0, u64::saturating_add);
    let packets = |class| sum(&|listener| listener.packets(class));
    let closed_with = sum(&ListenerReport::closed_with);
    let connections = sum(&|listener| listener.connections.lost);
    let recovered = sum(&|listener| listener.connections.recovered.count());
    let lost = packets(Class::Loss).saturating_sub(closed_with);
    let listeners = counted(report.listeners_seen(), "listener");
    let with_loss = report.listeners_with_loss();
    let mut parts = vec![match (lost, report.is_polled()) {
        (0, _) => format!("no packet lost on {listeners}"),
        (_, true) => format!("at least {} lost on {with_loss} of {listeners}", counted(lost, "packet")),
        (_, false) => {
            let (packets, connections) = (counted(lost, "packet"), counted(connections, "connection"));
            format!("{packets}, {connections} lost on {with_loss} of {listeners}")
        }
    }];
    match recovered {
        0 if connections == 0 => {}
        0 => parts.push("none got in later".to_owned()),
        _ => parts.push(format!("{recovered} retried and got in")),
    }
    parts.extend(words::midway(sum(&|listener| listener.connections.maybe_midway)));
    if closed_with > 0 {
        parts.push(format!("{} lost by listeners that closed", counted(closed_with, "connection")));
    }
    for (of, noun, what) in [
        (Class::Cookie, "SYN", "answered by SYN cookie"),
        (Class::Retransmit, "SYN+ACK", "sent again"),
        (Class::Expired, "half-open request", "given up or reset"),
    ] {
        let count = packets(of);
        if count > 0 {
            parts.push(format!("{} {what}", counted(count, noun)));
        }
    }
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, &format!("in {}: ", units::span(report.to.saturating_sub(report.from) / 1000)));
    }
    parts
}
