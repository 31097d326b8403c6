//! The tool under test, as a child process: started, waited for until it is
//! attached, stopped by SIGINT, and read by its JSON.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::child::Child;
use super::seen::{self, Histogram, Seen};
use super::settings::Settings;
use crate::failure::{Exit, Failure, Result};

/// How long the tool may take to attach or to end. An emulated kernel takes
/// seconds to verify the programs.
const PATIENCE: Duration = Duration::from_secs(120);
/// A bound on the tool's life, should its parent be gone.
const LIFETIME: &str = "30m";

/// `hist`, and `live` beside it where single events matter.
pub(super) struct Observer {
    hist: Child,
    live: Option<Child>,
}

impl Observer {
    /// Starts the tool in this thread's namespace and waits until it is attached.
    pub(super) fn start(settings: &Settings, live: bool) -> Result<Self> {
        // Gone again before the scenario begins.
        let directory = tempfile::tempdir()
            .map_err(|why| Failure::internal("no temporary directory for the ready file", why))?;
        let start = |command: &str| -> Result<(Child, PathBuf)> {
            let ready = directory.path().join(command);
            let mut tool = Command::new("/proc/self/exe");
            // Its ready file is this process's, whoever called sudo.
            tool.env_remove("SUDO_UID").env_remove("SUDO_GID");
            tool.arg(command).args(["--format", "json", "--duration", LIFETIME]);
            if let Some(rung) = &settings.rung {
                tool.args(["--rung", rung]);
            }
            if settings.causes {
                tool.arg("--causes");
            }
            tool.arg("--ready-file").arg(&ready);
            Ok((Child::spawn(&mut tool, command)?, ready))
        };
        let (mut hist, hist_ready) = start("hist")?;
        let mut live = if live { Some(start("live")?) } else { None };
        attached(&mut hist, &hist_ready)?;
        if let Some((live, ready)) = &mut live {
            attached(live, ready)?;
        }
        Ok(Self { hist, live: live.map(|(live, _)| live) })
    }

    /// Stops the tool and reads what it said.
    pub(super) fn stop(mut self) -> Result<Seen> {
        // Both at once: while one detaches, the other would see more.
        for tool in std::iter::once(&mut self.hist).chain(&mut self.live) {
            if tool.ended()?.is_none() {
                tool.signal(Signal::INT)?;
            }
        }
        let lines = finished(&mut self.hist)?;
        let histogram = Histogram::parse(&lines).map_err(|why| Failure::new(Exit::Internal, why))?;
        let events = match &mut self.live {
            Some(live) => {
                let lines = finished(live)?;
                seen::parse_events(&lines).map_err(|why| Failure::new(Exit::Internal, why))?
            }
            None => Vec::new(),
        };
        Ok(Seen { histogram, events })
    }
}

fn attached(tool: &mut Child, ready: &std::path::Path) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !ready.exists() {
        if tool.ended()?.is_some() || Instant::now() >= deadline {
            return Err(Failure::new(
                Exit::Internal,
                format!("the tool did not start: {}", tool.complaint()),
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn finished(tool: &mut Child) -> Result<String> {
    let status = tool.wait(PATIENCE)?;
    // It says so itself where it could but poll.
    if !status.success() && status.code() != Some(Exit::Reduced as i32) {
        return Err(Failure::new(Exit::Internal, format!("the tool failed: {}", tool.complaint())));
    }
    tool.stdout()
}
