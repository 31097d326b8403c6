//! The rows of `live`: packets that met the same on one listener, one line each
//! where the terminal is wide enough. It refuses to decide which packets those are.

use anstyle::Style;

use crate::event::Peer;

use super::grid::{Cell, Column, Grid};
use super::owner::{self, Room};
use super::paint::class;
use super::second::Line;
use super::{Screen, names, words};

/// Columns that a row of several packets takes; on a narrower terminal the second's
/// fraction is left out, and a row takes as many lines as it needs.
const WIDE: usize = 128;

/// Columns from which on a row has room for a process and its container.
const WIDE_OWNER: usize = 156;

/// The columns, each with the width that it starts with.
const COLUMNS: [Column; 10] = [
    Column::words("TIME", 15),
    Column::words("LISTENER", 14),
    Column::words("OWNER", 13),
    Column::numbers(PACKETS, 7),
    Column::words(CLIENTS, 7),
    Column::words(PEER, 20),
    Column::words("REASON", 22),
    Column::words("ACCEPT Q", 8),
    Column::words("SYN Q", 5),
    // Last, because it varies most: where there is no room for it, it alone stands on a line of its own.
    Column::words("OUTCOME", 14),
];

const PACKETS: &str = "PACKETS";
const CLIENTS: &str = "CLIENTS";
const PEER: &str = "PEER";

/// What a row stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rows {
    /// One packet, or as many as were polled at once.
    Packets,
    /// All packets of a second that met the same.
    Seconds,
}

impl Rows {
    /// Their columns on this terminal.
    pub(super) fn grid(self, screen: &Screen) -> Grid {
        let columns = COLUMNS.into_iter().filter(|column| self.has(column));
        let columns = columns.map(|column| match column.name {
            "TIME" if is_narrow(screen) => Column { width: 8, ..column },
            _ => column,
        });
        Grid::new(columns, screen.columns)
    }

    fn has(self, column: &Column) -> bool {
        match column.name {
            PACKETS | CLIENTS => self == Self::Seconds,
            PEER => self == Self::Packets,
            _ => true,
        }
    }

    /// The cells of a row, whose time and listener are `time` and `place`. Between two
    /// looks no SYN queue is seen, and no limit but the one that the book knows.
    pub(super) fn cells(
        self,
        line: &Line,
        time: &str,
        place: &str,
        room: Room,
        is_polled: bool,
    ) -> Vec<Cell> {
        let reason = line.met.reason;
        let known = line.first.who.known();
        let limit = if is_polled {
            known.and_then(|listener| listener.limit)
        } else {
            Some(line.first.occurrence.limit)
        };
        let limit = limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        let several = if self == Self::Packets && line.packets > 1 {
            format!(" x{}", line.packets)
        } else {
            String::new()
        };
        let cells = COLUMNS.iter().filter(|column| self.has(column)).map(|column| match column.name {
            "TIME" => time.to_owned(),
            "LISTENER" => place.to_owned(),
            "OWNER" => owner::of(known, room),
            PACKETS => line.packets.to_string(),
            CLIENTS => clients(line),
            PEER => names::peer(line.first.occurrence.peer),
            "REASON" => format!("{}{several}", reason.name()),
            "OUTCOME" => outcome(line),
            "SYN Q" if is_polled => "-".to_owned(),
            "SYN Q" => format!("{}/{limit}", line.syn_queue),
            _ => format!("{}/{limit}", line.accept_queue),
        });
        let style = |column: &Column| {
            if column.name == "REASON" { class(reason.row().class) } else { Style::new() }
        };
        let styles = COLUMNS.iter().filter(|column| self.has(column)).map(style);
        cells.zip(styles).collect()
    }
}

/// Whether a row has no room for the second's fraction.
pub(super) fn is_narrow(screen: &Screen) -> bool {
    screen.columns.is_some_and(|columns| columns < WIDE)
}

/// What of an owner there is room for.
pub(super) fn room(screen: &Screen) -> Room {
    Room::of(screen.columns, WIDE_OWNER)
}

/// The client where it is one, or how many they are.
fn clients(line: &Line) -> String {
    let count = line.clients.len();
    let only: Option<Peer> = line.clients.first().copied().filter(|_| count == 1);
    match (count, line.has_more_clients) {
        (0, false) => "-".to_owned(),
        (_, true) => format!("over {count}"),
        (1, false) => names::peer(only),
        (_, false) => count.to_string(),
    }
}

/// What the clients were told, or why we had to speak again and for which time.
fn outcome(line: &Line) -> String {
    let attempt = match line.attempts {
        [_, 0] => None,
        [least, most] if least == most => Some(format!("try {most}")),
        [least, most] => Some(format!("tries {least} to {most}")),
    };
    match (words::outcome(line.met), attempt) {
        (None, None) => "-".to_owned(),
        (None, Some(attempt)) => attempt,
        (Some(words), None) => words.to_owned(),
        (Some(words), Some(attempt)) => format!("{attempt}: {words}"),
    }
}
