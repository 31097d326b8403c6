//! What ends a scenario or the whole selftest: what failed, why, and what to
//! do now.
//!
//! Knows no exit codes: whoever runs the selftest has those.

use std::fmt;

/// What kind of thing failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// None of the others: a scenario did not go as it was built, or the tool
    /// did not answer.
    Unexpected,
    /// A scenario or a program is named that does not exist.
    Usage,
    /// A privilege is missing without which no scenario can be played.
    NotPermitted,
    /// This kernel can play none, or not the one that was asked for.
    KernelUnable,
    /// This kernel cannot play this one scenario, as playing it showed.
    ScenarioUnable,
    /// The results cannot be written.
    OutputFailed,
    /// A program that takes part cannot be started.
    NotStarted,
}

/// A failure as sentences. They quote what programs said: whoever prints them
/// must escape them.
#[derive(Debug)]
pub struct Failure {
    /// What kind of thing failed.
    pub kind: Kind,
    /// What failed and why: one sentence without a full stop.
    pub what: String,
    /// What to do now, where there is something to do.
    pub advice: Option<String>,
}

/// Result of anything that can end a scenario.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure without advice yet.
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), advice: None }
    }

    /// The same with what to do now.
    pub(crate) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// An operation that should have gone well and did not.
    pub(crate) fn unexpected(what: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::new(Kind::Unexpected, format!("{}: {cause}", what.into()))
    }
}

/// As the cause of another failure.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}
