//! `live`: one aligned line per loss, as it happens.

use std::io::{self, Write};

use anstyle::Style;
use backlog_trace_common::detail::{Detail, Kind};
use backlog_trace_common::reason::{Class, Reason};

use crate::event::Event;
use crate::tally::{Attributed, ListenerReport, Peer, Report, Selection, Tally};

use super::bars::fold;
use super::grid::{Column, Grid};
use super::paint::{ALARM, FAINT, HEADING, class, painted};
use super::words::{self, counted};
use super::wrap::fitted;
use super::{Screen, View, audit_text, names, units};
use crate::escape::Sanitized;

/// Columns that a row on one line takes, with all six digits of the second's
/// fraction. On a narrower terminal the fraction is left out, and a row takes
/// as many lines as it needs.
const WIDE: usize = 119;

/// The columns, each with the width that it starts with.
const COLUMNS: [Column; 8] = [
    Column::words("TIME", 15),
    Column::words("LISTENER", 14),
    Column::words("OWNER", 13),
    Column::words("PEER", 20),
    Column::words("LOST", 22),
    Column::words("OUTCOME", 8),
    Column::words("ACCEPT Q", 8),
    Column::words("SYN Q", 5),
];

/// The columns of a terminal.
fn columns(screen: &Screen) -> impl Iterator<Item = Column> {
    let is_narrow = is_narrow(screen);
    COLUMNS.into_iter().map(move |column| match column.name {
        "TIME" if is_narrow => Column { width: 8, ..column },
        _ => column,
    })
}

fn is_narrow(screen: &Screen) -> bool {
    screen.columns.is_some_and(|columns| columns < WIDE)
}

/// Prints each loss as text.
pub struct LiveText<W> {
    out: W,
    tally: Tally,
    screen: Screen,
    grid: Grid,
    /// The day and the zone that were printed last.
    day: Option<String>,
    has_heading: bool,
    recording: Option<String>,
    missed: u64,
    gaps: Vec<String>,
}

impl<W: Write> LiveText<W> {
    /// Prints to `out` what is selected.
    pub fn new(out: W, screen: Screen, selection: Selection) -> Self {
        Self {
            out,
            tally: Tally::new(selection),
            grid: Grid::new(columns(&screen), screen.columns),
            screen,
            day: None,
            has_heading: false,
            recording: None,
            missed: 0,
            gaps: Vec::new(),
        }
    }

    /// Names the recording that is replayed, if one is.
    #[must_use]
    pub fn of_recording(mut self, name: Option<String>) -> Self {
        self.recording = name;
        self
    }

    fn is_polled(&self) -> bool {
        self.tally.session().is_some_and(|session| session.is_polled())
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
        let unix_ns = self.tally.unix_ns(detail.time);
        self.print_day(unix_ns)?;
        self.print_heading()?;
        let time = self.clock(unix_ns);
        let polled = self.is_polled();
        let lost =
            if detail.more > 0 { format!("{lost} x{}", u64::from(detail.more) + 1) } else { lost.to_owned() };
        let listed = || item.who.known().and_then(|listener| listener.limit);
        let limit = if polled { listed() } else { Some(detail.limit) };
        let limit = limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        let queue = |length, known| {
            if known { format!("{length}/{limit}") } else { "-".to_owned() }
        };
        let cells = [
            time,
            self.place(item),
            names::owner(item.who.known()),
            names::peer(Peer::of(detail)),
            lost,
            outcome(detail),
            queue(detail.accept_queue, true),
            queue(detail.syn_queue, !polled),
        ];
        let styled = cells.into_iter().zip(COLUMNS).map(|(cell, column)| match column.name {
            "LOST" => (cell, style),
            _ => (cell, Style::new()),
        });
        self.grid.row(styled).iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }

    fn clock(&self, unix_ns: i64) -> String {
        let digits = if is_narrow(&self.screen) { 0 } else { 6 };
        units::clock(unix_ns, digits, &self.screen.zone)
    }

    /// The day and the zone of what follows, wherever another one begins.
    fn print_day(&mut self, unix_ns: i64) -> io::Result<()> {
        let day = units::day(unix_ns, &self.screen.zone);
        if self.day.as_ref() == Some(&day) {
            return Ok(());
        }
        self.print_line(&painted(FAINT, &day))?;
        self.day = Some(day);
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
        let unix_ns = self.tally.unix_ns(item.detail.time);
        self.print_day(unix_ns)?;
        self.print_heading()?;
        let time = self.clock(unix_ns);
        let owner = match names::owner(item.who.known()) {
            owner if owner == "-" => String::new(),
            owner => format!(" of {owner}"),
        };
        let text = format!("{}{owner} {}", self.place(item), life(&item.detail, self.is_polled()));
        self.print_line(&format!("{time}  {}", painted(FAINT, &text)))
    }

    fn print_line(&mut self, line: &str) -> io::Result<()> {
        self.out.write_all(fitted(line, self.screen.columns).as_bytes())
    }

    fn print_heading(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.has_heading, true) {
            return Ok(());
        }
        self.grid.heading().iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }

    fn print_summary(&mut self) -> io::Result<()> {
        let report = self.tally.whole();
        self.print_day(self.tally.unix_ns(report.to))?;
        self.print_line(&fold(&summary(&report), "; ", self.screen.columns))?;
        for line in audit_text::lines(&report, &self.gaps, self.screen.columns) {
            self.print_line(&line)?;
        }
        self.out.flush()
    }

    fn print_missed(&mut self) -> io::Result<()> {
        let (time, total) = (self.tally.time(), self.tally.missed());
        let count = total.saturating_sub(std::mem::replace(&mut self.missed, total));
        if count == 0 {
            return Ok(());
        }
        let unix_ns = self.tally.unix_ns(time);
        self.print_day(unix_ns)?;
        let time = self.clock(unix_ns);
        let text = format!("{count} lines missing: the ring buffer was full; counted all the same");
        self.print_line(&format!("{time}  {}", painted(ALARM, &text)))
    }
}

impl<W: Write> View for LiveText<W> {
    fn take(&mut self, event: &Event) -> io::Result<()> {
        let items = self.tally.take(event);
        if let (Event::Started(session), Some(name)) = (event, &self.recording) {
            let from = units::stretch_from(session.clock.unix_ns(session.start), &self.screen.zone);
            let title = format!("{}: {}{from}", Sanitized(name), names::origin(Some(session)));
            self.print_line(&painted(HEADING, &title))?;
        }
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
