//! Each kernel once more under each state of lockdown, which only its command
//! line can set: one test program, which says what must hold.

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use super::super::matrix::Matrix;
use super::{Guests, PROCESSORS};
use crate::guest::{self, Guest, Prepared};
use crate::step::step;

/// The test program; the others say nothing of lockdown.
const PROGRAM: &str = "guest_lockdown";

/// What is added to the kernel's command line.
const STATES: [&str; 2] = ["lockdown=integrity", "lockdown=confidentiality"];

/// Longest a guest may take. It takes about half a minute.
const LIMIT: Duration = Duration::from_secs(300);

impl Guests {
    /// Boots each kernel in each state; nothing where the program is not there.
    pub(in super::super) fn lockdown(&self, matrix: &mut Matrix) {
        if !self.programs.iter().any(|program| program.name == PROGRAM) {
            return;
        }
        let booted = self.each(|kernel, prepared| {
            step(&format!("lockdown on {}", kernel.version), || Ok(self.in_each_state(prepared)))
        });
        for (kernel, states) in booted {
            for (state, passed, why) in states.into_iter().flatten() {
                matrix.record(kernel, &format!("{PROGRAM}, {state}"), passed, &why);
            }
        }
    }

    /// At once: nothing in them is a matter of time.
    fn in_each_state(&self, kernel: &Prepared) -> Vec<(&'static str, bool, String)> {
        thread::scope(|scope| {
            let guests = STATES.map(|state| scope.spawn(move || self.boot(kernel, state)));
            guests.map(|guest| guest.join().unwrap_or_else(|panic| resume_unwind(panic))).into()
        })
    }

    fn boot(&self, kernel: &Prepared, state: &'static str) -> (&'static str, bool, String) {
        let script = format!("/tests/{PROGRAM} --ignored --test-threads=1 >&2");
        let append = format!("mitigations=off {state}");
        let plain = self.guest(kernel, PROCESSORS, &script, std::iter::empty());
        match guest::run(&self.qemu, &Guest { append: &append, limit: LIMIT, ..plain }) {
            Ok(outcome) => (state, outcome.status == 0, outcome.console.trim_end().to_owned()),
            Err(error) => (state, false, format!("{error:#}")),
        }
    }
}
