//! `live`: what is lost, second by second or packet by packet, and in the end which
//! listeners that were.

use std::io::{self, Write};

use backlog_trace_common::reason::Class;

use crate::event::{Occurrence, Session, What};
use crate::findings::Judged;
use crate::output::Output;
use crate::tally::{Attributed, Report};

use super::audit_text::{self, Observed};
use super::grid::{Cell, Grid};
use super::live_row::{self, Rows};
use super::owner;
use super::paint::{ALARM, FAINT, HEADING, painted};
use super::second::{Entry, Line, Rest, Second, Told};
use super::verdict::{self, Length};
use super::wrap::fitted;
use super::{Screen, View, names, title, units, wrap};
use crate::escape::Sanitized;
use crate::quantity::counted;

/// Prints losses as text.
pub struct LiveText<W> {
    out: W,
    session: Option<Session>,
    screen: Screen,
    rows: Rows,
    grid: Grid,
    second: Second,
    /// The day and the zone that were printed last.
    day: Option<String>,
    has_heading: bool,
    recording: Option<String>,
}

impl<W: Write> LiveText<W> {
    /// Prints to `out`.
    pub fn new(out: W, screen: Screen) -> Self {
        let rows = Rows::Seconds;
        Self {
            out,
            session: None,
            rows,
            grid: rows.grid(&screen),
            second: Second::default(),
            screen,
            day: None,
            has_heading: false,
            recording: None,
        }
    }

    /// With a line for every packet, as it comes.
    #[must_use]
    pub fn of_every_packet(mut self, every: bool) -> Self {
        if every {
            self.rows = Rows::Packets;
            self.grid = self.rows.grid(&self.screen);
        }
        self
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

    /// Collects what occurred with the rest of its second, or prints it.
    fn take_in(&mut self, item: &Attributed) -> io::Result<()> {
        let second = self.begin_second(item.occurrence.time)?;
        match (item.occurrence.what, self.rows) {
            (What::Established, _) => Ok(()),
            (What::Met(met), Rows::Seconds) => {
                self.second.add_met(second, item, met);
                Ok(())
            }
            (What::Met(met), Rows::Packets) => self.print_row(&Line::alone(item, met)),
            (What::Opened | What::Closed, Rows::Seconds) => {
                self.second.add_life(second, item);
                Ok(())
            }
            (What::Opened | What::Closed, Rows::Packets) => self.print_life(item),
        }
    }

    fn take_in_missed(&mut self, time: u64, count: u64) -> io::Result<()> {
        let second = self.begin_second(time)?;
        if self.rows == Rows::Packets {
            return self.print_missed(time, count);
        }
        self.second.add_missed(second, time, count);
        Ok(())
    }

    /// The second of a stamp; what was collected of another one is printed.
    fn begin_second(&mut self, monotonic: u64) -> io::Result<i64> {
        let second = self.unix_ns(monotonic).div_euclid(1_000_000_000);
        if self.second.is_over_at(second) {
            self.print_second()?;
        }
        Ok(second)
    }

    /// Prints what was collected of a second.
    fn print_second(&mut self) -> io::Result<()> {
        let Told { entries, rest, missed } = self.second.take();
        // Widths first: a row that was printed before a wider one would not stand under it.
        for entry in &entries {
            if let Entry::Met(line) = entry {
                let cells = self.cells(line);
                self.grid.row(cells);
            }
        }
        for entry in &entries {
            match entry {
                Entry::Met(line) => self.print_row(line)?,
                Entry::Life(item) => self.print_life(item)?,
            }
        }
        for text in summed_up(rest) {
            self.print_line(&painted(FAINT, &text))?;
        }
        missed.map_or(Ok(()), |(time, count)| self.print_missed(time, count))
    }

    fn print_row(&mut self, line: &Line) -> io::Result<()> {
        self.print_day(self.unix_ns(line.first.occurrence.time))?;
        self.print_heading()?;
        let cells = self.cells(line);
        self.grid.row(cells).iter().try_for_each(|line| writeln!(self.out, "{line}"))
    }

    fn cells(&self, line: &Line) -> Vec<Cell> {
        let unix_ns = self.unix_ns(line.first.occurrence.time);
        // Of several packets only the second is told.
        let is_one = self.rows == Rows::Packets || line.packets == 1;
        let time = if is_one { self.clock(unix_ns) } else { units::clock(unix_ns, 0, &self.screen.zone) };
        let (place, room) = (self.place(&line.first), live_row::room(&self.screen));
        self.rows.cells(line, &time, &place, room, self.is_polled())
    }

    fn clock(&self, unix_ns: i64) -> String {
        let digits = if live_row::is_narrow(&self.screen) { 0 } else { 6 };
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
    fn print_life(&mut self, item: &Attributed) -> io::Result<()> {
        let unix_ns = self.unix_ns(item.occurrence.time);
        self.print_day(unix_ns)?;
        self.print_heading()?;
        let time = self.clock(unix_ns);
        let owner = match owner::of(item.who.known(), live_row::room(&self.screen)) {
            owner if owner == "-" => String::new(),
            owner => format!(" of {owner}"),
        };
        let text = format!("{}{owner} {}", self.place(item), self.life(item));
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
    fn life(&self, item: &Attributed) -> String {
        let Occurrence { accept_queue, syn_queue, limit, what, .. } = item.occurrence;
        match what {
            What::Opened => format!("opened with backlog {limit}"),
            _ if self.is_polled() => "closed".to_owned(),
            _ => format!("closed with {accept_queue} unaccepted and {syn_queue} half-open"),
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
        self.print_second()?;
        let report = &judged.report;
        let title = title::of_run(report, None, &self.screen.zone);
        let observed = Observed::of(self.recording.as_deref());
        let mut lines = Vec::new();
        // Apart from what was printed second by second.
        lines.extend(self.has_heading.then(String::new));
        lines.push(painted(HEADING, &title));
        lines.extend(verdict::lines(judged, self.screen.columns, Length::Screen));
        lines.extend(beside_losses(report));
        lines.extend(audit_text::lines(report, observed, self.screen.columns));
        wrap::print(&lines, self.screen.columns, &mut self.out)
    }

    fn print_missed(&mut self, time: u64, count: u64) -> io::Result<()> {
        let unix_ns = self.unix_ns(time);
        self.print_day(unix_ns)?;
        let time = self.clock(unix_ns);
        let text = format!(
            "{} without a line: the ring buffer was full; the summary counts them",
            counted(count, "packet")
        );
        self.print_line(&format!("{time}  {}", painted(ALARM, &text)))
    }
}

impl<W: Write> View for LiveText<W> {
    fn take(&mut self, output: &Output<'_>) -> io::Result<()> {
        match output {
            Output::Began(session) => self.print_began(session),
            Output::Occurred(item) => self.take_in(item),
            Output::Missed { time, count, .. } => self.take_in_missed(*time, *count),
            Output::Interval(_) => Ok(()),
            Output::SoFar(judged) | Output::Ended { whole: judged, .. } => self.print_summary(judged),
        }
    }

    fn tick(&mut self) -> io::Result<()> {
        if self.second.tick() { self.print_second() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What of a second has no line of its own.
fn summed_up(rest: Rest) -> Vec<String> {
    let Rest { packets, are_losses, listeners, has_more_listeners, lives } = rest;
    let mut lines = Vec::new();
    if packets > 0 {
        let lost = if are_losses { " lost" } else { "" };
        let bound = if has_more_listeners { "at least " } else { "" };
        let listeners = counted(listeners.max(1) as u64, "listener");
        let packets = counted(packets, "more packet");
        lines.push(format!(
            "and {packets}{lost} on {bound}{listeners} in this second; --every has a line for each"
        ));
    }
    if lives > 0 {
        lines.push(format!("and {lives} times more a listener opened or closed in this second"));
    }
    lines
}

/// What is no loss, and what listeners took along when they closed, in one line.
fn beside_losses(report: &Report) -> Option<String> {
    let sum =
        |of: Class| report.listeners.iter().map(|listener| listener.packets(of)).fold(0, u64::saturating_add);
    let parts: Vec<String> = [
        (Class::Cookie, "SYN", "answered by SYN cookie"),
        (Class::Retransmit, "SYN+ACK", "sent again"),
        (Class::Expired, "half-open request", "given up or reset"),
    ]
    .into_iter()
    .filter_map(|(of, noun, what)| {
        let count = sum(of);
        (count > 0).then(|| format!("{} {what}", counted(count, noun)))
    })
    .collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
