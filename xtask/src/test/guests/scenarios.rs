//! Every scenario on each rung that a kernel can have.

use super::super::matrix::Matrix;
use super::{Guests, PROCESSORS, status};
use crate::guest;
use crate::step::step;

/// Runs every scenario on the first rung that it is called with, and on the others
/// all but those of what the tool concludes.
const SCRIPT: &str = r#"
names=
for rung in "$@"; do
    backlog-trace selftest --rung "$rung" --format json --with nginx=/usr/sbin/nginx --with wrk=/usr/bin/wrk $names
    echo "selftest on $rung ended with $?"
    names=$(backlog-trace selftest --list | sed -n 's/^\([a-z0-9_]*\) .*/\1/p' | grep -v '^advice_')
done
"#;

/// Scenarios of what the tool concludes. That follows from events and counts, which
/// the others hold on every rung, and each of these starts the tool anew: a minute
/// on an emulated machine.
const ADVICE: &str = "advice";
const BEST_ALONE: &str =
    "played by the best method alone here, and by tracepoints on this machine's own kernel";

/// `selftest`'s exit code when a scenario failed: said by the scenario itself.
const SELFTEST_FAILED: &str = "9";

impl Guests {
    /// Boots each kernel and collects the verdicts.
    pub(in super::super) fn scenarios(&self, matrix: &mut Matrix) {
        let played = self.each(|kernel, prepared| {
            step(&format!("scenarios on {}", kernel.version), || {
                guest::run(&self.qemu, &self.guest(prepared, PROCESSORS, SCRIPT, kernel.rungs()))
            })
        });
        for (kernel, outcome) in played {
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(error) => {
                    matrix.add(kernel, "");
                    matrix.break_kernel(kernel, &format!("{error:#}"));
                    continue;
                }
            };
            matrix.add(kernel, &outcome.stdout);
            for (place, rung) in kernel.rungs().enumerate() {
                if place > 0 {
                    matrix.skip_on(rung, kernel, ADVICE, BEST_ALONE);
                }
                let ended = status(&outcome.stdout, &format!("selftest on {rung}")).unwrap_or("nothing");
                if ended != "0" && ended != SELFTEST_FAILED {
                    let console = outcome.console.trim_end();
                    matrix.break_kernel(kernel, &format!("selftest on {rung} ended with {ended}\n{console}"));
                } else if !matrix.has(kernel, rung) {
                    matrix.break_kernel(kernel, &format!("selftest on {rung} ran no scenario"));
                }
            }
        }
    }
}
