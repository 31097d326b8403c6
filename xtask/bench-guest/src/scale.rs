//! What the tool takes on a host with many listeners: how long until it
//! observes, how much memory, and how much CPU in a second in which nothing
//! is lost.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process};

use crate::crowd::{Crowd, OPEN, raise_limit};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Listeners of one process: fewer than the usual limits on descriptors.
const MOST_OPEN: usize = 4_000;
const GLANCE: Duration = Duration::from_millis(2);

/// Where the tool says that it observes: its standard input, which is
/// anonymous memory, so that nothing is left of it.
const READY_FILE: &str = "/proc/self/fd/0";

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scale {
    /// Listeners, altogether.
    pub(crate) listeners: usize,
    /// Network namespaces over which they are spread; 1 is this one.
    pub(crate) namespaces: usize,
    /// Listeners that are closed and opened again in a second, altogether.
    pub(crate) churn: usize,
    /// Seconds of rest after the start, and as many of measuring.
    pub(crate) seconds: u64,
}

/// What the tool took.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Taken {
    /// From its start until it observed.
    pub(crate) start: Duration,
    /// Resident at the end, in KiB, and the most there ever was.
    pub(crate) resident: u64,
    pub(crate) most_resident: u64,
    /// CPU time in a second of the last stretch.
    pub(crate) cpu: Duration,
}

impl Scale {
    /// Reads `LISTENERS NAMESPACES CHURN SECONDS`.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let [listeners, namespaces, churn, seconds] = arguments else {
            bail!("say how many listeners, namespaces, changes a second and seconds: {arguments:?}");
        };
        Ok(Self {
            listeners: listeners.parse()?,
            namespaces: namespaces.parse()?,
            churn: churn.parse()?,
            seconds: seconds.parse()?,
        })
    }

    /// Opens the listeners, runs the tool beside them, and looks at what it takes.
    pub(crate) fn measure(self, tool: &[String]) -> Result<Taken> {
        raise_limit()?;
        let crowds = self.crowds()?;
        let ready = File::from(memfd_create("ready", MemfdFlags::CLOEXEC)?);
        let (program, arguments) = tool.split_first().context("the command to measure is missing")?;
        let begun = Instant::now();
        let mut child = Command::new(program)
            .args(arguments)
            .args(["--ready-file", READY_FILE])
            .stdin(Stdio::from(ready.try_clone()?))
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{program} could not be started"))?;
        while ready.metadata()?.len() == 0 {
            if let Some(status) = child.try_wait()? {
                bail!("{program} ended with {status} before it observed");
            }
            if begun.elapsed() > PATIENCE {
                child.kill()?;
                bail!("{program} did not observe after {PATIENCE:?}");
            }
            sleep(GLANCE);
        }
        let start = begun.elapsed();
        sleep(Duration::from_secs(self.seconds));
        let (before, from) = (cpu(&child)?, Instant::now());
        sleep(Duration::from_secs(self.seconds));
        let (spent, stretch) = (cpu(&child)?.saturating_sub(before), from.elapsed());
        let taken = Taken {
            start,
            resident: status(&child, "VmRSS:")?,
            most_resident: status(&child, "VmHWM:")?,
            cpu: spent.div_f64(stretch.as_secs_f64()),
        };
        end(child)?;
        crowds.into_iter().try_for_each(finish)?;
        Ok(taken)
    }

    /// The processes that hold them, all of them open.
    fn crowds(self) -> Result<Vec<Child>> {
        let apart = self.namespaces > 1;
        let many = if apart { self.namespaces } else { self.listeners.div_ceil(MOST_OPEN).max(1) };
        let share = |whole: usize, number: usize| whole * (number + 1) / many - whole * number / many;
        let mut crowds = Vec::with_capacity(many);
        for number in 0..many {
            let crowd = Crowd {
                listeners: share(self.listeners, number),
                churn: share(self.churn, number),
                first: if apart { 0 } else { self.listeners * number / many },
                apart,
            };
            let mut child = Command::new("/proc/self/exe")
                .arg("crowd")
                .args(crowd.arguments())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .context("no process for the listeners")?;
            let mut line = String::new();
            let stdout = child.stdout.take().context("no output of the listeners")?;
            BufReader::new(stdout).read_line(&mut line)?;
            if line.trim_end() != OPEN {
                bail!("the listeners were not opened");
            }
            crowds.push(child);
        }
        Ok(crowds)
    }
}

/// CPU time of a process, threads that have ended among it (proc_pid_stat(5)).
fn cpu(child: &Child) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    let ticks = ticks(&text).context("/proc/PID/stat is not as documented")?;
    Ok(Duration::from_micros(ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1)))
}

/// utime and stime: the 14th and the 15th field, after a name that may hold
/// anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// A figure of /proc/PID/status, in KiB.
fn status(child: &Child, name: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    line.trim().trim_end_matches(" kB").parse().context("not a number")
}

/// Ends the tool as a user would.
fn end(mut child: Child) -> Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
    kill_process(pid, Signal::INT)?;
    let status = child.wait()?;
    if !status.success() {
        bail!("the measured tool ended with {status}");
    }
    Ok(())
}

/// Closes its standard input, which ends it.
fn finish(mut crowd: Child) -> Result<()> {
    drop(crowd.stdin.take());
    let status = crowd.wait()?;
    if !status.success() {
        bail!("the listeners ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15";
        assert_eq!(ticks(stat), Some(11 + 12));
        assert_eq!(ticks("42 (a"), None);
    }

    #[test]
    fn arguments() {
        let words = ["20000", "500", "200", "10"].map(str::to_owned);
        let scale = Scale { listeners: 20_000, namespaces: 500, churn: 200, seconds: 10 };
        assert_eq!(Scale::parse(&words).unwrap(), scale);
        assert!(Scale::parse(&words[..3]).is_err());
    }
}
