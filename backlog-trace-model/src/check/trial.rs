//! What `check` found out: what can be observed on this machine, and why not more.

use serde::Serialize;

use super::attempt::Tried;
use super::finding::{Finding, Grade};
use super::sources::{Reach, SourceState};

/// How much can be observed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything.
    Full,
    /// What the missing hooks and sources give is not.
    Reduced,
    /// Nothing by eBPF: something is missing that every observation needs.
    Nothing,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Kernel release, as in `uname -r`.
    pub kernel: String,
    /// What was looked at beside the hooks.
    pub findings: Vec<Finding>,
    /// Every hook.
    pub hooks: Vec<Tried>,
    /// What figures are read from beside the hooks.
    pub sources: Vec<SourceState>,
}

impl Trial {
    /// What follows from it.
    pub fn verdict(&self) -> Verdict {
        let missing =
            || self.hooks.iter().filter(|tried| tried.rung().is_none() && !tried.hook.row().on_request);
        if self.findings.iter().any(|finding| finding.grade == Grade::Unable)
            || missing().any(|tried| tried.hook.row().required)
        {
            Verdict::Nothing
        } else if missing().next().is_some() || self.sources.iter().any(|state| state.state != Reach::Whole) {
            Verdict::Reduced
        } else {
            Verdict::Full
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Attempt, Hook, Outcome};
    use crate::check::{Rung, Source};

    fn trial(missing: &[&str], grade: Grade) -> Trial {
        let tried = |hook: Hook| {
            let outcome = if missing.contains(&hook.name()) { Outcome::Refused } else { Outcome::Attached };
            let attempt = Attempt { rung: Rung::Fentry, outcome, why: None, advice: None };
            Tried { hook, attempts: vec![attempt] }
        };
        Trial {
            kernel: "6.1.0".to_owned(),
            findings: vec![Finding { subject: "maps", grade, what: String::new(), advice: None }],
            hooks: Hook::all().map(tried).collect(),
            sources: vec![SourceState::whole(Source::Netstat)],
        }
    }

    #[test]
    fn a_source_that_is_missing_reduces_what_can_be_observed() {
        let mut trial = trial(&[], Grade::Fine);
        trial.sources.push(SourceState::partial(Source::SockDiag, String::new()));
        assert_eq!(trial.verdict(), Verdict::Reduced);
    }

    #[test]
    fn the_verdict() {
        for (missing, grade, verdict) in [
            (&[][..], Grade::Fine, Verdict::Full),
            (&[], Grade::Reduced, Verdict::Full),
            (&["accept"], Grade::Fine, Verdict::Reduced),
            (&["accept", "cookie", "close", "synack"], Grade::Reduced, Verdict::Reduced),
            (&["syn"], Grade::Fine, Verdict::Nothing),
            (&["ack"], Grade::Fine, Verdict::Nothing),
            (&["listen", "accept"], Grade::Fine, Verdict::Nothing),
            (&[], Grade::Unable, Verdict::Nothing),
        ] {
            assert_eq!(trial(missing, grade).verdict(), verdict, "{missing:?} {grade:?}");
        }
    }
}
