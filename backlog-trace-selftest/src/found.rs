//! A finding that a scenario must lead to, with the numbers that must show it.

use std::ops::RangeInclusive;

/// A finding of one listener.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// As in JSON.
    pub(crate) kind: &'static str,
    /// Numbers of its evidence, by name; others are not looked at.
    pub(crate) evidence: Vec<(&'static str, RangeInclusive<u32>)>,
}

impl Found {
    /// A finding of this kind.
    pub(crate) const fn of(kind: &'static str) -> Self {
        Self { kind, evidence: Vec::new() }
    }

    /// Its evidence has this number.
    pub(crate) fn with(self, name: &'static str, number: u32) -> Self {
        self.within(name, number..=number)
    }

    /// Its evidence has a number in these bounds.
    pub(crate) fn within(mut self, name: &'static str, bounds: RangeInclusive<u32>) -> Self {
        self.evidence.push((name, bounds));
        self
    }
}
