//! The stages of `cargo xtask test`: which there are, how long each took, and
//! what runs it alone.

use std::fmt;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::kernels::Kernel;

/// What can be run alone. In the order in which they run: what is quick first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(crate) enum Stage {
    /// Format, lints, licences, whether the fuzz targets build.
    Sources,
    /// The workspace's test programs and the documentation's examples.
    Programs,
    /// Every scenario and a short soak on this machine's own kernel.
    Here,
    /// How long a start takes beside a thousand listeners.
    Scale,
    /// Every scenario by each rung, on each kernel.
    Scenarios,
    /// The test programs for guests, on each kernel.
    Guests,
    /// Each kernel under each state of lockdown.
    Lockdown,
    /// A short soak on each kernel.
    Soak,
    /// Scenarios drawn by chance, on guests with more processors.
    Random,
}

impl Stage {
    /// Whether it needs no other kernel than this machine's.
    pub(crate) fn is_native(self) -> bool {
        self < Self::Scenarios
    }

    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// The stages that were asked for, and how long each took.
#[derive(Debug)]
pub(crate) struct Stages {
    chosen: Vec<Stage>,
    /// For the commands that run one alone.
    kernels: Vec<&'static str>,
    took: Vec<(Stage, Duration)>,
}

impl Stages {
    /// Those that are chosen: all where none is named. `kernels` were named.
    pub(crate) fn new(named: &[Stage], kernels: &[&'static Kernel], wanted: impl Fn(Stage) -> bool) -> Self {
        let all = Stage::value_variants().iter().copied();
        let chosen = all.filter(|stage| (named.is_empty() || named.contains(stage)) && wanted(*stage));
        Self {
            chosen: chosen.collect(),
            kernels: kernels.iter().map(|kernel| kernel.version).collect(),
            took: Vec::new(),
        }
    }

    /// Whether any of those that need guests is chosen.
    pub(crate) fn any_in_guests(&self) -> bool {
        self.chosen.iter().any(|stage| !stage.is_native())
    }

    /// Runs a stage if it is chosen.
    pub(crate) fn run<T>(&mut self, stage: Stage, work: impl FnOnce() -> T) -> Option<T> {
        self.chosen.contains(&stage).then(|| {
            let started = Instant::now();
            let result = work();
            self.took.push((stage, started.elapsed()));
            result
        })
    }
}

impl fmt::Display for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kernels: String = self.kernels.iter().map(|kernel| format!(" --kernel {kernel}")).collect();
        writeln!(f, "{:10} {:>8}  alone", "stage", "took")?;
        for (stage, took) in &self.took {
            let of = if stage.is_native() { "" } else { kernels.as_str() };
            let name = stage.name();
            writeln!(f, "{name:10} {:6.0} s  cargo xtask test {name}{of}", took.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::MATRIX;

    #[test]
    fn what_is_named_runs_and_is_told_with_its_command() {
        let mut stages = Stages::new(&[Stage::Lockdown, Stage::Sources], &[&MATRIX[0]], |_| true);
        assert_eq!(stages.run(Stage::Sources, || 1), Some(1));
        assert_eq!(stages.run(Stage::Here, || 2), None);
        assert_eq!(stages.run(Stage::Lockdown, || 3), Some(3));
        let told = stages.to_string();
        assert!(told.contains("  cargo xtask test sources\n"), "{told}");
        assert!(told.contains("  cargo xtask test lockdown --kernel 5.10\n"), "{told}");
        assert!(!told.contains("here"), "{told}");
    }

    #[test]
    fn all_run_where_none_is_named() {
        let native = Stages::new(&[], &[], Stage::is_native);
        assert!(native.chosen.contains(&Stage::Here) && !native.any_in_guests());
        let all = Stages::new(&[], &[], |_| true);
        assert_eq!(all.chosen, Stage::value_variants());
    }
}
