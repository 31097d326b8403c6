//! Runs the scenarios, and the test programs made for guests, on kernels of
//! the matrix: as many guests at a time as have processors of their own, so
//! that none waits for another in the middle of a handshake.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::lockdown;
use super::matrix::Matrix;
use super::native::{self, GUEST_PREFIX, Program};
use super::programs::packaged;
use crate::guest::{self, Guest, GuestFile, Outcome, Qemu};
use crate::kernels::Kernel;
use crate::soak::short;
use crate::step::step;
use crate::vm::tool_files;

/// What the guest runs: every scenario on each rung that it is called with,
/// then the test programs, whose verdict is their exit status.
const SCRIPT: &str = r#"
for rung in "$@"; do
    backlog-trace selftest --rung "$rung" --format json --with nginx=/usr/sbin/nginx --with wrk=/usr/bin/wrk
    echo "selftest on $rung ended with $?"
done
for program in /tests/*; do
    [ -x "$program" ] || continue
    "$program" --ignored --test-threads=1 >&2
    echo "${program#/tests/} ended with $?"
done
"#;

/// `selftest`'s exit code when a scenario failed: said by the scenario itself.
const SELFTEST_FAILED: &str = "9";

/// What the guest with more processors runs: what is drawn anew each time.
const RANDOM: &str = "backlog-trace selftest random";

/// What its verdict is called.
const RANDOM_NAME: &str = "random with four processors";

/// Longest a guest may take. It takes about a quarter of an hour.
const LIMIT: Duration = Duration::from_secs(2400);

/// Processors of a guest: two, so that races can happen.
const PROCESSORS: u32 = 2;

/// Processors of another guest, so that more races can. It may have more than
/// this machine has: being interrupted in the middle of a packet shows them.
const MANY_PROCESSORS: u32 = 4;

/// Boots each kernel and collects the verdicts.
pub(super) fn run(kernels: &[&'static Kernel]) -> Result<Matrix> {
    let qemu = Qemu::find()?;
    let prepared = kernels.iter().map(|kernel| guest::prepare(kernel)).collect::<Result<Vec<_>>>()?;
    let mut files = tool_files();
    files.extend(packaged()?);
    let programs: Vec<Program> =
        native::build()?.into_iter().filter(|program| program.name.starts_with(GUEST_PREFIX)).collect();
    files.extend(test_files(&programs)?);

    let at_a_time = thread::available_parallelism().map_or(1, |own| (own.get() / PROCESSORS as usize).max(1));
    let next = AtomicUsize::new(0);
    let ended = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(kernel), Some(prepared)) = (kernels.get(index), prepared.get(index)) else {
                        break;
                    };
                    let outcome = step(&format!("scenarios on {}", kernel.version), || {
                        guest::run(&qemu, &for_tests(prepared, &files, PROCESSORS, SCRIPT, kernel.rungs()))
                    });
                    let locked = step_over(&format!("lockdown on {}", kernel.version), || {
                        lockdown::run(&qemu, prepared, &programs, &files)
                    });
                    if let Ok(mut ended) = ended.lock() {
                        ended.push((index, outcome, locked));
                    }
                }
            });
        }
    });
    let mut ended = ended.into_inner().context("a guest's thread panicked")?;
    ended.sort_by_key(|(index, ..)| *index);
    let mut matrix = Matrix::default();
    for ((_, outcome, locked), kernel) in ended.into_iter().zip(kernels) {
        judge(&mut matrix, kernel, &programs, outcome);
        for state in locked {
            matrix.record(kernel, &state.name, state.passed, &state.why);
        }
    }
    let player = short::build()?;
    for kernel in kernels {
        // On one kernel by each rung, on the others by the best: it plays for half a minute.
        let rungs = kernel.rungs().take(if kernel.version == "6.12" { usize::MAX } else { 1 });
        for rung in rungs {
            let played = step(&format!("a short soak on {} by {rung}", kernel.version), || {
                short::in_guest(kernel, rung, &player)
            });
            let faults = played.unwrap_or_else(|error| vec![format!("{error:#}")]);
            matrix.record_on(rung, kernel, short::NAME, faults.is_empty(), &faults.join("; "));
        }
    }
    for (kernel, prepared) in kernels.iter().zip(&prepared) {
        let outcome = step(&format!("{RANDOM_NAME} on {}", kernel.version), || {
            guest::run(&qemu, &for_tests(prepared, &files, MANY_PROCESSORS, RANDOM, std::iter::empty()))
        });
        let (passed, said) = match outcome {
            Ok(outcome) => (outcome.status == 0, outcome.stdout),
            Err(error) => (false, format!("{error:#}")),
        };
        matrix.record(kernel, RANDOM_NAME, passed, said.trim_end());
    }
    Ok(matrix)
}

/// A step that reports by itself what failed in it.
fn step_over<T>(what: &str, work: impl FnOnce() -> Vec<T>) -> Vec<T> {
    step(what, || Ok(work())).unwrap_or_default()
}

fn for_tests<'a>(
    kernel: &'a guest::Prepared,
    files: &'a [GuestFile],
    processors: u32,
    script: &'static str,
    arguments: impl Iterator<Item = &'static str>,
) -> Guest<'a> {
    let command = ["sh", "-c", script, "sh"].into_iter().chain(arguments);
    Guest {
        kernel,
        processors,
        memory: 1024,
        // Every indirect call costs an emulated return trampoline otherwise.
        append: "mitigations=off",
        files,
        command: command.map(str::to_owned).collect(),
        limit: LIMIT,
        counted: false,
        live: false,
    }
}

fn test_files(programs: &[Program]) -> Result<Vec<GuestFile>> {
    let mut files = Vec::new();
    for program in programs {
        files.push(GuestFile { inside: format!("/tests/{}", program.name), outside: program.file.clone() });
        let libraries = guest::closure(Path::new("/"), &program.file)?;
        files.extend(libraries.into_iter().map(|(inside, outside)| GuestFile { inside, outside }));
    }
    Ok(files)
}

fn judge(matrix: &mut Matrix, kernel: &Kernel, programs: &[Program], outcome: Result<Outcome>) {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            matrix.add(kernel, "");
            matrix.break_kernel(kernel, &format!("{error:#}"));
            return;
        }
    };
    matrix.add(kernel, &outcome.stdout);
    let status = |name: &str| {
        let mark = format!("{name} ended with ");
        outcome.stdout.lines().find_map(|line| line.strip_prefix(mark.as_str()))
    };
    for rung in kernel.rungs() {
        let selftest = status(&format!("selftest on {rung}")).unwrap_or("nothing");
        if selftest != "0" && selftest != SELFTEST_FAILED {
            let console = outcome.console.trim_end();
            matrix.break_kernel(kernel, &format!("selftest on {rung} ended with {selftest}\n{console}"));
        } else if !matrix.has(kernel, rung) {
            matrix.break_kernel(kernel, &format!("selftest on {rung} ran no scenario"));
        }
    }
    for program in programs {
        let passed = status(&program.name) == Some("0");
        matrix.record(kernel, &program.name, passed, outcome.console.trim_end());
    }
}
