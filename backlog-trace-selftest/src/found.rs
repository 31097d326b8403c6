//! A finding that a scenario must lead to, with the numbers that must show it.

use std::ops::RangeInclusive;

/// A finding of one listener.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// As in JSON.
    pub(crate) kind: &'static str,
    /// Numbers of its evidence, by name; others are not looked at.
    pub(crate) evidence: Vec<(&'static str, RangeInclusive<u32>)>,
    /// It depends on how fast the machine is, or on the rung: need not be found.
    pub(crate) perhaps: bool,
}

impl Found {
    /// A finding of this kind.
    pub(crate) const fn of(kind: &'static str) -> Self {
        Self { kind, evidence: Vec::new(), perhaps: false }
    }

    /// The same, which need not be found.
    pub(crate) const fn perhaps(kind: &'static str) -> Self {
        Self { kind, evidence: Vec::new(), perhaps: true }
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
