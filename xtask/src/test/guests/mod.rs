//! What runs on kernels of the matrix, one file per stage. As many guests at a
//! time as have processors of their own, so that none waits for another in the
//! middle of a handshake.

mod lockdown;
mod programs;
mod random;
mod scenarios;
mod soak;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::native::{self, GUEST_PREFIX, Program};
use super::packaged::packaged;
use crate::guest::{self, Guest, GuestFile, Prepared, Qemu};
use crate::kernels::Kernel;
use crate::vm::tool_files;

/// Processors of a guest: two, so that races can happen.
const PROCESSORS: u32 = 2;

/// Longest a guest may take. The scenarios take less than a quarter of an hour.
const LIMIT: Duration = Duration::from_secs(2400);

/// All that guests need, made once.
pub(super) struct Guests {
    qemu: Qemu,
    kernels: Vec<(&'static Kernel, Prepared)>,
    files: Vec<GuestFile>,
    /// The test programs for guests.
    programs: Vec<Program>,
}

impl Guests {
    /// Kernels, the tool, the packaged programs, and the tests for guests.
    ///
    /// # Errors
    /// Where one of them cannot be had.
    pub(super) fn prepare(kernels: Vec<&'static Kernel>) -> Result<Self> {
        let qemu = Qemu::find()?;
        let prepared = kernels.into_iter().map(|kernel| Ok((kernel, guest::prepare(kernel)?)));
        let kernels = prepared.collect::<Result<Vec<_>>>()?;
        let mut files = tool_files();
        files.extend(packaged()?);
        let programs: Vec<Program> =
            native::build()?.into_iter().filter(|program| program.name.starts_with(GUEST_PREFIX)).collect();
        files.extend(test_files(&programs)?);
        Ok(Self { qemu, kernels, files, programs })
    }

    /// Does this work for every kernel; what came of it, in the kernels' order.
    fn each<T: Send>(
        &self,
        work: impl Fn(&'static Kernel, &Prepared) -> T + Sync,
    ) -> Vec<(&'static Kernel, T)> {
        let own = thread::available_parallelism().map_or(1, usize::from);
        let at_a_time = (own / PROCESSORS as usize).max(1);
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..at_a_time {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some((kernel, prepared)) = self.kernels.get(index) else { break };
                        let result = work(kernel, prepared);
                        done.lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)
                            .push((index, *kernel, result));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.sort_by_key(|(index, ..)| *index);
        done.into_iter().map(|(_, kernel, result)| (kernel, result)).collect()
    }

    /// A guest that runs this script of a shell.
    fn guest<'a>(
        &'a self,
        kernel: &'a Prepared,
        processors: u32,
        script: &str,
        arguments: impl Iterator<Item = &'static str>,
    ) -> Guest<'a> {
        let command = ["sh", "-c", script, "sh"].map(str::to_owned).into_iter();
        Guest {
            kernel,
            processors,
            memory: 1024,
            // Every indirect call costs an emulated return trampoline otherwise.
            append: "mitigations=off",
            files: &self.files,
            command: command.chain(arguments.map(str::to_owned)).collect(),
            limit: LIMIT,
            counted: false,
            live: false,
        }
    }
}

/// What the script said of one of the things that it ran: `NAME ended with STATUS`.
fn status<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" ended with "))
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

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn each_thing_that_a_script_runs_has_its_status() {
        let said = "selftest on fentry ended with 9\ntalk\nguest_killed ended with 0\n";
        assert_eq!(status(said, "selftest on fentry"), Some("9"));
        assert_eq!(status(said, "guest_killed"), Some("0"));
        assert_eq!(status(said, "guest_kill"), None);
    }
}
