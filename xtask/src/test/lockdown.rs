//! Each kernel once more under each state of lockdown, which only its command
//! line can set: one test program, which says what must hold.

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use super::native::Program;
use crate::guest::{self, Guest, GuestFile, Prepared, Qemu};

/// The test program; the others say nothing of lockdown.
const PROGRAM: &str = "guest_lockdown";

/// What is added to the kernel's command line.
const STATES: [&str; 2] = ["lockdown=integrity", "lockdown=confidentiality"];

/// Longest a guest may take. It takes about half a minute.
const LIMIT: Duration = Duration::from_secs(300);

/// How one state came out.
pub(super) struct Verdict {
    /// Its row in the matrix.
    pub(super) name: String,
    /// Whether all held.
    pub(super) passed: bool,
    /// What was said.
    pub(super) why: String,
}

/// Boots the kernel in each state; nothing where the program is not there.
pub(super) fn run(qemu: &Qemu, kernel: &Prepared, programs: &[Program], files: &[GuestFile]) -> Vec<Verdict> {
    if !programs.iter().any(|program| program.name == PROGRAM) {
        return Vec::new();
    }
    // At once: nothing in them is a matter of time.
    thread::scope(|scope| {
        let guests = STATES.map(|state| scope.spawn(move || boot(qemu, kernel, files, state)));
        guests.map(|guest| guest.join().unwrap_or_else(|panic| resume_unwind(panic))).into()
    })
}

fn boot(qemu: &Qemu, kernel: &Prepared, files: &[GuestFile], state: &str) -> Verdict {
    let append = format!("mitigations=off {state}");
    let guest = Guest {
        kernel,
        processors: 2,
        memory: 1024,
        append: &append,
        files,
        command: ["sh", "-c", &format!("/tests/{PROGRAM} --ignored --test-threads=1 >&2")]
            .map(str::to_owned)
            .to_vec(),
        limit: LIMIT,
        counted: false,
        live: false,
    };
    let name = format!("{PROGRAM}, {state}");
    match guest::run(qemu, &guest) {
        Ok(outcome) => {
            Verdict { name, passed: outcome.status == 0, why: outcome.console.trim_end().to_owned() }
        }
        Err(error) => Verdict { name, passed: false, why: format!("{error:#}") },
    }
}
