//! `--reason`: which reasons are shown.

use backlog_trace_common::reason::{Reason, TABLE};

use crate::failure::{Exit, Failure, Result};

/// A set of reasons. The default holds all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReasonFilter {
    /// Bit n: the reason with number n.
    wanted: u32,
}

impl Default for ReasonFilter {
    fn default() -> Self {
        Self { wanted: u32::MAX }
    }
}

impl ReasonFilter {
    /// The union of `names`, each a `stage/reason` or a whole stage in any case; none: all.
    ///
    /// # Errors
    /// [`Exit::Usage`] where a name is neither; the advice names what is like it.
    pub fn parse(names: &[String]) -> Result<Self> {
        if names.is_empty() {
            return Ok(Self::default());
        }
        let mut wanted = 0;
        for name in names {
            let name = &name.to_lowercase();
            let is_named = |known: &str| known == name;
            let matching = TABLE.iter().filter(|row| is_named(row.name) || is_named(row.reason.stage_name()));
            let bits = matching.fold(0, |bits, row| bits | bit(row.reason));
            if bits == 0 {
                return Err(unknown(name));
            }
            wanted |= bits;
        }
        Ok(Self { wanted })
    }

    /// What `--help` says of them: every name.
    pub fn help() -> String {
        let of = |stage| TABLE.iter().filter(move |row| row.reason.stage_name() == stage).map(|row| row.name);
        let line = |stage| format!("\n{stage}: {}", of(stage).collect::<Vec<_>>().join(", "));
        let intro = "Only this reason, or a whole stage (repeatable). What each means: docs/reasons.md";
        std::iter::once(intro.to_owned()).chain(stages().into_iter().map(line)).collect()
    }

    /// Whether a reason is in the set.
    pub const fn wants(self, reason: Reason) -> bool {
        self.wanted & bit(reason) != 0
    }

    /// Whether every reason is in the set.
    pub const fn is_all(self) -> bool {
        self.wanted == u32::MAX
    }
}

const fn bit(reason: Reason) -> u32 {
    1 << (reason as u32)
}

/// Stages, each once, in the table's order.
fn stages() -> Vec<&'static str> {
    let mut stages = Vec::new();
    for row in TABLE {
        let stage = row.reason.stage_name();
        if !stages.contains(&stage) {
            stages.push(stage);
        }
    }
    stages
}

fn unknown(name: &str) -> Failure {
    let known = || stages().into_iter().chain(TABLE.iter().map(|row| row.name));
    let mut near: Vec<&str> = known().filter(|known| part_of(known) == name).collect();
    if near.is_empty() {
        // As clap does for options, but by a measure that weighs the beginning: the stage.
        let best = known()
            .map(|known| (if name.contains('/') { known } else { part_of(known) }, known))
            .map(|(compared, known)| (strsim::jaro_winkler(name, compared), known))
            .filter(|(likeness, _)| *likeness > 0.7)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        near.extend(best.map(|(_, known)| known));
    }
    let guess = if near.is_empty() { String::new() } else { format!("did you mean {}? ", near.join(" or ")) };
    Failure::new(Exit::Usage, format!("no reason and no stage is called {name:?}"))
        .advise(format!("{guess}'backlog-trace hist --help' lists them"))
}

/// What follows the stage: `accept_queue_full`.
fn part_of(known: &str) -> &str {
    known.split_once('/').map_or(known, |(_, part)| part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], wanted: &[Reason]) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let filter = ReasonFilter::parse(&names).expect("valid names");
        let chosen: Vec<Reason> =
            TABLE.iter().map(|row| row.reason).filter(|reason| filter.wants(*reason)).collect();
        assert_eq!(chosen, wanted);
    }

    #[test]
    fn names_and_stages() {
        check(&["syn/accept_queue_full"], &[Reason::SynAcceptQueueFull]);
        check(&["ack"], &[Reason::AckAcceptQueueFull, Reason::AckChildFailed, Reason::AckListenerClosed]);
        check(
            &["synack", "listener/closed"],
            &[Reason::SynackRetransmit, Reason::SynackExpired, Reason::ListenerClosed],
        );
    }

    #[test]
    fn names_are_taken_in_any_case() {
        check(&["SYN/Accept_Queue_Full"], &[Reason::SynAcceptQueueFull]);
        check(
            &["SynAck", "LISTENER/CLOSED"],
            &[Reason::SynackRetransmit, Reason::SynackExpired, Reason::ListenerClosed],
        );
        check_unknown("SIN", Some("syn"));
    }

    #[test]
    fn no_name_means_every_reason() {
        let all: Vec<Reason> = TABLE.iter().map(|row| row.reason).collect();
        check(&[], &all);
        assert!(ReasonFilter::default().is_all());
    }

    #[track_caller]
    fn check_unknown(name: &str, guess: Option<&str>) {
        let failure = ReasonFilter::parse(&["syn".to_owned(), name.to_owned()]).expect_err("no such name");
        assert_eq!(failure.exit, Exit::Usage, "{name}");
        let advice = failure.advice.expect("an advice");
        let guess = guess.map_or(String::new(), |guess| format!("did you mean {guess}? "));
        assert_eq!(advice, format!("{guess}'backlog-trace hist --help' lists them"), "{name}");
    }

    #[test]
    fn a_mistyped_name_is_answered_with_the_one_that_was_meant() {
        check_unknown("sin", Some("syn"));
        check_unknown("syn/accept_queue_ful", Some("syn/accept_queue_full"));
        check_unknown("cookie_ak", Some("cookie_ack"));
        check_unknown("syn/queue_full", Some("syn/syn_queue_full"));
        check_unknown("retransmits", Some("synack/retransmit"));
        check_unknown(
            "child_failed",
            Some("ack/child_failed or cookie_ack/child_failed or fastopen/child_failed"),
        );
        check_unknown("", None);
        check_unknown("zzz", None);
    }

    #[test]
    fn help_lists_every_name() {
        let help = ReasonFilter::help();
        assert!(TABLE.iter().all(|row| help.contains(row.name)), "{help}");
    }
}
