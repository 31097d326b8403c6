//! Runs an observation: from a source's events to its consumers, until it is
//! over for whichever reason comes first.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backlog_trace_model::check::Hook;
use backlog_trace_model::event::{Asked, Event, HookState, Rung, Session};
use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::listener::Filter;
use backlog_trace_model::output::{Consumer, End, Pipeline};
use backlog_trace_model::tally::Selection;
use tokio::process::Child;
use tokio::runtime;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::begin::begin;
use super::child::{self, Prepared};
use super::descriptors::{self, Inherited};
use super::format::{Format, Offered};
use super::interrupt::{self, Interrupt, Signals};
use super::missing::Missing;
use super::observe::Observe;
use super::output::{hint, talk};
use super::ready;
use super::unmatched::Unmatched;
use super::waiting;
use crate::confine::{self, as_invoker};
use crate::listener::{self, Book};
use crate::probe;
use crate::resource_limits;
use crate::source::{Begun, Received};
use crate::step::Steps;

/// How often consumers are asked whether anybody still wants what they make.
const TICK: Duration = Duration::from_millis(500);

/// How often the counts are read unless an interval asks for more.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

/// What is observed, and for whom.
pub(super) struct Observation<'a, F: Offered = Format> {
    /// What the command line asks for.
    pub(super) arguments: &'a Observe<F>,
    /// What is reported.
    pub(super) selection: Selection,
    /// In intervals of this length, where one is given.
    pub(super) interval: Option<Duration>,
    /// What whoever started it calls it.
    pub(super) label: Option<String>,
    /// Standard output is for programs: what the command after `--` prints there
    /// goes to standard error.
    pub(super) output_is_data: bool,
}

/// Observes as the arguments say, for these consumers.
///
/// # Errors
/// Nothing can be attached, the command does not run, an output cannot be
/// written, or something that was named does not exist.
pub(super) fn run<F: Offered>(
    observation: Observation<'_, F>,
    consumers: Vec<&mut dyn Consumer>,
) -> Result<Exit> {
    let limit = descriptors::raise();
    // Of fewer, the library that catches signals would panic.
    resource_limits::descriptors(resource_limits::DESCRIPTORS_TO_OBSERVE)?;
    resource_limits::threads()?;
    let Observation { arguments, selection, interval, label, output_is_data } = observation;
    let command = child::find(&arguments.command, std::env::var_os("PATH").as_deref())?;
    let settings = settings(arguments, interval)?;
    let named = selection.listeners.clone();
    let mut pipeline = Pipeline::new(selection, interval, consumers);
    pipeline.prepare()?;
    let signals = interrupt::catch()?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| resource_limits::not_made("what the start waits with", &error))?;
    let start = Start {
        settings,
        named,
        command: command.map(|command| (command, limit)),
        output_is_data,
        ready_file: arguments.ready_file.clone(),
        duration: arguments.duration,
        asked: asked(arguments, label),
    };
    runtime.block_on(observe(start, signals, pipeline))
}

/// What an observation begins with.
struct Start {
    settings: probe::Settings,
    named: Filter,
    command: Option<(Prepared, Inherited)>,
    output_is_data: bool,
    ready_file: Option<PathBuf>,
    duration: Option<Duration>,
    asked: Asked,
}

/// What a recording tells of how it came about.
fn asked<F: Offered>(arguments: &Observe<F>, label: Option<String>) -> Asked {
    let text = |argument: OsString| argument.to_string_lossy().into_owned();
    Asked {
        arguments: Asked::kept(std::env::args_os().skip(1).map(text)),
        command: Asked::kept(arguments.command.iter().cloned().map(text)),
        label,
    }
}

/// Says which of the named listeners are not there; what cannot come is an error.
fn check_names(named: &Filter, steps: Steps) -> Result<()> {
    if named.is_empty() {
        return Ok(());
    }
    let mut book = Book::telling(steps);
    book.refresh();
    listener::check(named, &book)?.iter().for_each(talk);
    Ok(())
}

fn settings<F: Offered>(arguments: &Observe<F>, interval: Option<Duration>) -> Result<probe::Settings> {
    let ring_bytes =
        arguments.ring_mib.checked_mul(1 << 20).filter(|bytes| bytes.is_power_of_two()).ok_or_else(|| {
            let what = format!("a ring buffer of {} MiB cannot be made", arguments.ring_mib);
            Failure::new(Exit::Usage, what).advise("give a power of two up to 2048")
        })?;
    // Said before a recording is made or a command looked for.
    if arguments.rung != Some(Rung::Counters) {
        probe::rungs(arguments.rung)?;
    }
    Ok(probe::Settings {
        rung: arguments.rung,
        causes: arguments.causes,
        snapshot_every: snapshot_every(interval),
        ring_bytes,
        as_cpus: arguments.as_cpus,
        kernel_log: arguments.kernel_log,
        steps: Steps::default(),
    })
}

/// About a second, and such that an interval ends with a snapshot.
fn snapshot_every(interval: Option<Duration>) -> Duration {
    let Some(interval) = interval else { return SNAPSHOT_EVERY };
    let parts = interval.as_nanos().div_ceil(SNAPSHOT_EVERY.as_nanos());
    interval / u32::try_from(parts).unwrap_or(u32::MAX).max(1)
}

async fn observe(start: Start, mut signals: Signals, pipeline: Pipeline<'_>) -> Result<Exit> {
    let unmatched = Unmatched::by(&start.named);
    let Start { settings, named, command, output_is_data, ready_file, duration, asked } = start;
    let (stop, stopped) = oneshot::channel();
    let (Begun { events, go, look }, exit) = tokio::select! {
        // Where both are ready, what was attached is worth its final output.
        biased;
        begun = begun(settings, named, ready_file, stopped) => begun?,
        _ = &mut signals.interrupt => {
            talk("interrupted before everything was attached: nothing was observed");
            return Ok(Exit::Success);
        }
    };
    // Before anything is given up, which it would inherit.
    let child = command.map(|(command, limit)| command.start(output_is_data, &limit)).transpose()?;
    confine::printing(child.is_some())?;
    // An observation that is gone says so by its events.
    let _ = go.send(());
    if child.is_none() && duration.is_none() {
        hint("observing; press Ctrl-C to end");
    }
    let deadline = duration.map(|duration| Instant::now() + duration);
    Run::new(stop, look, child, pipeline, asked, unmatched).until_over(events, signals, deadline).await?;
    Ok(exit)
}

/// Begins, and says so where that is asked for; what takes long is named.
/// Nothing here keeps its thread from hearing signals.
async fn begun(
    mut settings: probe::Settings,
    named: Filter,
    ready_file: Option<PathBuf>,
    stopped: oneshot::Receiver<()>,
) -> Result<(Begun, Exit)> {
    let (steps, told) = Steps::watched();
    settings.steps = steps.clone();
    let start = async {
        waiting::aside(move || check_names(&named, steps)).await?;
        let begun = begin(settings, stopped).await?;
        if let Some(file) = ready_file {
            waiting::aside(move || as_invoker(|| ready::say(&file))).await?;
        }
        Ok(begun)
    };
    tokio::select! {
        begun = start => begun,
        never = waiting::name(told) => match never {},
    }
}

/// An observation that goes on.
struct Run<'a> {
    stop: Option<oneshot::Sender<()>>,
    /// Asks the observation how things stand.
    look: Arc<Notify>,
    child: Option<Child>,
    /// The signal that ended it.
    interrupt: Option<Interrupt>,
    pipeline: Pipeline<'a>,
    asked: Asked,
    /// The observation has said all that it had to say.
    finished: bool,
    missing: Missing,
    unmatched: Unmatched,
}

impl<'a> Run<'a> {
    fn new(
        stop: oneshot::Sender<()>,
        look: Arc<Notify>,
        child: Option<Child>,
        pipeline: Pipeline<'a>,
        asked: Asked,
        unmatched: Unmatched,
    ) -> Self {
        Self {
            stop: Some(stop),
            look,
            child,
            interrupt: None,
            pipeline,
            asked,
            finished: false,
            missing: Missing::default(),
            unmatched,
        }
    }

    async fn until_over(
        mut self,
        mut events: Received,
        mut signals: Signals,
        deadline: Option<Instant>,
    ) -> Result<()> {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let goes_on = self.stop.is_some();
            tokio::select! {
                event = events.recv() => match event {
                    Some(Ok(event)) => self.take(&event),
                    Some(Err(failure)) => self.pipeline.fail(failure),
                    None => break,
                },
                Some(()) = signals.marks.recv(), if goes_on => self.look.notify_one(),
                signal = &mut signals.interrupt, if goes_on => {
                    self.interrupt = signal.ok();
                    self.stop();
                }
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if goes_on && deadline.is_some() => {
                    self.stop();
                }
                status = wait(&mut self.child), if self.child.is_some() => {
                    self.child = None;
                    if let Some(sentence) = child::describe(status) {
                        talk(sentence);
                    }
                    self.stop();
                }
                _ = tick.tick(), if goes_on => self.pipeline.tick(),
            }
            if self.pipeline.is_over() {
                self.stop();
            }
        }
        self.end(signals).await
    }

    async fn end(mut self, mut signals: Signals) -> Result<()> {
        if !self.finished {
            self.pipeline.fail(broken_off());
        }
        // Ctrl-C ends a whole pipeline: that the reader went may have shown first.
        let interrupt = self.interrupt.or_else(|| signals.interrupt.try_recv().ok());
        let ended = self.pipeline.end(&[], End { interrupted: interrupt.is_some() });
        if let Some(sentence) = self.unmatched.sentence() {
            talk(sentence);
        }
        if let Some(child) = self.child.take() {
            let had_signal = interrupt.is_some_and(Interrupt::reached_the_command);
            child::end(child, had_signal).await;
        }
        ended
    }

    fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A probe that has ended by itself no longer listens.
            let _ = stop.send(());
        }
    }

    fn take(&mut self, event: &Event) {
        self.missing.take(event);
        self.unmatched.take(event);
        match event {
            Event::Started(session) => {
                say_what_is_missing(session);
                // The source does not know what was asked for.
                let asked = std::mem::take(&mut self.asked);
                let session = Session { asked, ..Session::clone(session) };
                return self.pipeline.take(&Event::Started(Arc::new(session)));
            }
            Event::Finished => self.finished = true,
            _ => {}
        }
        self.pipeline.take(event);
    }
}

/// It ended neither with [`Event::Finished`] nor with a failure: its thread
/// panicked, and has said where on standard error.
fn broken_off() -> Failure {
    let what = "the observation broke off: what was printed is not the whole of it";
    Failure::new(Exit::Internal, what).advise("please report this together with the lines above it")
}

async fn wait(child: &mut Option<Child>) -> io::Result<std::process::ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

/// One line for all hooks; why is a long story, and `check` tells it.
fn say_what_is_missing(session: &Session) {
    if let Some(sentence) = not_visible(session) {
        talk(sentence);
    }
}

/// What is not visible without the hooks that could not be attached, where there are
/// any. Where nothing is attached, [`begin`] has said so.
fn not_visible(session: &Session) -> Option<String> {
    if session.is_polled() {
        return None;
    }
    let missing = || session.hooks.iter().filter(|hook| hook.rung.is_none());
    let gives = |hook: &HookState| Hook::of_name(&hook.hook).map(|known| known.row().gives);
    let gives: Vec<&str> = missing().map(|hook| gives(hook).unwrap_or("what a newer hook gives")).collect();
    (!gives.is_empty())
        .then(|| format!("not visible on this kernel: {}; why: backlog-trace check", gives.join("; ")))
}

#[cfg(test)]
mod tests;
