//! The run: starts the tool, then the workload, and prints a line of JSON for
//! each of the tool's intervals: what it said, what it took, how late it was.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use super::interval::{Line, Reduced};
use super::machine::Machine;
use super::process;
use super::stay;
use super::stays::{Going, Stays, Sums};

/// How long the tool may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(120);
/// A container's life: how long a namespace that comes and goes stays.
const VISIT_SECONDS: f64 = 2.0;
/// What happens in it.
const VISIT_LISTENERS_PER_SECOND: f64 = 10.0;
const VISIT_REFUSED_PER_SECOND: f64 = 10.0;
/// Namespaces that come and go at one time, at most.
const MOST_VISITS: usize = 64;
/// Whole intervals that are waited for after the last process has ended.
const LAST_INTERVALS: u32 = 3;
/// After this long at rest the tool has nothing left to do.
const SETTLES: Duration = Duration::from_secs(3);

/// Observes a workload by the tool and prints what came of each interval.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// How long the workload lasts.
    #[arg(long)]
    seconds: f64,
    /// Seconds at its beginning, and at its end, in which no listener comes or goes.
    #[arg(long)]
    rest: f64,
    /// Listeners that come and go in a second.
    #[arg(long)]
    listeners_per_second: f64,
    /// Network namespaces that come and go in a second.
    #[arg(long)]
    namespaces_per_second: f64,
    /// SYNs refused in a second by listeners that stand.
    #[arg(long)]
    refused_per_second: f64,
    /// Listeners that are open at a time.
    #[arg(long)]
    open: usize,
    /// The tool and its arguments.
    #[arg(last = true, required = true)]
    tool: Vec<String>,
}

/// In which part of the workload an interval lies as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    /// Nothing comes or goes yet.
    Before,
    /// Listeners and namespaces come and go.
    Churn,
    /// Nothing comes or goes any more.
    After,
    /// In none as a whole.
    Edge,
}

/// One line of what it prints.
#[derive(Debug, Serialize)]
struct Printed {
    r#type: &'static str,
    /// Since the workload began, in seconds.
    at: f64,
    phase: Phase,
    /// The interval's length as the tool says.
    seconds: f64,
    /// How much later it came than the intervals before it allow, in ms.
    delay_ms: i64,
    /// How late this machine's own timers were meanwhile, in ms.
    machine_late_ms: u64,
    rss_kib: u64,
    /// CPU that the tool took since the interval before, in ms.
    cpu_ms: u64,
    /// The attachment of the hook on SYNs.
    rung: Option<String>,
    #[serde(flatten)]
    said: Reduced,
    #[serde(flatten)]
    did: Sums,
    /// What of it was in the namespace that is there all the while.
    main_refused: u64,
    /// As the kernel counted it.
    main_counted: u64,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut tool = Tool::start(&arguments.tool)?;
    let machine = Machine::start();
    let stays = Stays::default();
    let mut watch = Watch { pid: tool.child.id(), machine, stays: stays.clone(), ..Watch::default() };
    let first = tool.lines.recv_timeout(PATIENCE).context("the tool has printed no interval")?;
    watch.take(&first)?;
    let start = Instant::now();
    watch.start = Some(start);
    watch.schedule = Schedule::of(arguments)?;
    let churn = watch.schedule.churn_ends.saturating_sub(watch.schedule.churn_begins);
    let main = stays.start(&stay::Arguments {
        threads: 2,
        cpu: 0,
        listeners_per_second: arguments.listeners_per_second,
        refused_per_second: arguments.refused_per_second,
        open: arguments.open,
        rest_before: arguments.rest,
        churn: churn.as_secs_f64(),
        rest_after: arguments.rest,
    })?;
    let visits = {
        let (stays, schedule) = (stays.clone(), watch.schedule);
        let every = Duration::try_from_secs_f64(1.0 / arguments.namespaces_per_second).ok();
        thread::spawn(move || every.map_or(Ok(()), |every| visit(&stays, start, schedule, every)))
    };
    let mut after = 0;
    while after < LAST_INTERVALS {
        let is_over = main.is_over() && visits.is_finished();
        match tool.lines.recv_timeout(PATIENCE) {
            Ok(line) => watch.take(&line)?,
            Err(RecvTimeoutError::Timeout) => bail!("the tool printed nothing for {} s", PATIENCE.as_secs()),
            Err(RecvTimeoutError::Disconnected) => bail!("the tool ended: {}", tool.child.wait()?),
        }
        after += u32::from(is_over);
        stays.check()?;
    }
    visits.join().unwrap_or_else(|_| bail!("the thread that makes namespaces panicked"))?;
    tool.interrupt()?;
    while let Ok(line) = tool.lines.recv_timeout(PATIENCE) {
        watch.take(&line)?;
    }
    tool.end()
}

/// Makes namespaces that come and go, and waits for the last to be gone.
fn visit(stays: &Stays, start: Instant, schedule: Schedule, every: Duration) -> Result<()> {
    let mut going: Vec<Going> = Vec::new();
    let mut next = start + schedule.churn_begins;
    let mut number = 0u16;
    while next < start + schedule.churn_ends {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        going.retain(|going| !going.is_over());
        // Those that are late are left out, not made up for all at once.
        next = Instant::now().max(next) + every;
        if going.len() >= MOST_VISITS {
            continue;
        }
        number = number.wrapping_add(1);
        going.push(stays.start(&stay::Arguments {
            threads: 1,
            cpu: number % 2,
            listeners_per_second: VISIT_LISTENERS_PER_SECOND,
            refused_per_second: VISIT_REFUSED_PER_SECOND,
            open: 4,
            rest_before: 0.0,
            churn: VISIT_SECONDS,
            rest_after: 0.0,
        })?);
    }
    while going.iter().any(|going| !going.is_over()) {
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// When what happens, since the workload began.
#[derive(Clone, Copy, Debug, Default)]
struct Schedule {
    churn_begins: Duration,
    churn_ends: Duration,
    ends: Duration,
}

impl Schedule {
    fn of(arguments: &Arguments) -> Result<Self> {
        let ends = Duration::try_from_secs_f64(arguments.seconds)?;
        let rest = Duration::try_from_secs_f64(arguments.rest)?;
        let Some(churn_ends) = ends.checked_sub(rest).filter(|churn_ends| *churn_ends > rest) else {
            bail!("two rests of {} s do not fit into {} s", arguments.rest, arguments.seconds);
        };
        Ok(Self { churn_begins: rest, churn_ends, ends })
    }

    /// `from`, `to`: since the workload began; `None` before it.
    fn phase(self, from: Option<Duration>, to: Option<Duration>) -> Phase {
        let (Some(from), Some(to)) = (from, to) else { return Phase::Edge };
        let within = |begin: Duration, end: Duration| from >= begin && to <= end;
        if within(SETTLES, self.churn_begins) {
            Phase::Before
        } else if within(self.churn_begins, self.churn_ends) {
            Phase::Churn
        } else if within(self.churn_ends + Duration::from_secs_f64(VISIT_SECONDS) + SETTLES, self.ends) {
            Phase::After
        } else {
            Phase::Edge
        }
    }
}

/// What is known of the intervals so far.
#[derive(Debug, Default)]
struct Watch {
    pid: u32,
    machine: Machine,
    stays: Stays,
    schedule: Schedule,
    start: Option<Instant>,
    last: Option<Instant>,
    cpu: Duration,
    /// When the first interval came, and how long those since then were.
    first: Option<(Instant, f64)>,
}

impl Watch {
    fn take(&mut self, (came, line): &(Instant, String)) -> Result<()> {
        let line: Line = serde_json::from_str(line).context("the tool printed what is no JSON of hist")?;
        // The last interval and the whole come when the process is ending.
        let taken = process::taken(self.pid).ok();
        let cpu = taken.map_or(self.cpu, |taken| taken.cpu);
        let since = |at: Instant| self.start.map(|start| at.saturating_duration_since(start));
        let phase = self.schedule.phase(self.last.and_then(since), since(*came));
        let first = self.stays.first();
        // Over the whole run a number can have been several namespaces', but for
        // that of the process which is there all the while.
        let ours =
            if line.is_final { HashSet::from([first.netns]) } else { self.stays.namespaces(self.last) };
        let printed = Printed {
            r#type: if line.is_final { "run" } else { "interval" },
            at: since(*came).unwrap_or_default().as_secs_f64(),
            phase: if line.is_final { Phase::Edge } else { phase },
            seconds: line.seconds,
            delay_ms: if line.is_final { 0 } else { self.delay(*came, line.seconds) },
            machine_late_ms: self.machine.late(),
            rss_kib: taken.map_or(0, |taken| taken.rss_kib),
            cpu_ms: u64::try_from(cpu.saturating_sub(self.cpu).as_millis()).unwrap_or(u64::MAX),
            rung: line.hooks.iter().find(|hook| hook.hook == "syn").and_then(|hook| hook.rung.clone()),
            said: line.reduce(|netns| ours.contains(&netns)),
            did: self.stays.sums(),
            main_refused: first.refused,
            main_counted: first.overflows,
        };
        self.cpu = cpu;
        self.last = Some(*came);
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&printed)?)?;
        out.flush()?;
        Ok(())
    }

    /// How much later an interval came than its predecessors allow.
    fn delay(&mut self, came: Instant, seconds: f64) -> i64 {
        let Some((first, passed)) = &mut self.first else {
            self.first = Some((came, 0.0));
            return 0;
        };
        *passed += seconds;
        let late = came.saturating_duration_since(*first).as_secs_f64() - *passed;
        #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a run fit many times over")]
        let late = (late * 1000.0).round() as i64;
        late
    }
}

/// The tool while it observes. It does not outlive this value.
struct Tool {
    child: Child,
    lines: Receiver<(Instant, String)>,
}

impl Tool {
    fn start(command: &[String]) -> Result<Self> {
        let (program, arguments) = command.split_first().context("the tool is missing")?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{program} could not be started"))?;
        let output = child.stdout.take().context("the tool has no output")?;
        Ok(Self { child, lines: read(output) })
    }

    fn interrupt(&self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(pid, Signal::INT).context("the tool cannot be told to end")
    }

    fn end(mut self) -> Result<()> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the tool ended with {status}");
        }
        Ok(())
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // Already gone is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines in a thread of its own, each with the moment that it came.
fn read(output: ChildStdout) -> Receiver<(Instant, String)> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send((Instant::now(), line)).is_err() {
                break;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_lies_in_a_phase_as_a_whole_or_in_none() {
        let seconds = Duration::from_secs;
        let schedule = Schedule { churn_begins: seconds(10), churn_ends: seconds(50), ends: seconds(60) };
        for (from, to, phase) in [
            (0, 1, Phase::Edge),
            (3, 4, Phase::Before),
            (9, 10, Phase::Before),
            (9, 11, Phase::Edge),
            (10, 11, Phase::Churn),
            (49, 50, Phase::Churn),
            (52, 53, Phase::Edge),
            (55, 56, Phase::After),
            (59, 61, Phase::Edge),
        ] {
            assert_eq!(schedule.phase(Some(seconds(from)), Some(seconds(to))), phase, "{from} to {to}");
        }
        assert_eq!(schedule.phase(None, Some(seconds(5))), Phase::Edge);
    }

    #[test]
    fn an_interval_is_late_by_what_its_predecessors_do_not_say() {
        let mut watch = Watch::default();
        let start = Instant::now();
        let came = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(watch.delay(came(0), 1.0), 0);
        assert_eq!(watch.delay(came(1000), 1.0), 0);
        // A long interval is no delay of this kind: its length tells.
        assert_eq!(watch.delay(came(4000), 3.0), 0);
        assert_eq!(watch.delay(came(5700), 1.0), 700);
    }
}
