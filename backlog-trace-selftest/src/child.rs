//! A process that a scenario starts and that never outlives it.
//!
//! Output goes to anonymous memory, so a talkative child cannot block on a
//! pipe that nobody reads, and no file is left.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::MemfdFlags;
use rustix::process::{Pid, Signal};

use crate::failure::{Failure, Kind, Result};

/// How often a child is looked at while it is waited for.
const GLANCE: Duration = Duration::from_millis(10);

/// A child process; dropping it kills it.
pub(crate) struct Child {
    process: Process,
    name: String,
    stdout: File,
    stderr: File,
}

impl Child {
    /// Starts `command`; `name` is what messages call it.
    pub(crate) fn spawn(command: &mut Command, name: &str) -> Result<Self> {
        Self::spawn_with(command, name, Stdio::null(), None)
    }

    /// The same with a standard input, and with a standard output of its own.
    pub(crate) fn spawn_with(
        command: &mut Command,
        name: &str,
        stdin: Stdio,
        stdout: Option<Stdio>,
    ) -> Result<Self> {
        let (out, err) = (memory(name)?, memory(name)?);
        let stdout = match stdout {
            Some(stdout) => stdout,
            None => duplicate(&out)?.into(),
        };
        command.stdin(stdin).stdout(stdout).stderr(duplicate(&err)?);
        #[expect(unsafe_code, reason = "the only way to tie a child's life to its parent's")]
        // SAFETY: between fork and exec only prctl() and getppid() are called,
        // which allocate nothing and take no lock.
        unsafe {
            let parent = Some(rustix::process::getpid());
            command.pre_exec(move || tie_to(parent));
        }
        let process = command
            .spawn()
            .map_err(|why| Failure::new(Kind::NotStarted, format!("{name} cannot be started: {why}")))?;
        Ok(Self { process, name: name.to_owned(), stdout: out, stderr: err })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let sent = pid.map_or(Err(rustix::io::Errno::SRCH), |pid| rustix::process::kill_process(pid, signal));
        sent.map_err(|why| Failure::unexpected(format!("{} cannot be sent a signal", self.name), why))
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process
            .try_wait()
            .map_err(|why| Failure::unexpected(format!("{} cannot be waited for", self.name), why))
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(Failure::unexpected(
                    format!("{} did not end", self.name),
                    format_args!("waited {} s", patience.as_secs()),
                ));
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// What it has written to standard output so far.
    pub(crate) fn stdout(&self) -> Result<String> {
        self.stdout_from(0)
    }

    /// The same from a number of bytes on.
    pub(crate) fn stdout_from(&self, offset: usize) -> Result<String> {
        text(&self.stdout, offset)
            .map_err(|why| Failure::unexpected(format!("the output of {} cannot be read", self.name), why))
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> Result<String> {
        text(&self.stderr, 0)
            .map_err(|why| Failure::unexpected(format!("the talk of {} cannot be read", self.name), why))
    }

    /// The first line it wrote to standard error, or how it ended.
    pub(crate) fn complaint(&mut self) -> String {
        let said = self.stderr().unwrap_or_default();
        let status = self.ended().ok().flatten();
        match (said.lines().find(|line| !line.trim().is_empty()), status) {
            (Some(line), _) => line.trim().to_owned(),
            (None, Some(status)) => format!("{} ended without a word: {status}", self.name),
            (None, None) => format!("{} said nothing", self.name),
        }
    }
}

/// From now on this process ends with its parent, which may have ended before
/// it came to ask for that.
fn tie_to(parent: Option<Pid>) -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() == parent { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Either fails only where the process has ended and was waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A file in memory that no directory knows.
pub(crate) fn memory(name: &str) -> Result<File> {
    rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)
        .map(File::from)
        .map_err(|why| Failure::unexpected(format!("no anonymous memory called {name}"), why))
}

/// The same open file, to be handed to a child.
pub(crate) fn duplicate(file: &File) -> Result<File> {
    file.try_clone().map_err(|why| Failure::unexpected("a file cannot be handed to a child", why))
}

/// The content of a file from `offset` on, without moving the offset that the
/// child writes at.
fn text(file: &File, offset: usize) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let count = file.read_at(&mut chunk, (offset + bytes.len()) as u64)?;
        let Some(read) = chunk.get(..count).filter(|read| !read.is_empty()) else { break };
        bytes.extend_from_slice(read);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_says_and_how_it_ends_is_known() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo out; echo; echo first >&2; echo second >&2; exit 3"]);
        let mut child = Child::spawn(&mut command, "sh").unwrap();
        assert_eq!(child.wait(Duration::from_secs(20)).unwrap().code(), Some(3));
        assert_eq!(child.stdout().unwrap(), "out\n\n");
        assert_eq!(child.stdout_from(2).unwrap(), "t\n\n");
        assert_eq!(child.stdout_from(50).unwrap(), "");
        assert_eq!(child.complaint(), "first");
    }

    #[test]
    fn a_dropped_child_is_gone() {
        let child = Child::spawn(Command::new("/bin/sleep").arg("1000"), "sleep").unwrap();
        let entry = format!("/proc/{}", child.pid());
        drop(child);
        assert!(!std::path::Path::new(&entry).exists());
    }

    /// Its parent was killed before it had asked to end with it.
    #[test]
    fn a_child_whose_parent_is_another_by_then_starts_nothing() {
        let mut command = Command::new("/bin/true");
        #[expect(unsafe_code, reason = "the only way to act between fork and exec")]
        // SAFETY: it makes two system calls.
        unsafe {
            command.pre_exec(|| tie_to(Pid::from_raw(1)));
        }
        assert!(command.spawn().is_err());
    }

    #[test]
    fn a_program_that_is_absent_says_so() {
        let failure = Child::spawn(&mut Command::new("/nowhere/tool"), "tool").err().unwrap();
        assert_eq!(failure.kind, Kind::NotStarted);
    }
}
