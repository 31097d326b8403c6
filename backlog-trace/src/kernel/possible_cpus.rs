//! Which CPUs there can be and which run: `/sys/devices/system/cpu/{possible,online}`.
//!
//! A per-CPU map has one value for each *possible* CPU, in ascending order,
//! whether it is online or not. Refuses lists that no kernel writes: whoever can
//! mount over the file, as in a container, can write `0-4294967295` into it, and
//! `aya::util::online_cpus()` would take 16 GiB to list them. `aya::util::nr_cpus()` counts
//! possible CPUs and does not tell the highest number, by which the kernel side
//! indexes: they differ where numbers are left out (`0-3,8`).

use std::ops::RangeInclusive;
use std::path::Path;

use backlog_trace_model::failure::{Exit, Failure, Result};

/// CPU numbers as ascending ranges, such as `0-3,8`. Never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CpuList {
    ranges: Vec<RangeInclusive<u32>>,
}

/// More than any kernel's NR_CPUS (8192 on x86-64): a sanity bound.
const MOST: u32 = 1 << 20;

impl CpuList {
    /// CPUs that can exist while this kernel runs: per-CPU values have as many slots.
    ///
    /// # Errors
    /// `KernelUnable` where sysfs is not mounted or says something else.
    pub(crate) fn possible() -> Result<Self> {
        Self::read(Path::new("/sys/devices/system/cpu/possible"))
    }

    /// CPUs that run now.
    ///
    /// # Errors
    /// As [`CpuList::possible`].
    pub(crate) fn online() -> Result<Self> {
        Self::read(Path::new("/sys/devices/system/cpu/online"))
    }

    fn read(path: &Path) -> Result<Self> {
        let what = || format!("the list of CPUs cannot be read from {}", path.display());
        let text =
            std::fs::read_to_string(path).map_err(|error| unreadable(&format!("{}: {error}", what())))?;
        Self::parse(text.trim_end()).ok_or_else(|| unreadable(&format!("{}: it says '{text}'", what())))
    }

    /// Reads the kernel's list format (`Documentation/admin-guide/cputopology.rst`):
    /// ascending numbers and ranges, separated by commas.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            let ascends = ranges.last().is_none_or(|before| *before.end() < first);
            if first > last || last >= MOST || !ascends {
                return None;
            }
            ranges.push(first..=last);
        }
        Some(Self { ranges })
    }

    /// How many CPUs, at least 1.
    pub(crate) fn count(&self) -> usize {
        self.iter().count()
    }

    /// The highest CPU number: arrays indexed by CPU number need one slot more.
    pub(crate) fn highest(&self) -> u32 {
        self.ranges.last().map_or(0, |range| *range.end())
    }

    /// Every CPU number, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().cloned().flatten()
    }
}

fn unreadable(what: &str) -> Failure {
    Failure::new(Exit::KernelUnable, what).advise("mount sysfs on /sys")
}

fn number(digits: &str) -> Option<u32> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[u32]>) {
        let cpus = CpuList::parse(text).map(|list| list.iter().collect::<Vec<_>>());
        assert_eq!(cpus.as_deref(), expected, "{text}");
    }

    #[test]
    fn lists_are_numbers_and_ranges() {
        check("0", Some(&[0]));
        check("0-3", Some(&[0, 1, 2, 3]));
        check("0-1,4,6-7", Some(&[0, 1, 4, 6, 7]));
        for text in ["", ",", "0,", "-1", "1-", "3-1", "1,1", "2,0-1", "0-x", "+1", " 0", "0-4294967295"] {
            check(text, None);
        }
    }

    #[test]
    fn the_running_kernel_has_cpus() {
        let possible = CpuList::possible().unwrap();
        let online = CpuList::online().unwrap();
        assert!(online.count() >= 1 && online.count() <= possible.count());
        assert!(online.highest() <= possible.highest());
    }

    /// Writes a set the way the kernel's `%*pbl` does.
    fn written(cpus: &BTreeSet<u32>) -> String {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for cpu in cpus {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == *cpu => *last = *cpu,
                _ => runs.push((*cpu, *cpu)),
            }
        }
        let parts: Vec<_> = runs
            .iter()
            .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
            .collect();
        parts.join(",")
    }

    proptest! {
        #[test]
        fn any_set_is_read_as_it_was_written(cpus in prop::collection::btree_set(0..300u32, 1..80)) {
            let list = CpuList::parse(&written(&cpus)).unwrap();
            prop_assert_eq!(list.iter().collect::<BTreeSet<_>>(), cpus.clone());
            prop_assert_eq!(list.count(), cpus.len());
            prop_assert_eq!(Some(&list.highest()), cpus.last());
        }

        #[test]
        fn any_text_is_refused_or_read(text in "[-0-9, ,a]{0,24}") {
            if let Some(list) = CpuList::parse(&text) {
                prop_assert!(list.count() >= 1);
            }
        }
    }
}
