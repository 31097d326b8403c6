//! What `live` collects of one second: one line for each listener, reason and outcome.
//!
//! Lines stand in the order of their first packet, as in any log: times never go
//! back, `opened` stands before what was lost then, and who loses most begins
//! early anyway. Of more lines than a screen holds, those with the fewest packets are
//! summed up in one. It refuses to print, and to hold more than its bounds however
//! many listeners and clients there are.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use backlog_trace_common::reason::{Class, Reason};

use crate::event::{Met, Peer};
use crate::tally::{Attributed, Who};

/// Lines that a second prints, and as many of listeners that opened or closed: more
/// than anybody reads before the next second comes.
pub(super) const LINES: usize = 20;

/// Lines among which those with most packets are found.
pub(super) const TRACKED: usize = 1024;

/// Clients that are told apart in one second, on all listeners together.
pub(super) const CLIENTS: usize = 16_384;

/// Ticks, of which two make a second, after which a second is over whether or not
/// anything follows: the first may come right after it began.
const TICKS: u8 = 3;

/// Packets of one second that met the same on the same listener.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The first of them.
    pub(super) first: Attributed,
    /// What it met.
    pub(super) met: Met,
    /// How many they are.
    pub(super) packets: u64,
    /// Their clients, as far as they are known and counted.
    pub(super) clients: BTreeSet<Peer>,
    /// There are more clients.
    pub(super) has_more_clients: bool,
    /// Length of the accept queue, at most.
    pub(super) accept_queue: u32,
    /// Length of the SYN queue, at most.
    pub(super) syn_queue: u32,
    /// The first and the last try, of what is sent again.
    pub(super) attempts: [u8; 2],
}

/// What a second tells.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// Packets.
    Met(Box<Line>),
    /// A listener opened or closed.
    Life(Attributed),
}

/// What a second has no lines for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Rest {
    /// Packets.
    pub(super) packets: u64,
    /// All of those packets are losses.
    pub(super) are_losses: bool,
    /// The listeners of those packets.
    pub(super) listeners: usize,
    /// There are more listeners.
    pub(super) has_more_listeners: bool,
    /// How often a listener opened or closed.
    pub(super) lives: u64,
}

/// All of one second.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) entries: Vec<Entry>,
    pub(super) rest: Rest,
    /// When it was known (`CLOCK_MONOTONIC`, ns) how many packets the ring buffer had
    /// no room for.
    pub(super) missed: Option<(u64, u64)>,
}

/// Collects a second.
#[derive(Debug, Default)]
pub(super) struct Second {
    /// Which second of Unix time; none where nothing was collected.
    at: Option<i64>,
    ticks: u8,
    entries: Vec<Entry>,
    /// Whose line of which reason, outcome and cause (by their numbers) stands where.
    places: HashMap<(Of, Reason, u8, u8), usize>,
    clients: usize,
    lives: usize,
    /// Of lines beyond those that are tracked.
    rest: Rest,
    missed: Option<(u64, u64)>,
}

/// Whose line it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Of {
    /// Its number in the book.
    Known(u32),
    /// Key, namespace and port of one that is not in the book.
    Unknown(u64, u32, u16),
}

impl Of {
    fn new(item: &Attributed) -> Self {
        let occurrence = &item.occurrence;
        match &item.who {
            Who::Known(listener) => Self::Known(listener.id),
            Who::Unknown { .. } | Who::Closed { .. } => {
                Self::Unknown(occurrence.listener, occurrence.netns, occurrence.port)
            }
        }
    }
}

impl Second {
    /// Whether what happens in this second is told apart from what was collected. What
    /// waited for the name of its listener comes up to a second late and joins.
    pub(super) fn is_over_at(&self, second: i64) -> bool {
        self.at.is_some_and(|at| second > at || second < at.saturating_sub(1))
    }

    /// Half a second has passed: whether the second that was collected is over.
    pub(super) fn tick(&mut self) -> bool {
        if self.at.is_none() {
            return false;
        }
        self.ticks = self.ticks.saturating_add(1);
        self.ticks >= TICKS
    }

    /// A packet met something.
    pub(super) fn add_met(&mut self, second: i64, item: &Attributed, met: Met) {
        self.at.get_or_insert(second);
        let key = (Of::new(item), met.reason, met.outcome as u8, met.cause as u8);
        if let Some(Entry::Met(line)) = self.places.get(&key).and_then(|place| self.entries.get_mut(*place)) {
            line.join(item, met, &mut self.clients);
        } else if self.places.len() < TRACKED {
            self.places.insert(key, self.entries.len());
            let mut line = Line::begin(item, met);
            line.join(item, met, &mut self.clients);
            self.entries.push(Entry::Met(Box::new(line)));
        } else {
            let is_loss = met.reason.row().class == Class::Loss;
            self.rest.are_losses = is_loss && (self.rest.packets == 0 || self.rest.are_losses);
            self.rest.packets = self.rest.packets.saturating_add(met.packets());
            self.rest.has_more_listeners = true;
        }
    }

    /// A listener opened or closed.
    pub(super) fn add_life(&mut self, second: i64, item: &Attributed) {
        self.at.get_or_insert(second);
        if self.lives < LINES {
            self.lives += 1;
            self.entries.push(Entry::Life(item.clone()));
        } else {
            self.rest.lives = self.rest.lives.saturating_add(1);
        }
    }

    /// The ring buffer had no room for so many packets.
    pub(super) fn add_missed(&mut self, second: i64, time: u64, count: u64) {
        self.at.get_or_insert(second);
        let (_, before) = self.missed.unwrap_or_default();
        self.missed = Some((time, before.saturating_add(count)));
    }

    /// What was collected; from here on another second is.
    pub(super) fn take(&mut self) -> Told {
        let Self { entries, rest, missed, .. } = std::mem::take(self);
        let (entries, rest) = shown(entries, rest);
        Told { entries, rest, missed }
    }
}

/// The lines that are printed, and the sum of the others.
fn shown(entries: Vec<Entry>, mut rest: Rest) -> (Vec<Entry>, Rest) {
    let mut ranks: Vec<(bool, Reverse<u64>, usize)> = entries
        .iter()
        .enumerate()
        .filter_map(|(place, entry)| match entry {
            Entry::Met(line) => Some((!line.is_loss(), Reverse(line.packets), place)),
            Entry::Life(_) => None,
        })
        .collect();
    ranks.sort_unstable();
    let left_out: HashSet<usize> = ranks.iter().skip(LINES).map(|(.., place)| *place).collect();
    let mut listeners = HashSet::new();
    let mut printed = Vec::new();
    for (place, entry) in entries.into_iter().enumerate() {
        match entry {
            Entry::Met(line) if left_out.contains(&place) => {
                rest.are_losses = line.is_loss() && (rest.packets == 0 || rest.are_losses);
                rest.packets = rest.packets.saturating_add(line.packets);
                listeners.insert(Of::new(&line.first));
            }
            entry => printed.push(entry),
        }
    }
    rest.listeners = listeners.len();
    (printed, rest)
}

impl Line {
    /// A line of one packet alone.
    pub(super) fn alone(item: &Attributed, met: Met) -> Self {
        let mut line = Self::begin(item, met);
        line.join(item, met, &mut 0);
        line
    }

    /// A line to which no packet has been added yet.
    fn begin(item: &Attributed, met: Met) -> Self {
        Self {
            first: item.clone(),
            met,
            packets: 0,
            clients: BTreeSet::new(),
            has_more_clients: false,
            accept_queue: 0,
            syn_queue: 0,
            attempts: [met.attempt; 2],
        }
    }

    fn join(&mut self, item: &Attributed, met: Met, clients: &mut usize) {
        let occurrence = &item.occurrence;
        self.packets = self.packets.saturating_add(met.packets());
        self.accept_queue = self.accept_queue.max(occurrence.accept_queue);
        self.syn_queue = self.syn_queue.max(occurrence.syn_queue);
        let [least, most] = self.attempts;
        self.attempts = [least.min(met.attempt), most.max(met.attempt)];
        let Some(peer) = occurrence.peer else { return };
        if *clients < CLIENTS {
            *clients += usize::from(self.clients.insert(peer));
        } else {
            self.has_more_clients |= !self.clients.contains(&peer);
        }
    }

    fn is_loss(&self) -> bool {
        self.met.reason.row().class == Class::Loss
    }
}

#[cfg(test)]
mod tests;
