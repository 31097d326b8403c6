//! What is drawn anew each time, on guests with more processors than this
//! machine may have: being interrupted in the middle of a packet shows races.

use super::super::matrix::Matrix;
use super::Guests;
use crate::guest;
use crate::step::step;

/// What the guest runs.
const SCRIPT: &str = "backlog-trace selftest random";

/// What its verdict is called.
const NAME: &str = "random with four processors";

const PROCESSORS: u32 = 4;

impl Guests {
    /// Boots one kernel after another.
    pub(in super::super) fn random(&self, matrix: &mut Matrix) {
        for (kernel, prepared) in &self.kernels {
            let outcome = step(&format!("{NAME} on {}", kernel.version), || {
                guest::run(&self.qemu, &self.guest(prepared, PROCESSORS, SCRIPT, std::iter::empty()))
            });
            let (passed, said) = match outcome {
                Ok(outcome) => (outcome.status == 0, outcome.stdout),
                Err(error) => (false, format!("{error:#}")),
            };
            matrix.record(kernel, NAME, passed, said.trim_end());
        }
    }
}
