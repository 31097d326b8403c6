//! Verdicts per kernel and scenario, the table of them, and the count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use crate::kernels::{Kernel, RUNGS};

/// What was run and how it came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Came out as expected.
    pub(crate) passed: u32,
    /// Did not, or is missing.
    pub(crate) failed: u32,
    /// Cannot run there, as listed.
    pub(crate) skipped: u32,
}

impl Count {
    /// Adds another count to this one.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// One check that fails with words.
    pub(crate) fn check<T>(&mut self, name: &str, result: anyhow::Result<T>) {
        match result {
            Ok(_) => self.passed += 1,
            Err(error) => {
                eprintln!("{name}: {error:#}");
                self.failed += 1;
            }
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// One line of `selftest --format json`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Scenario {
    /// `scenario`; other lines are not for us.
    #[serde(rename = "type")]
    kind: String,
    name: String,
    /// None where the tool did not come as far as to name one.
    rung: Option<String>,
    verdict: String,
    #[serde(default)]
    expected: serde_json::Value,
    #[serde(default)]
    seen: serde_json::Value,
    #[serde(default)]
    why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Fail,
    /// As listed for this kernel.
    Skip,
    /// A skip that nobody has listed.
    Unlisted,
    /// Other kernels have this scenario.
    Missing,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Skip => "skip",
            Self::Unlisted => "SKIP!",
            Self::Missing => "NONE!",
        }
    }
}

type Row = (String, String);

/// Kernel × rung × scenario.
#[derive(Debug, Default)]
pub(crate) struct Matrix {
    kernels: Vec<&'static str>,
    /// What kernels lack altogether: kernel and rung.
    lacks: BTreeSet<(&'static str, &'static str)>,
    cells: BTreeMap<Row, BTreeMap<&'static str, Verdict>>,
    /// Why a cell, or a whole kernel, is not as it should be.
    notes: Vec<String>,
    /// Kernels whose guest did not come to a regular end.
    broken: BTreeSet<&'static str>,
}

impl Matrix {
    /// Adds what one kernel's guest printed.
    pub(crate) fn add(&mut self, kernel: &Kernel, printed: &str) {
        self.meet(kernel);
        for (rung, skip) in RUNGS.into_iter().filter_map(|rung| Some((rung, kernel.lacks(rung)?))) {
            self.lacks.insert((kernel.version, rung));
            self.notes.push(format!("{} {rung} (skip): {}", kernel.version, skip.why));
        }
        for line in printed.lines().filter(|line| line.starts_with('{')) {
            match serde_json::from_str::<Scenario>(line) {
                Ok(scenario) if scenario.kind == "scenario" => self.add_scenario(kernel, scenario),
                // Other kinds of objects lack the fields; a scenario must not.
                Err(error) if line.contains("\"scenario\"") => {
                    self.break_kernel(kernel, &format!("a line cannot be read ({error}): {line}"));
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Whether any scenario was played on this rung of this kernel.
    pub(crate) fn has(&self, kernel: &Kernel, rung: &str) -> bool {
        self.cells.iter().any(|((_, own), cells)| own == rung && cells.contains_key(kernel.version))
    }

    /// A guest that did not end as it should.
    pub(crate) fn break_kernel(&mut self, kernel: &Kernel, why: &str) {
        self.broken.insert(kernel.version);
        self.notes.push(format!("{}: {why}", kernel.version));
    }

    /// A result from elsewhere than `selftest`.
    pub(crate) fn record(&mut self, kernel: &Kernel, name: &str, passed: bool, why: &str) {
        self.record_on("", kernel, name, passed, why);
    }

    /// The same of one rung.
    pub(crate) fn record_on(&mut self, rung: &str, kernel: &Kernel, name: &str, passed: bool, why: &str) {
        let verdict = if passed { Verdict::Pass } else { Verdict::Fail };
        if !passed {
            let on = if rung.is_empty() { String::new() } else { format!(" {rung}") };
            self.notes.push(format!("{} {name}{on}: {why}", kernel.version));
        }
        self.enter(rung, kernel, name, verdict);
    }

    /// What is not run on this kernel by this rung, and why.
    pub(crate) fn skip_on(&mut self, rung: &str, kernel: &Kernel, name: &str, why: &str) {
        self.notes.push(format!("{} {name} {rung} (skip): {why}", kernel.version));
        self.enter(rung, kernel, name, Verdict::Skip);
    }

    fn enter(&mut self, rung: &str, kernel: &Kernel, name: &str, verdict: Verdict) {
        self.meet(kernel);
        self.cells.entry((name.to_owned(), rung.to_owned())).or_default().insert(kernel.version, verdict);
    }

    /// A kernel of which anything is known has a column.
    fn meet(&mut self, kernel: &Kernel) {
        if !self.kernels.contains(&kernel.version) {
            self.kernels.push(kernel.version);
        }
    }

    fn add_scenario(&mut self, kernel: &Kernel, scenario: Scenario) {
        let rung = scenario.rung.unwrap_or_default();
        let listed = kernel.skips(&scenario.name, &rung);
        let verdict = match scenario.verdict.as_str() {
            "pass" => Verdict::Pass,
            "skip" if listed.is_some() => Verdict::Skip,
            "skip" => Verdict::Unlisted,
            _ => Verdict::Fail,
        };
        if matches!(verdict, Verdict::Fail | Verdict::Unlisted) {
            let why = scenario.why.unwrap_or_default();
            let (expected, seen) = (scenario.expected, scenario.seen);
            self.notes.push(format!(
                "{} {} {} ({}): expected {expected}, seen {seen}; {why}",
                kernel.version,
                scenario.name,
                rung,
                verdict.word()
            ));
        }
        if let (Verdict::Skip, Some(skip)) = (verdict, listed) {
            self.notes.push(format!("{} {} {} (skip): {}", kernel.version, skip.scenario, rung, skip.why));
        }
        let row = self.row(scenario.name, rung);
        self.cells.entry(row).or_default().insert(kernel.version, verdict);
    }

    /// A verdict without a rung belongs to the row that has one, whichever of
    /// the two comes first.
    fn row(&mut self, name: String, rung: String) -> Row {
        if rung.is_empty() {
            let known = self.cells.keys().find(|(known, _)| *known == name);
            return known.cloned().unwrap_or((name, rung));
        }
        let nameless = self.cells.remove(&(name.clone(), String::new())).unwrap_or_default();
        let row = (name, rung);
        self.cells.entry(row.clone()).or_default().extend(nameless);
        row
    }

    fn cell(&self, row: &Row, kernel: &str) -> Verdict {
        let lacking = self.lacks.iter().any(|(own, rung)| *own == kernel && *rung == row.1);
        let otherwise = if lacking { Verdict::Skip } else { Verdict::Missing };
        self.cells.get(row).and_then(|cells| cells.get(kernel)).copied().unwrap_or(otherwise)
    }

    /// Every cell counts, and so does every guest that broke.
    pub(crate) fn count(&self) -> Count {
        let mut count =
            Count { failed: u32::try_from(self.broken.len()).unwrap_or(u32::MAX), ..Count::default() };
        for row in self.cells.keys() {
            for kernel in &self.kernels {
                match self.cell(row, kernel) {
                    Verdict::Pass => count.passed += 1,
                    Verdict::Skip => count.skipped += 1,
                    Verdict::Fail | Verdict::Unlisted | Verdict::Missing => count.failed += 1,
                }
            }
        }
        count
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label =
            |(name, rung): &Row| if rung.is_empty() { name.clone() } else { format!("{name} ({rung})") };
        let width = self.cells.keys().map(|row| label(row).len()).max().unwrap_or(0).max(8);
        write!(f, "{:width$}", "scenario")?;
        for kernel in &self.kernels {
            write!(f, "  {kernel:5}")?;
        }
        writeln!(f)?;
        for row in self.cells.keys() {
            write!(f, "{:width$}", label(row))?;
            for kernel in &self.kernels {
                write!(f, "  {:5}", self.cell(row, kernel).word())?;
            }
            writeln!(f)?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Skip;

    const KERNEL: Kernel = Kernel {
        version: "1.0",
        suite: "",
        packages: &[],
        skips: &[Skip { scenario: "syn", rung: "kprobe", why: "no kprobes" }],
    };
    const OTHER: Kernel = Kernel { version: "2.0", suite: "", packages: &[], skips: &[] };

    const LACKING: Kernel = Kernel {
        version: "3.0",
        suite: "",
        packages: &[],
        skips: &[Skip { scenario: "", rung: "kprobe", why: "no kprobes" }],
    };

    fn line(name: &str, rung: &str, verdict: &str) -> String {
        format!(
            r#"{{"v":1,"type":"scenario","name":"{name}","rung":"{rung}","verdict":"{verdict}","expected":{{}},"seen":{{}}}}"#
        )
    }

    fn count(printed: &str) -> Count {
        let mut matrix = Matrix::default();
        matrix.add(&KERNEL, printed);
        matrix.count()
    }

    #[test]
    fn a_skip_must_be_listed_for_kernel_and_rung() {
        for (printed, passed, failed, skipped) in [
            (line("syn", "fentry", "pass"), 1, 0, 0),
            (line("syn", "fentry", "fail"), 0, 1, 0),
            (line("syn", "kprobe", "skip"), 0, 0, 1),
            (line("syn", "fentry", "skip"), 0, 1, 0),
            (line("ack", "kprobe", "skip"), 0, 1, 0),
            (line("syn", "fentry", "something new"), 0, 1, 0),
            (r#"{"type":"scenario","name":"syn","rung":null,"verdict":"fail"}"#.to_owned(), 0, 1, 0),
            ("talk\n{\"v\":1,\"type\":\"summary\"}".to_owned(), 0, 0, 0),
            ("{\"v\":1,\"type\":\"scenario\"}".to_owned(), 0, 1, 0),
        ] {
            assert_eq!(count(&printed), Count { passed, failed, skipped }, "{printed}");
        }
    }

    #[test]
    fn a_failure_without_a_rung_counts_once() {
        let nameless = r#"{"type":"scenario","name":"syn","rung":null,"verdict":"fail"}"#;
        let named = line("syn", "fentry", "pass");
        for (first, second) in [(nameless, named.as_str()), (named.as_str(), nameless)] {
            let mut matrix = Matrix::default();
            matrix.add(&KERNEL, first);
            matrix.add(&OTHER, second);
            assert_eq!(matrix.count(), Count { passed: 1, failed: 1, skipped: 0 }, "{matrix}");
        }
    }

    #[test]
    fn a_rung_that_a_kernel_lacks_is_skipped_once_it_is_listed() {
        let both = [line("syn", "fentry", "pass"), line("syn", "kprobe", "pass")].join("\n");
        for (second, counted) in [(&LACKING, (3, 0, 1)), (&OTHER, (3, 1, 0))] {
            let mut matrix = Matrix::default();
            matrix.add(&KERNEL, &both);
            matrix.add(second, &line("syn", "fentry", "pass"));
            let (passed, failed, skipped) = counted;
            assert_eq!(matrix.count(), Count { passed, failed, skipped }, "{matrix}");
            assert!(matrix.has(second, "fentry") && !matrix.has(second, "kprobe"));
        }
        let others: Vec<_> = RUNGS.into_iter().filter(|rung| *rung != "kprobe").collect();
        assert_eq!(LACKING.rungs().collect::<Vec<_>>(), others);
        assert_eq!(KERNEL.rungs().collect::<Vec<_>>(), RUNGS);
    }

    #[test]
    fn what_is_recorded_alone_counts() {
        let mut matrix = Matrix::default();
        matrix.record_on("fentry", &KERNEL, "soak", true, "");
        matrix.record_on("kprobe", &KERNEL, "soak", true, "");
        matrix.record_on("fentry", &OTHER, "soak", false, "late");
        assert_eq!(matrix.count(), Count { passed: 2, failed: 2, skipped: 0 }, "{matrix}");
        matrix.skip_on("kprobe", &OTHER, "soak", "by the best rung");
        assert_eq!(matrix.count(), Count { passed: 2, failed: 1, skipped: 1 }, "{matrix}");
    }

    #[test]
    fn what_one_kernel_lacks_has_failed_there() {
        let mut matrix = Matrix::default();
        matrix.add(&KERNEL, &line("syn", "fentry", "pass"));
        matrix.add(&OTHER, "");
        matrix.break_kernel(&OTHER, "panicked");
        assert_eq!(matrix.count(), Count { passed: 1, failed: 2, skipped: 0 });
        let shown = matrix.to_string();
        assert!(shown.contains("NONE!") && shown.contains("2.0: panicked"), "{shown}");
    }
}
