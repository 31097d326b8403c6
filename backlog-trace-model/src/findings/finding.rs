//! One finding.

use serde::Serialize;

use super::{Action, Kind};
use crate::tally::Who;

/// How sure a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The numbers allow nothing else.
    Certain,
    /// The numbers speak for it; what else they allow stands in the sentence.
    Likely,
}

/// A number that shows it.
#[derive(Clone, PartialEq, Debug)]
pub struct Fact {
    /// As in JSON, with its unit: `accepts_per_second`.
    pub name: &'static str,
    /// The number.
    pub number: Number,
}

/// A value of a fact.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Number {
    /// How many, or how long a queue.
    Count(u64),
    /// A rate or a time, to three digits after the point.
    Real(f64),
    /// One of a few words.
    Word(&'static str),
}

impl Fact {
    /// How many.
    pub const fn count(name: &'static str, value: u64) -> Self {
        Self { name, number: Number::Count(value) }
    }

    /// A rate or a time.
    pub fn real(name: &'static str, value: f64) -> Self {
        Self { name, number: Number::Real((value * 1000.0).round() / 1000.0) }
    }

    /// One of a few words.
    pub const fn word(name: &'static str, value: &'static str) -> Self {
        Self { name, number: Number::Word(value) }
    }
}

/// What is wrong with a listener, or that nothing is.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// How sure that is.
    pub certainty: Certainty,
    /// Which of the report's listeners, counted from 0; `None`: the host.
    pub at: Option<usize>,
    /// The same listener; `None`: the host.
    pub who: Option<Who>,
    /// What shows it, for a person: one sentence without a full stop. Harmless to a terminal.
    pub because: String,
    /// What shows it, for a program.
    pub facts: Vec<Fact>,
    /// What to do, the first thing first; what somebody chose is escaped.
    pub actions: Vec<Action>,
}
