//! `live`: one aligned line per loss, as it happens.

use std::io::{self, Write};

use anstyle::Style;
use backlog_trace_common::reason::Class;

use crate::event::{Met, Occurrence, Session, What};
use crate::findings::Judged;
use crate::output::Output;
use crate::tally::{Attributed, ListenerReport, Report};

use super::bars::fold;
use super::grid::{Column, Grid};
use super::paint::{ALARM, FAINT, HEADING, class, painted};
use super::words;
use super::wrap::fitted;
use super::{Screen, View, audit_text, names, units};
use crate::escape::Sanitized;
use crate::quantity::{counted, span};

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
    session: Option<Session>,
    screen: Screen,
    grid: Grid,
    /// The day and the zone that were printed last.
    day: Option<String>,
    has_heading: bool,
    recording: Option<String>,
}

impl<W: Write> LiveText<W> {
    /// Prints to `out`.
    pub fn new(out: W, screen: Screen) -> Self {
        Self {
            out,
            session: None,
            grid: Grid::new(columns(&screen), screen.columns),
            screen,
            day: None,
            has_heading: false,
            recording: None,
        }
    }

    /// Names the recording that is replayed, if one is.
    #[must_use]
    pub fn of_recording(mut self, name: Option<String>) -> Self {
        self.recording = name;
        self
    }

    fn is_polled(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_polled)
    }

    fn unix_ns(&self, monotonic: u64) -> i64 {
        Session::unix_ns(self.session.as_ref(), monotonic)
    }

    fn print(&mut self, item: &Attributed) -> io::Result<()> {
        match item.occurrence.what {
            What::Met(met) => self.print_met(item, met),
            What::Opened => self.print_life(item, Life::Opened),
            What::Closed => self.print_life(item, Life::Closed),
            What::Established => Ok(()),
        }
    }

    fn print_met(&mut self, item: &Attributed, met: Met) -> io::Result<()> {
        let occurrence = &item.occurrence;
        let unix_ns = self.unix_ns(occurrence.time);
        self.print_day(unix_ns)?;
        self.print_heading()?;
        let time = self.clock(unix_ns);
        let polled = self.is_polled();
        let lost = met.reason.name();
        let lost = if met.more > 0 { format!("{lost} x{}", met.packets()) } else { lost.to_owned() };
        let listed = || item.who.known().and_then(|listener| listener.limit);
        let limit = if polled { listed() } else { Some(occurrence.limit) };
        let limit = limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        let queue = |length, known| {
            if known { format!("{length}/{limit}") } else { "-".to_owned() }
        };
        let cells = [
            time,
            self.place(item),
            names::owner(item.who.known()),
            names::peer(occurrence.peer),
            lost,
            outcome(met),
            queue(occurrence.accept_queue, true),
            queue(occurrence.syn_queue, !polled),
        ];
        let style = class(met.reason.row().class);
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
        match names::elsewhere(&item.who, self.session.as_ref()) {
            Some(netns) => format!("{listener} in {netns}"),
            None => listener,
        }
    }

    /// A listener opened or closed: no loss, so a line of its own shape.
    fn print_life(&mut self, item: &Attributed, life: Life) -> io::Result<()> {
        let unix_ns = self.unix_ns(item.occurrence.time);
        self.print_day(unix_ns)?;
        self.print_heading()?;
        let time = self.clock(unix_ns);
        let owner = match names::owner(item.who.known()) {
            owner if owner == "-" => String::new(),
            owner => format!(" of {owner}"),
        };
        let text = format!("{}{owner} {}", self.place(item), self.life(item, life));
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

    /// What became of a listener. What stood in queues that closed between two
    /// looks is not known.
    fn life(&self, item: &Attributed, life: Life) -> String {
        let Occurrence { accept_queue, syn_queue, limit, .. } = item.occurrence;
        match life {
            Life::Opened => format!("opened with backlog {limit}"),
            Life::Closed if self.is_polled() => "closed".to_owned(),
            Life::Closed => format!("closed with {accept_queue} unaccepted and {syn_queue} half-open"),
        }
    }

    fn print_began(&mut self, session: &Session) -> io::Result<()> {
        self.session = Some(session.clone());
        let Some(name) = &self.recording else { return Ok(()) };
        let from = units::stretch_from(session.clock.unix_ns(session.start), &self.screen.zone);
        let title = format!("{}: {}{from}", Sanitized(name), names::origin(Some(session)));
        self.print_line(&painted(HEADING, &title))
    }

    fn print_summary(&mut self, judged: &Judged) -> io::Result<()> {
        let report = &judged.report;
        self.print_day(report.unix_ns(report.to))?;
        self.print_line(&fold(&summary(report), "; ", self.screen.columns))?;
        audit_text::lines(report, self.screen.columns).iter().try_for_each(|line| self.print_line(line))
    }

    fn print_missed(&mut self, time: u64, count: u64) -> io::Result<()> {
        let unix_ns = self.unix_ns(time);
        self.print_day(unix_ns)?;
        let time = self.clock(unix_ns);
        let text = format!("{count} lines missing: the ring buffer was full; counted all the same");
        self.print_line(&format!("{time}  {}", painted(ALARM, &text)))
    }
}

/// A listener opened or closed.
#[derive(Clone, Copy)]
enum Life {
    Opened,
    Closed,
}

impl<W: Write> View for LiveText<W> {
    fn take(&mut self, output: &Output<'_>) -> io::Result<()> {
        match output {
            Output::Began(session) => self.print_began(session),
            Output::Occurred(item) => self.print(item),
            Output::Missed { time, count, .. } => self.print_missed(*time, *count),
            Output::Interval(_) => Ok(()),
            Output::SoFar(judged) | Output::Ended { whole: judged, .. } => self.print_summary(judged),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What the client was told, or why we had to speak again and for which time.
fn outcome(met: Met) -> String {
    match (words::outcome(met), met.attempt) {
        (None, 0) => "-".to_owned(),
        (None, attempt) => format!("try {attempt}"),
        (Some(words), 0) => words.to_owned(),
        (Some(words), attempt) => format!("try {attempt}: {words}"),
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
        first.insert_str(0, &format!("in {}: ", span(report.to.saturating_sub(report.from) / 1000)));
    }
    parts
}
