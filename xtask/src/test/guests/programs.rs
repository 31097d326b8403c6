//! The test programs made for guests, whose verdict is their exit status.

use super::super::matrix::Matrix;
use super::super::skips;
use super::{Guests, PROCESSORS, status};
use crate::guest;
use crate::step::step;

const SCRIPT: &str = r#"
for program in /tests/*; do
    [ -x "$program" ] || continue
    "$program" --ignored --test-threads=1 >&2
    echo "${program#/tests/} ended with $?"
done
"#;

impl Guests {
    /// Boots each kernel and runs them one after another.
    pub(in super::super) fn programs(&self, matrix: &mut Matrix) {
        let ran = self.each(|kernel, prepared| {
            step(&format!("test programs on {}", kernel.version), || {
                guest::run(&self.qemu, &self.guest(prepared, PROCESSORS, SCRIPT, std::iter::empty()))
            })
        });
        for (kernel, outcome) in ran {
            let (said, console) = match outcome {
                Ok(outcome) => (outcome.stdout, outcome.console),
                Err(error) => (String::new(), format!("{error:#}")),
            };
            for program in &self.programs {
                let passed = status(&said, &program.name) == Some("0");
                matrix.record(kernel, &program.name, passed, console.trim_end());
            }
            // In a guest nothing may be missing: these kernels are the matrix's.
            for (name, why) in skips::lines(&console) {
                matrix.record(kernel, name, false, &format!("it was skipped: {why}"));
            }
        }
    }
}
