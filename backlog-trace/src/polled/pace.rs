//! How often to look: as often as it is worth, and no oftener than it costs
//! little. Pure.

use std::time::Duration;

/// The shortest time between two looks: the shorter a stretch, the fewer
/// listeners lose something in it and the less is left in doubt.
const SHORTEST: Duration = Duration::from_millis(100);

/// A look is followed by a rest of this many times the CPU that it took, so
/// that looking takes no more than 5 % of one CPU.
const REST: u32 = 19;

/// The pace of an observation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    report_every: Duration,
    took: Duration,
    /// The rest that was said last.
    said: Duration,
}

impl Pace {
    /// Of an observation that reports this often.
    pub(super) const fn new(report_every: Duration) -> Self {
        Self { report_every, took: Duration::ZERO, said: Duration::ZERO }
    }

    /// A look took this much CPU. One that took longer by chance counts for
    /// some looks, and for less with each.
    pub(super) fn took(&mut self, cpu: Duration) {
        self.took = if cpu > self.took { cpu } else { (self.took * 3 + cpu) / 4 };
    }

    /// How long to rest until the next look.
    pub(super) fn rest(&self) -> Duration {
        SHORTEST.min(self.report_every).max(self.took * REST)
    }

    /// Whether each report has a look of its own, taken for it.
    pub(super) fn has_one_for_each_report(&self) -> bool {
        self.rest() <= self.report_every
    }

    /// What to say where looks have become rarer than reports, or twice as rare
    /// as was said.
    pub(super) fn news(&mut self, listeners: usize) -> Option<String> {
        let rest = self.rest();
        if rest <= self.report_every || rest < self.said * 2 {
            return None;
        }
        self.said = rest;
        Some(format!(
            "a look at {listeners} listeners takes {} ms of CPU: without eBPF they are looked at every {:.1} s, \
             to take no more than 5 % of one CPU; what is lost shows up that much later",
            self.took.as_millis(),
            rest.as_secs_f64(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds of CPU that a look takes, the rest after it, and whether a
    /// report each second has a look of its own.
    #[track_caller]
    fn check(took: u64, rest: u64, own: bool) {
        let mut pace = Pace::new(Duration::from_secs(1));
        pace.took(Duration::from_millis(took));
        assert_eq!((pace.rest(), pace.has_one_for_each_report()), (Duration::from_millis(rest), own));
    }

    #[test]
    fn a_look_takes_a_twentieth_of_the_time_at_most() {
        check(0, 100, true);
        check(5, 100, true);
        check(20, 380, true);
        check(52, 988, true);
        check(60, 1140, false);
        check(300, 5700, false);
        // Reports that come faster than looks are due have looks as fast.
        let pace = Pace::new(Duration::from_millis(20));
        assert_eq!(pace.rest(), Duration::from_millis(20));
    }

    #[test]
    fn one_dear_look_is_forgotten_after_some_cheap_ones() {
        let mut pace = Pace::new(Duration::from_secs(1));
        pace.took(Duration::from_millis(200));
        for _ in 0..20 {
            pace.took(Duration::from_millis(2));
        }
        assert_eq!(pace.rest(), Duration::from_millis(100));
    }

    #[test]
    fn a_pace_that_is_rarer_than_reports_is_said_and_again_when_it_doubles() {
        let mut pace = Pace::new(Duration::from_secs(1));
        let mut says = |took| {
            pace.took(Duration::from_millis(took));
            pace.news(20_000)
        };
        assert_eq!(says(40), None);
        let sentence = says(100).unwrap();
        assert!(sentence.starts_with("a look at 20000 listeners takes 100 ms of CPU"), "{sentence}");
        assert!(sentence.contains("every 1.9 s"), "{sentence}");
        assert_eq!((says(120), says(199)), (None, None));
        assert!(says(200).is_some());
    }
}
