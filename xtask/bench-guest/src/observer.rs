//! The tool under measurement, running beside the workload.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aya::programs::loaded_programs;
use rustix::process::{Pid, Signal, kill_process};

/// A tool that has attached its programs.
#[derive(Debug)]
pub(crate) struct Running(Child);

/// How long the number of loaded programs must stay the same. Idle time is
/// free in such a guest.
const STABLE: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 40;

/// Starts it and waits until its programs are loaded.
pub(crate) fn start(program: &str, arguments: &[String]) -> Result<Running> {
    let before = loaded_programs().count();
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("{program} could not be started"))?;
    let mut running = Running(child);
    let mut last = before;
    for _ in 0..ATTEMPTS {
        sleep(STABLE);
        if let Some(status) = running.0.try_wait()? {
            bail!("{program} ended with {status} before it was measured");
        }
        let now = loaded_programs().count();
        if now > before && now == last {
            return Ok(running);
        }
        last = now;
    }
    bail!("{program} has loaded no program")
}

impl Running {
    /// Ends it as a user would, and waits.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, Signal::INT)?;
        let status = self.0.wait()?;
        if !status.success() {
            bail!("the measured tool ended with {status}");
        }
        Ok(())
    }
}
