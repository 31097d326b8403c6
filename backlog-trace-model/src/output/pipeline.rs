//! One observation, or one replay: a reporter and whoever takes its outputs.

use std::time::Duration;

use super::{Consumer, End, Output, Reporter, Wants};
use crate::event::Event;
use crate::failure::{Failure, Result};
use crate::tally::Selection;

/// Events go in; consumers get them, and the outputs that come of them.
pub struct Pipeline<'a> {
    reporter: Reporter,
    consumers: Consumers<'a>,
}

struct Consumers<'a> {
    all: Vec<Member<'a>>,
    /// The first one: what follows from it is not worth telling.
    failure: Option<Failure>,
}

struct Member<'a> {
    consumer: &'a mut dyn Consumer,
    wants: Wants,
}

impl<'a> Pipeline<'a> {
    /// Reports what is selected, in intervals of this length where one is given.
    pub fn new(
        selection: Selection,
        interval: Option<Duration>,
        consumers: Vec<&'a mut dyn Consumer>,
    ) -> Self {
        let member = |consumer| Member { consumer, wants: Wants::More };
        let all = consumers.into_iter().map(member).collect();
        Self { reporter: Reporter::new(selection, interval), consumers: Consumers { all, failure: None } }
    }

    /// Comes first: see [`Consumer::prepare`].
    ///
    /// # Errors
    /// That of the first consumer that cannot begin; those before it have begun.
    pub fn prepare(&mut self) -> Result<()> {
        self.consumers.all.iter_mut().try_for_each(|member| member.consumer.prepare())
    }

    /// Takes an event.
    pub fn take(&mut self, event: &Event) {
        let Self { reporter, consumers } = self;
        consumers.who_want_more(|consumer| consumer.hear(event));
        reporter.take(event, &mut |output| consumers.who_want_more(|consumer| consumer.take(output)));
        consumers.who_want_more(|consumer| consumer.flush());
    }

    /// Some time has passed: see [`Consumer::tick`].
    pub fn tick(&mut self) {
        self.consumers.who_want_more(|consumer| consumer.tick());
    }

    /// Something failed that no consumer can know of.
    pub fn fail(&mut self, failure: Failure) {
        self.consumers.failure.get_or_insert(failure);
    }

    /// Whether nothing that follows is of use to anybody: a consumer failed, or
    /// none goes on.
    pub fn is_over(&self) -> bool {
        self.consumers.failure.is_some()
            || self.consumers.all.iter().all(|member| member.wants == Wants::NoMore)
    }

    /// No event follows. `gaps`: see [`Reporter::end`].
    ///
    /// # Errors
    /// What failed first, now or before.
    pub fn end(self, gaps: &[String], end: End) -> Result<()> {
        let Self { reporter, mut consumers } = self;
        let mut give =
            |output: &Output<'_>| consumers.all_of_them(|consumer| consumer.take(output).map(drop));
        reporter.end(gaps, &mut give);
        consumers.all_of_them(|consumer| consumer.end(end));
        consumers.failure.map_or(Ok(()), Err)
    }
}

impl Consumers<'_> {
    fn who_want_more(&mut self, mut give: impl FnMut(&mut dyn Consumer) -> Result<Wants>) {
        for member in self.all.iter_mut().filter(|member| member.wants == Wants::More) {
            match give(member.consumer) {
                Ok(wants) => member.wants = wants,
                Err(failure) => {
                    self.failure.get_or_insert(failure);
                }
            }
        }
    }

    /// Also those who want no more: a result may be of use where what led to it is not.
    fn all_of_them(&mut self, mut give: impl FnMut(&mut dyn Consumer) -> Result<()>) {
        for member in &mut self.all {
            if let Err(failure) = give(member.consumer) {
                self.failure.get_or_insert(failure);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::Snapshot;
    use crate::failure::Exit;

    /// Writes down what it is given; says no more or fails as it is told to.
    #[derive(Default)]
    struct Witness {
        given: Vec<&'static str>,
        leaves_at: Option<&'static str>,
        fails_at: Option<&'static str>,
    }

    impl Witness {
        fn note(&mut self, what: &'static str) -> Result<Wants> {
            self.given.push(what);
            if self.fails_at == Some(what) {
                return Err(Failure::new(Exit::OutputFailed, what));
            }
            Ok(if self.leaves_at == Some(what) { Wants::NoMore } else { Wants::More })
        }
    }

    impl Consumer for Witness {
        fn prepare(&mut self) -> Result<()> {
            self.note("prepare").map(drop)
        }
        fn hear(&mut self, event: &Event) -> Result<Wants> {
            self.note(if matches!(event, Event::Mark) { "mark" } else { "event" })
        }
        fn take(&mut self, output: &Output<'_>) -> Result<Wants> {
            self.note(match output {
                Output::Began(_) => "began",
                Output::Occurred(_) => "occurred",
                Output::Missed { .. } => "missed",
                Output::Interval(_) => "interval",
                Output::SoFar(_) => "so far",
                Output::Ended { rest: None, .. } => "ended",
                Output::Ended { rest: Some(_), .. } => "ended with a rest",
            })
        }
        fn tick(&mut self) -> Result<Wants> {
            self.note("tick")
        }
        fn end(&mut self, end: End) -> Result<()> {
            self.note(if end.interrupted { "end by a signal" } else { "end" }).map(drop)
        }
    }

    fn snapshot(time: u64, details_missed: u64) -> Event {
        Event::Snapshot(Arc::new(Snapshot { time, details_missed, ..Snapshot::default() }))
    }

    fn run(consumers: Vec<&mut dyn Consumer>) -> (bool, Result<()>) {
        let mut pipeline = Pipeline::new(Selection::default(), Some(Duration::from_nanos(10)), consumers);
        pipeline.prepare().unwrap();
        pipeline.take(&snapshot(10, 3));
        pipeline.tick();
        pipeline.take(&Event::Mark);
        pipeline.take(&snapshot(21, 3));
        pipeline.take(&snapshot(25, 3));
        let is_over = pipeline.is_over();
        (is_over, pipeline.end(&[], End { interrupted: true }))
    }

    /// What whoever stays gets.
    const ALL: [&str; 11] = [
        "prepare",
        "event",
        "missed",
        "tick",
        "mark",
        "interval",
        "so far",
        "event",
        "interval",
        "event",
        "ended with a rest",
    ];

    fn all() -> Vec<&'static str> {
        ALL.into_iter().chain(["end by a signal"]).collect()
    }

    #[test]
    fn every_consumer_gets_everything_in_order() {
        let (mut one, mut other) = (Witness::default(), Witness::default());
        let (is_over, result) = run(vec![&mut one, &mut other]);
        assert!(!is_over && result.is_ok());
        assert_eq!(one.given, all());
        assert_eq!(other.given, all());
    }

    #[test]
    fn who_wants_no_more_gets_the_end_and_the_others_all() {
        let (mut one, mut other) =
            (Witness { leaves_at: Some("tick"), ..Witness::default() }, Witness::default());
        let (is_over, result) = run(vec![&mut one, &mut other]);
        assert!(!is_over && result.is_ok());
        assert_eq!(one.given, ["prepare", "event", "missed", "tick", "ended with a rest", "end by a signal"]);
        assert_eq!(other.given, all());
        let mut alone = Witness { leaves_at: Some("mark"), ..Witness::default() };
        assert!(run(vec![&mut alone]).0, "where nobody goes on it is over");
    }

    #[test]
    fn a_failure_is_told_and_the_others_come_to_their_end() {
        let (mut one, mut other) =
            (Witness { fails_at: Some("mark"), ..Witness::default() }, Witness::default());
        let (is_over, result) = run(vec![&mut one, &mut other]);
        assert!(is_over && result.unwrap_err().what == "mark");
        assert_eq!(other.given, all());
    }
}
