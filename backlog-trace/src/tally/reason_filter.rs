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
    /// The union of `names`, each a `stage/reason` or a whole stage; none: all.
    ///
    /// # Errors
    /// [`Exit::Usage`] where a name is neither; the advice lists what is valid.
    pub fn parse(names: &[String]) -> Result<Self> {
        if names.is_empty() {
            return Ok(Self::default());
        }
        let mut wanted = 0;
        for name in names {
            let matching = TABLE.iter().filter(|row| row.name == name || row.reason.stage_name() == name);
            let bits = matching.fold(0, |bits, row| bits | bit(row.reason));
            if bits == 0 {
                return Err(unknown(name));
            }
            wanted |= bits;
        }
        Ok(Self { wanted })
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

fn unknown(name: &str) -> Failure {
    let mut stages: Vec<&str> = TABLE.iter().map(|row| row.reason.stage_name()).collect();
    stages.dedup();
    stages.sort_unstable();
    stages.dedup();
    let reasons: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
    Failure::new(Exit::Usage, format!("no reason and no stage is called {name:?}")).advise(format!(
        "stages: {}\n  reasons: {}",
        stages.join(", "),
        reasons.join(", ")
    ))
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
    fn no_name_means_every_reason() {
        let all: Vec<Reason> = TABLE.iter().map(|row| row.reason).collect();
        check(&[], &all);
        assert!(ReasonFilter::default().is_all());
    }

    #[test]
    fn an_unknown_name_is_answered_with_every_valid_one() {
        for name in ["sin", "", "syn/", "syn/accept", "/accept_queue_full"] {
            let failure =
                ReasonFilter::parse(&["syn".to_owned(), name.to_owned()]).expect_err("no such name");
            assert_eq!(failure.exit, Exit::Usage, "{name}");
            let advice = failure.advice.expect("an advice");
            assert!(TABLE.iter().all(|row| advice.contains(row.name)), "{advice}");
            assert!(advice.contains("stages: ack, cookie_ack, fastopen, listener, request, syn, synack"));
        }
    }
}
