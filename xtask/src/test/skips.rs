//! What could not be tested on this machine, and why: told in one list at the end.
//! Refuses to take it for passed, and in CI to let one go that nobody has listed.

use std::fmt;

use super::matrix::Count;

/// A part of a test, or a whole one, that cannot run in CI.
struct Listed {
    /// How the reason begins with which the test says it.
    why: &'static str,
    /// What CI's machine lacks, and where this is tested instead.
    because: &'static str,
}

/// Each is about the machine that CI is given: its kernel, its container.
const LISTED: [Listed; 9] = [
    Listed {
        why: "needs a kernel with Landlock",
        because: "a machine's own kernel may have none; those of the matrix from 6.12 on have it (guest_privileges)",
    },
    Listed { why: "needs a cgroup with the controller", because: "containers have their cgroups read-only" },
    Listed {
        why: "nobody may not trace any process here",
        because: "Yama or a sandbox of CI's machine forbids it; what is tested is who may trace where that is allowed",
    },
    Listed { why: "nothing can be observed here", because: "a container may not load eBPF; the guests do" },
    Listed {
        why: "nothing can be hooked here",
        because: "a container may not load eBPF; guest_sources plays it by each rung",
    },
    Listed { why: "no database of advisories", because: "CI may have no network" },
    Listed {
        why: "needs python3 with",
        because: "CI is promised no Python libraries; the rows are read back by the reader of the crate csv all the same",
    },
    Listed { why: "there is no C++ compiler", because: "CI is promised gcc alone" },
    Listed {
        why: "needs expected values for kernel",
        because: "the layout of a machine's own kernel is resolved all the same; those of the matrix have expected values",
    },
];

/// One of them, as its test said it.
#[derive(Debug)]
struct Skip {
    what: String,
    why: String,
}

/// What was skipped so far.
#[derive(Debug, Default)]
pub(super) struct Skips {
    skips: Vec<Skip>,
}

impl Skips {
    /// Something that could not be tested, in words.
    pub(super) fn add(&mut self, what: &str, why: &str) {
        self.skips.push(Skip { what: what.to_owned(), why: why.to_owned() });
    }

    /// The lines `skipped NAME: why` of a test program's standard error: libtest
    /// counts those tests as passed. Returns how many tests they are of, because
    /// one test may say it of several parts.
    pub(super) fn read(&mut self, program: &str, said: &str) -> u32 {
        let mut tests: Vec<&str> = Vec::new();
        for (name, why) in lines(said) {
            self.add(&format!("{program} {name}"), why);
            if !tests.contains(&name) {
                tests.push(name);
            }
        }
        u32::try_from(tests.len()).unwrap_or(u32::MAX)
    }

    /// Those that no row of the list covers.
    pub(super) fn unlisted(&self) -> u32 {
        let unlisted = self.skips.iter().filter(|skip| skip.listed().is_none()).count();
        u32::try_from(unlisted).unwrap_or(u32::MAX)
    }

    /// What counts as skipped, and where every skip must be listed, as failed.
    pub(super) fn count(&self, must_be_listed: bool) -> Count {
        let all = u32::try_from(self.skips.len()).unwrap_or(u32::MAX);
        let failed = if must_be_listed { self.unlisted() } else { 0 };
        Count { passed: 0, failed, skipped: all.saturating_sub(failed) }
    }
}

impl Skip {
    fn listed(&self) -> Option<&'static Listed> {
        LISTED.iter().find(|listed| self.why.starts_with(listed.why))
    }
}

/// Name and reason of each.
pub(super) fn lines(said: &str) -> impl Iterator<Item = (&str, &str)> {
    said.lines().filter_map(|line| line.trim_end().strip_prefix("skipped ")?.split_once(": "))
}

impl fmt::Display for Skips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.skips.is_empty() {
            return Ok(());
        }
        writeln!(f, "not tested here:")?;
        for skip in &self.skips {
            let because = skip.listed().map_or("not listed", |listed| listed.because);
            writeln!(f, "  {}: {} ({because})", skip.what, skip.why)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_could_not_run_says_so_in_a_line() {
        let mut skips = Skips::default();
        let said = "warning: skipped it\nskipped tests::root: needs root\nskipped: without a name\n\
                    skipped tests::limits: needs a cgroup with the controller pids\n\
                    skipped tests::limits: needs a cgroup with the controller memory\n";
        assert_eq!(skips.read("ends", said), 2);
        assert_eq!(skips.unlisted(), 1);
        let told = skips.to_string();
        assert!(told.contains("\n  ends tests::root: needs root (not listed)\n"), "{told}");
        assert!(told.contains("controller pids (containers have their cgroups read-only)"), "{told}");
    }

    #[test]
    fn one_that_nobody_has_listed_fails_where_all_must_be() {
        let mut skips = Skips::default();
        assert_eq!((skips.count(true), skips.to_string()), (Count::default(), String::new()));
        skips.add("confine::tests::fenced", "needs a kernel with Landlock");
        skips.add("confine::invoker::tests::groups", "needs root");
        assert_eq!(skips.count(false), Count { passed: 0, failed: 0, skipped: 2 });
        assert_eq!(skips.count(true), Count { passed: 0, failed: 1, skipped: 1 });
    }
}
