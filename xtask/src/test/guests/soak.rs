//! A short soak on each kernel: by each rung on one of them, by the best on the
//! others.

use anyhow::Result;

use super::super::matrix::Matrix;
use super::Guests;
use crate::kernels;
use crate::soak::short;
use crate::step::step;

impl Guests {
    /// Plays them one after another: whether intervals are on time is part of
    /// the verdict.
    ///
    /// # Errors
    /// Where what plays cannot be built.
    pub(in super::super) fn soak(&self, matrix: &mut Matrix) -> Result<()> {
        let player = short::build()?;
        for (kernel, _) in &self.kernels {
            for (place, rung) in kernel.rungs().enumerate() {
                if place > 0 && kernel.version != kernels::DEFAULT {
                    matrix.skip_on(rung, kernel, short::NAME, "played by the best method alone here");
                    continue;
                }
                let played = step(&format!("a short soak on {} by {rung}", kernel.version), || {
                    short::in_guest(kernel, rung, &player)
                });
                let faults = played.unwrap_or_else(|error| vec![format!("{error:#}")]);
                matrix.record_on(rung, kernel, short::NAME, faults.is_empty(), &faults.join("; "));
            }
        }
        Ok(())
    }
}
