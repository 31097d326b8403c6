//! The tool under test, as a child process: started, waited for until it is
//! attached, asked how things stand by SIGUSR1 or stopped by SIGINT, and read
//! by its JSON.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::child::{self, Child};
use crate::failure::{Failure, Kind, Result};
use crate::seen::{self, Histogram, Seen};
use crate::settings::Settings;

/// How long the tool may take to attach, to answer or to end. An emulated
/// kernel takes seconds to verify the programs.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often its output is looked at meanwhile.
const GLANCE: Duration = Duration::from_millis(5);
/// Where the tool says that it is attached: its standard input, which is
/// anonymous memory, so that nothing is left of it whatever ends this process.
const READY_FILE: &str = "/proc/self/fd/0";
/// A bound on the tool's life, should its parent be gone.
const LIFETIME: &str = "60m";

// The tool's exit codes that say something of the host (docs/exit-codes.md).
const NOT_PERMITTED: i32 = 3;
const KERNEL_UNABLE: i32 = 4;
/// It could but poll, or does not see everything.
const REDUCED: i32 = 20;

/// `hist`, and `live` beside it where single events matter.
pub(crate) struct Observer {
    hist: Tool,
    live: Option<Tool>,
    /// Whether they attach the hooks that wait for a request.
    pub(crate) causes: bool,
}

/// One of them, and how much of what it printed has been read.
struct Tool {
    child: Child,
    read: usize,
    /// The type of line by which it answers.
    answer: &'static str,
}

/// The tool while it attaches.
pub(crate) struct Starting {
    observer: Observer,
    hist_ready: File,
    live_ready: Option<File>,
}

impl Starting {
    /// Waits until it makes its maps: by then it has looked for namespaces, and
    /// nothing is attached yet. Where it makes none, until it is attached.
    pub(crate) fn until_loading(&mut self) -> Result<()> {
        let descriptors = format!("/proc/{}/fd", self.observer.hist.child.pid());
        let is_map = |entry: std::fs::DirEntry| {
            std::fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().contains("bpf-map"))
        };
        wait_for(&mut self.observer.hist.child, || {
            std::fs::read_dir(&descriptors).into_iter().flatten().flatten().any(is_map)
                || is_written(&self.hist_ready)
        })
    }

    /// Waits until all is attached.
    pub(crate) fn attached(mut self) -> Result<Observer> {
        wait_for(&mut self.observer.hist.child, || is_written(&self.hist_ready))?;
        if let (Some(live), Some(ready)) = (&mut self.observer.live, &self.live_ready) {
            wait_for(&mut live.child, || is_written(ready))?;
        }
        Ok(self.observer)
    }
}

impl Observer {
    /// Starts the tool in this thread's namespace and waits until it is attached.
    pub(crate) fn start(settings: &Settings, live: bool) -> Result<Self> {
        Self::spawn(settings, live)?.attached()
    }

    /// Starts the tool in this thread's namespace.
    pub(crate) fn spawn(settings: &Settings, live: bool) -> Result<Starting> {
        let start = |command: &str, answer: &'static str| -> Result<(Tool, File)> {
            let ready = child::memory("ready")?;
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
            tool.args(["--ready-file", READY_FILE]);
            let stdin = child::duplicate(&ready)?.into();
            let child = Child::spawn_with(&mut tool, command, stdin, None)?;
            Ok((Tool { child, read: 0, answer }, ready))
        };
        let (hist, hist_ready) = start("hist", "histogram")?;
        let (live, live_ready) = live.then(|| start("live", "summary")).transpose()?.unzip();
        Ok(Starting { observer: Self { hist, live, causes: settings.causes }, hist_ready, live_ready })
    }

    /// What was seen since it was asked last, or since it started.
    pub(crate) fn since(&mut self) -> Result<Seen> {
        // Both at once, so that they look at the same time.
        let tools = || std::iter::once(&self.hist).chain(&self.live);
        tools().try_for_each(|tool| tool.child.signal(Signal::USR1))?;
        let hist = self.hist.answered()?;
        let live = self.live.as_mut().map(Tool::answered).transpose()?;
        parse(&hist, live.as_deref())
    }

    /// Stops the tool and reads what it said of its whole run.
    pub(crate) fn stop(mut self) -> Result<Seen> {
        // Both at once: while one detaches, the other would see more.
        for tool in std::iter::once(&mut self.hist).chain(&mut self.live) {
            if let Some(status) = tool.child.ended()? {
                let what = format!("the tool ended by itself ({status}): {}", tool.child.complaint());
                return Err(Failure::new(Kind::Unexpected, what));
            }
            tool.child.signal(Signal::INT)?;
        }
        let hist = finished(&mut self.hist.child)?;
        let live = self.live.as_mut().map(|live| finished(&mut live.child)).transpose()?;
        parse(&hist, live.as_deref())
    }
}

impl Tool {
    /// What it printed from where it was last read to its next answer.
    fn answered(&mut self) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.child.stdout_from(self.read)?;
            if let Some(length) = seen::through(&lines, self.answer) {
                self.read += length;
                return Ok(lines[..length].to_owned());
            }
            if self.child.ended()?.is_some() || Instant::now() >= deadline {
                let what = format!("the tool does not say how things stand: {}", self.child.complaint());
                return Err(Failure::new(Kind::Unexpected, what));
            }
            std::thread::sleep(GLANCE);
        }
    }
}

fn parse(hist: &str, live: Option<&str>) -> Result<Seen> {
    let broken = |why| Failure::new(Kind::Unexpected, why);
    let histogram = Histogram::parse(hist).map_err(broken)?;
    let events = live.map_or(Ok(Vec::new()), seen::parse_events).map_err(broken)?;
    Ok(Seen { histogram, events })
}

fn is_written(ready: &File) -> bool {
    ready.metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// Waits for something that the tool does at its start.
fn wait_for(tool: &mut Child, done: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        let ended = tool.ended()?;
        if ended.is_some() || Instant::now() >= deadline {
            // What it lacks the scenarios lack too.
            let kind = match ended.and_then(|status| status.code()) {
                Some(NOT_PERMITTED) => Kind::NotPermitted,
                Some(KERNEL_UNABLE) => Kind::KernelUnable,
                _ => Kind::Unexpected,
            };
            return Err(Failure::new(kind, format!("the tool did not start: {}", tool.complaint())));
        }
        std::thread::sleep(GLANCE);
    }
    Ok(())
}

fn finished(tool: &mut Child) -> Result<String> {
    let status = tool.wait(PATIENCE)?;
    // It says so itself where it could but poll.
    if !status.success() && status.code() != Some(REDUCED) {
        return Err(Failure::new(Kind::Unexpected, format!("the tool failed: {}", tool.complaint())));
    }
    tool.stdout()
}
