//! Turns events into outputs: the one place that owns a tally.

use std::time::Duration;

use super::Output;
use super::intervals::Intervals;
use crate::event::Event;
use crate::findings::Judged;
use crate::tally::{Report, Selection, Tally};

/// The tally of a run, and what of it was told.
#[derive(Debug)]
pub struct Reporter {
    tally: Tally,
    intervals: Intervals,
    /// Somebody asked for an interval (SIGUSR1).
    was_asked: bool,
    /// Details that were missed and told.
    missed: u64,
}

impl Reporter {
    /// Reports what is selected, in intervals of this length where one is given.
    pub fn new(selection: Selection, interval: Option<Duration>) -> Self {
        Self {
            tally: Tally::new(selection),
            intervals: Intervals::every(interval),
            was_asked: false,
            missed: 0,
        }
    }

    /// Takes in one event and gives what comes of it, in order.
    pub fn take(&mut self, event: &Event, give: &mut dyn FnMut(&Output<'_>)) {
        let occurred = self.tally.take(event);
        if let Event::Started(session) = event {
            self.intervals.begin(session.start);
            give(&Output::Began(session));
        }
        occurred.iter().for_each(|item| give(&Output::Occurred(item)));
        match event {
            Event::Snapshot(snapshot) => {
                self.tell_missed(give);
                if self.intervals.ends_at(snapshot.time) {
                    give(&Output::Interval(&Judged::of(self.tally.cut())));
                }
            }
            Event::Mark => {
                self.was_asked = true;
                give(&Output::Interval(&Judged::of(self.tally.cut())));
                give(&Output::SoFar(&Judged::of(self.tally.whole())));
            }
            Event::Started(_)
            | Event::Listener(_)
            | Event::Sources(_)
            | Event::Details(_)
            | Event::Finished => {}
        }
    }

    /// No event follows, whether or not the observation ended by itself. `gaps`
    /// are what a recording lacks, one sentence without a full stop each.
    pub fn end(mut self, gaps: &[String], give: &mut dyn FnMut(&Output<'_>)) {
        let in_intervals = self.intervals.are_wanted() || self.was_asked;
        let judged = |report| Judged::of(Report { gaps: gaps.to_vec(), ..report });
        let rest = (in_intervals && self.tally.has_interval()).then(|| judged(self.tally.cut()));
        let whole = judged(self.tally.whole());
        give(&Output::Ended { rest: rest.as_ref(), whole: &whole });
    }

    fn tell_missed(&mut self, give: &mut dyn FnMut(&Output<'_>)) {
        let (time, total) = (self.tally.time(), self.tally.missed());
        let count = total.saturating_sub(std::mem::replace(&mut self.missed, total));
        if count > 0 {
            give(&Output::Missed { time, count, total });
        }
    }
}
