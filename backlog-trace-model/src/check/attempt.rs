//! What came of trying to attach a hook.
//!
//! The best rung that the kernel takes is kept. A rung that is refused is
//! data: it is shown by `check`, and by every output as the reason why a hook
//! is missing or stands on a lesser rung.

use serde::Serialize;

use super::hook::Hook;
use super::rung::{HookState, Rung};

/// What came of one rung.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Its programs were attached.
    Attached,
    /// This kernel has not what it would be attached to.
    Absent,
    /// The kernel has it and refused.
    Refused,
    /// Something that every hook needs is missing.
    Untried,
}

/// One rung of one hook.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Attempt {
    /// The rung.
    pub rung: Rung,
    /// What came of it.
    pub outcome: Outcome,
    /// Why, where it is not attached: a sentence without a full stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What could be changed about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// One hook with each rung that was tried, best first; none after the first
/// that was attached.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The hook.
    pub hook: Hook,
    /// Its rungs.
    pub attempts: Vec<Attempt>,
}

impl Attempt {
    /// A rung that has no programs for this hook.
    pub fn without_programs(rung: Rung) -> Self {
        let why = format!("no {} shows this", rung.name());
        Self { rung, outcome: Outcome::Absent, why: Some(why), advice: None }
    }
}

impl Tried {
    /// The rung that is attached.
    pub fn rung(&self) -> Option<Rung> {
        self.attempts.iter().find(|attempt| attempt.outcome == Outcome::Attached).map(|attempt| attempt.rung)
    }

    /// `attached` or `missing`.
    pub fn state(&self) -> &'static str {
        if self.rung().is_some() { "attached" } else { "missing" }
    }

    /// Why it is missing, or not on a better rung.
    pub fn why(&self) -> Option<String> {
        join(self.attempts.iter().filter_map(|attempt| attempt.why.as_deref()))
    }

    /// What could be changed about that.
    pub fn advice(&self) -> Option<String> {
        join(self.attempts.iter().filter_map(|attempt| attempt.advice.as_deref()))
    }
}

impl From<&Tried> for HookState {
    fn from(tried: &Tried) -> Self {
        Self {
            hook: tried.hook.name().to_owned(),
            rung: tried.rung(),
            state: tried.state().to_owned(),
            why: tried.why(),
        }
    }
}

/// Each once, in one line; `None` where there is none.
pub fn join<T: AsRef<str>>(sentences: impl Iterator<Item = T>) -> Option<String> {
    let mut joined: Vec<T> = Vec::new();
    for sentence in sentences {
        if !joined.iter().any(|known| known.as_ref() == sentence.as_ref()) {
            joined.push(sentence);
        }
    }
    let joined: Vec<&str> = joined.iter().map(AsRef::as_ref).collect();
    (!joined.is_empty()).then(|| joined.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(rung: Rung, outcome: Outcome, why: &str) -> Attempt {
        Attempt { rung, outcome, why: (!why.is_empty()).then(|| why.to_owned()), advice: None }
    }

    #[track_caller]
    fn check(attempts: Vec<Attempt>, rung: Option<Rung>, state: &str, why: Option<&str>) {
        let tried = Tried { hook: Hook::Listen, attempts };
        let expected = HookState {
            hook: "listen".to_owned(),
            rung,
            state: state.to_owned(),
            why: why.map(str::to_owned),
        };
        assert_eq!(HookState::from(&tried), expected);
    }

    #[test]
    fn the_first_rung_that_holds_is_taken_and_each_better_one_explained() {
        let (fentry, kprobe) = (Rung::Fentry, Rung::Kprobe);
        check(vec![], None, "missing", None);
        check(vec![attempt(fentry, Outcome::Attached, "")], Some(fentry), "attached", None);
        let refused = attempt(fentry, Outcome::Refused, "not allowed");
        check(
            vec![refused.clone(), attempt(kprobe, Outcome::Attached, "")],
            Some(kprobe),
            "attached",
            Some("not allowed"),
        );
        let absent = attempt(kprobe, Outcome::Absent, "no such function");
        check(vec![refused.clone(), absent], None, "missing", Some("not allowed; no such function"));
        let same = attempt(kprobe, Outcome::Refused, "not allowed");
        check(vec![refused, same], None, "missing", Some("not allowed"));
    }
}
