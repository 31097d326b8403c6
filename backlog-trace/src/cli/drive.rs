//! Runs an observation: from the probe's events to a view, and a recording
//! where there is one, until it is over for whichever reason comes first.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backlog_trace_model::check::Hook;
use backlog_trace_model::event::{Event, Rung, Session};
use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::listener::Filter;
use backlog_trace_model::tally::Selection;
use backlog_trace_model::trace::{Medium, Writer};
use backlog_trace_model::view::View;
use tokio::process::Child;
use tokio::runtime;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::Format;
use super::begin::begin;
use super::child::{self, Prepared};
use super::descriptors::{self, Inherited};
use super::interrupt::{self, Interrupt, Signals};
use super::missing::Missing;
use super::observe::Observe;
use super::output::{self, hint, talk};
use super::printed::{Printed, is_unread};
use super::ready;
use super::waiting;
use crate::confine::{self, as_invoker};
use crate::listener::{self, Book};
use crate::probe;
use crate::resource_limits;
use crate::source::{Begun, Received};
use crate::step::Steps;

/// How often a run without losses looks whether anybody still reads them.
const READER_CHECK: Duration = Duration::from_millis(500);

/// How often the counts are read unless an interval asks for more.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

/// Where events go.
pub(super) struct Sink<'a> {
    /// Prints them.
    pub(super) view: Box<dyn View + 'a>,
    /// Where it prints.
    pub(super) printed: Printed,
    /// Keeps them.
    pub(super) recording: Option<Writer<Box<dyn Medium>>>,
    /// They are kept on standard output.
    pub(super) output_is_recording: bool,
}

/// Observes as the arguments say.
///
/// # Errors
/// Nothing can be attached, the command does not run, an output cannot be
/// written, or something that was named does not exist.
pub(super) fn run(
    arguments: &Observe,
    selection: &Selection,
    interval: Option<Duration>,
    sink: Sink<'_>,
) -> Result<Exit> {
    let limit = descriptors::raise();
    // Of fewer, the library that catches signals would panic.
    resource_limits::descriptors(resource_limits::DESCRIPTORS_TO_OBSERVE)?;
    resource_limits::threads()?;
    let command = child::find(&arguments.command, std::env::var_os("PATH").as_deref())?;
    let settings = settings(arguments, interval)?;
    let named = selection.listeners.clone();
    let signals = interrupt::catch()?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| resource_limits::not_made("what the start waits with", &error))?;
    runtime.block_on(observe(
        arguments,
        settings,
        named,
        command.map(|command| (command, limit)),
        signals,
        sink,
    ))
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

fn settings(arguments: &Observe, interval: Option<Duration>) -> Result<probe::Settings> {
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

async fn observe(
    arguments: &Observe,
    settings: probe::Settings,
    named: Filter,
    command: Option<(Prepared, Inherited)>,
    mut signals: Signals,
    mut sink: Sink<'_>,
) -> Result<Exit> {
    let (stop, stopped) = oneshot::channel();
    let (Begun { events, go, look }, exit) = tokio::select! {
        // Where both are ready, what was attached is worth its final output.
        biased;
        begun = start(settings, named, arguments.ready_file.clone(), stopped) => begun?,
        _ = &mut signals.interrupt => {
            talk("interrupted before everything was attached: nothing was observed");
            return Ok(Exit::Success);
        }
    };
    // Before anything is given up, which it would inherit.
    let for_programs = sink.output_is_recording || arguments.format == Format::Json;
    let child = command.map(|(command, limit)| command.start(for_programs, &limit)).transpose()?;
    confine::printing(child.is_some())?;
    // An observation that is gone says so by its events.
    let _ = go.send(());
    if child.is_none() && arguments.duration.is_none() {
        hint("observing; press Ctrl-C to end");
    }
    let deadline = arguments.duration.map(|duration| Instant::now() + duration);
    let run = Run::new(stop, look, child);
    run.until_over(events, signals, deadline, &mut sink).await?;
    Ok(exit)
}

/// Begins, and says so where that is asked for; what takes long is named.
/// Nothing here keeps its thread from hearing signals.
async fn start(
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
struct Run {
    stop: Option<oneshot::Sender<()>>,
    /// Asks the observation how things stand.
    look: Arc<Notify>,
    child: Option<Child>,
    /// The signal that ended it.
    interrupt: Option<Interrupt>,
    output: Output,
    /// The observation has said all that it had to say.
    finished: bool,
    failure: Option<Failure>,
    missing: Missing,
}

impl Run {
    fn new(stop: oneshot::Sender<()>, look: Arc<Notify>, child: Option<Child>) -> Self {
        let stop = Some(stop);
        let output = Output::Taken;
        Self {
            stop,
            look,
            child,
            interrupt: None,
            output,
            finished: false,
            failure: None,
            missing: Missing::default(),
        }
    }

    async fn until_over(
        mut self,
        mut events: Received,
        mut signals: Signals,
        deadline: Option<Instant>,
        sink: &mut Sink<'_>,
    ) -> Result<()> {
        let mut reader_check = interval(READER_CHECK);
        reader_check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let goes_on = self.stop.is_some();
            tokio::select! {
                event = events.recv() => match event {
                    Some(Ok(event)) => self.take(&event, sink),
                    Some(Err(failure)) => {
                        self.failure.get_or_insert(failure);
                    }
                    None => {
                        if !self.finished {
                            self.failure.get_or_insert_with(broken_off);
                        }
                        break;
                    }
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
                _ = reader_check.tick(), if goes_on && sink.recording.is_none() => {
                    if is_unread() {
                        self.output = Output::Left;
                        self.stop();
                    }
                }
            }
        }
        // Ctrl-C ends a whole pipeline: that the reader went may have shown first.
        self.interrupt = self.interrupt.or_else(|| signals.interrupt.try_recv().ok());
        if let Some(Err(failure)) = sink.recording.take().map(Writer::finish) {
            self.failure.get_or_insert(failure);
        }
        self.deliver(sink);
        if let Some(child) = self.child.take() {
            let had_signal = self.interrupt.is_some_and(Interrupt::reached_the_command);
            child::end(child, had_signal).await;
        }
        self.failure.map_or(Ok(()), Err)
    }

    fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A probe that has ended by itself no longer listens.
            let _ = stop.send(());
        }
    }

    fn take(&mut self, event: &Event, sink: &mut Sink<'_>) {
        self.missing.take(event);
        match event {
            Event::Started(session) => say_what_is_missing(session),
            Event::Finished => self.finished = true,
            _ => {}
        }
        if let Some(Err(failure)) = sink.recording.as_mut().map(|recording| recording.write(event)) {
            self.failure.get_or_insert(failure);
            self.stop();
        }
        if matches!(self.output, Output::Taken)
            && let Err(error) = sink.view.take(event)
        {
            self.output = Output::of(error);
            if sink.recording.is_none() {
                self.stop();
            }
        }
    }

    /// Prints the result, on standard error where standard output does not
    /// take it: an observation cannot be repeated.
    fn deliver(&mut self, sink: &mut Sink<'_>) {
        let output = std::mem::replace(&mut self.output, Output::Taken);
        if matches!(output, Output::Left) && self.interrupt.is_none() {
            return;
        }
        sink.printed.hold();
        let rendered = sink.view.end();
        let result = sink.printed.release();
        let failed = match (output, rendered) {
            (Output::Taken, Ok(())) => match sink.printed.write_all(&result) {
                Ok(()) if self.interrupt.is_some() && sink.printed.is_lost() => ErrorKind::BrokenPipe.into(),
                Ok(()) => return,
                Err(error) => error,
            },
            (Output::Left, _) => ErrorKind::BrokenPipe.into(),
            (Output::Taken, Err(error)) | (Output::Refused(error), _) => error,
        };
        if failed.kind() == ErrorKind::BrokenPipe && self.interrupt.is_none() {
            return;
        }
        let mut failure = output::refused(&failed);
        failure.what.push_str(match Printed::error().write_all(&result) {
            Ok(()) => "; the result is printed above instead",
            Err(_) => "; the result is lost",
        });
        self.failure.get_or_insert(failure);
    }
}

/// What became of standard output.
enum Output {
    /// It took everything.
    Taken,
    /// Whoever read it has gone.
    Left,
    /// It took no more.
    Refused(io::Error),
}

impl Output {
    fn of(error: io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe { Self::Left } else { Self::Refused(error) }
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

/// One line a hook; why is a long story, and `check` tells it.
fn say_what_is_missing(session: &Session) {
    if session.is_polled() {
        return;
    }
    for hook in session.hooks.iter().filter(|hook| hook.rung.is_none()) {
        let gives = Hook::of_name(&hook.hook).map(|known| known.row().gives);
        let gives = gives.unwrap_or("what it would give");
        let hook = &hook.hook;
        talk(format_args!("not visible on this kernel: {gives} (hook {hook}); why: backlog-trace check"));
    }
}

#[cfg(test)]
mod tests;
