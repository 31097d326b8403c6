//! Ctrl-C, SIGTERM and SIGHUP: the first ends the observation, the second the
//! program. SIGUSR1 asks how things stand, and ends nothing.

use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

use backlog_trace_model::failure::{Failure, Result};
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::confine;
use crate::resource_limits;

/// A signal that asks to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Interrupt {
    /// SIGINT: from a terminal, every process in the foreground got it too.
    Int,
    /// SIGTERM: to this process alone.
    Term,
    /// SIGHUP: the terminal is gone, and its processes got it too.
    Hup,
}

impl Interrupt {
    /// The exit code a shell gives for it.
    const fn exit_code(self) -> i32 {
        match self {
            Self::Int => 130,
            Self::Term => 143,
            Self::Hup => 129,
        }
    }

    /// Whether it may be the last: a person can press Ctrl-C again, whoever
    /// sends the others sends SIGKILL next, or is gone.
    pub(super) const fn is_final(self) -> bool {
        matches!(self, Self::Term | Self::Hup)
    }

    /// Whether the command after `--` has had it too.
    pub(super) const fn reached_the_command(self) -> bool {
        matches!(self, Self::Int | Self::Hup)
    }
}

/// The first signal that asked this process to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Which.
    pub(super) interrupt: Interrupt,
    /// When it was noticed.
    pub(super) at: Instant,
}

/// Signals are the process's, so what became of them is, too.
static ASKED: OnceLock<Asked> = OnceLock::new();

/// Whether this process was asked to end; also for a thread that is stuck in
/// printing and reads no channel.
pub(super) fn asked() -> Option<Asked> {
    ASKED.get().copied()
}

/// What came of the signals.
pub(super) struct Signals {
    /// The first that asks to end.
    pub(super) interrupt: oneshot::Receiver<Interrupt>,
    /// Each time that somebody asks how things stand. Those that come faster
    /// than they are answered are one.
    pub(super) marks: mpsc::Receiver<()>,
}

/// Catches all of them from now on. The second that asks to end ends the
/// program at once.
///
/// They are waited for on a thread of their own: the thread that prints may
/// be stuck in a write to a pipe that nobody reads.
///
/// # Errors
/// The thread or the handlers could not be made.
pub(super) fn catch() -> Result<Signals> {
    let (first, interrupt) = oneshot::channel();
    let (mark, marks) = mpsc::channel(1);
    let (ready, is_ready) = std::sync::mpsc::channel();
    let failed = |error: std::io::Error| resource_limits::not_made("what catches signals", &error);
    // Before the thread is fenced off from /proc.
    let hangups = Hangups::of_this_process();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || watch(first, &mark, &ready, hangups))
        .map_err(failed)?;
    match is_ready.recv() {
        Ok(Ok(())) => Ok(Signals { interrupt, marks }),
        Ok(Err(error)) => Err(failed(error)),
        Err(error) => Err(Failure::internal("cannot catch signals", error)),
    }
}

fn watch(
    first: oneshot::Sender<Interrupt>,
    mark: &mpsc::Sender<()>,
    ready: &std::sync::mpsc::Sender<std::io::Result<()>>,
    hangups: Hangups,
) {
    // It needs nothing, so it is not worth a failure.
    if let Err(failure) = confine::printing(false) {
        log::debug!("{failure}");
    }
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(ready, Err(error)),
    };
    runtime.block_on(async {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::user_defined1()];
        let [mut int, mut term, mut usr1] = match kinds.map(signal) {
            [Ok(int), Ok(term), Ok(usr1)] => [int, term, usr1],
            [Err(error), ..] | [_, Err(error), _] | [.., Err(error)] => return report(ready, Err(error)),
        };
        let mut hup = match hangups.signal() {
            Ok(hup) => hup,
            Err(error) => return report(ready, Err(error)),
        };
        report(ready, Ok(()));
        let mut next = async || {
            loop {
                tokio::select! {
                    _ = int.recv() => return Interrupt::Int,
                    _ = term.recv() => return Interrupt::Term,
                    () = hung_up(&mut hup) => return Interrupt::Hup,
                    // One that waits to be answered stands for this one too.
                    _ = usr1.recv() => drop(mark.try_send(())),
                }
            }
        };
        let interrupt = next().await;
        // It is set once: here.
        let _ = ASKED.set(Asked { interrupt, at: Instant::now() });
        // Where nobody waits for it any more, the observation is over already.
        let _ = first.send(interrupt);
        std::process::exit(next().await.exit_code());
    });
}

/// What is to be done about SIGHUP.
#[derive(Clone, Copy)]
enum Hangups {
    /// It asks to end.
    Caught,
    /// Whoever started this process had it ignored, as nohup does, and means it.
    Ignored,
}

impl Hangups {
    /// Where /proc is not there, they are caught.
    fn of_this_process() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if ignores(&status, libc::SIGHUP) { Self::Ignored } else { Self::Caught }
    }

    fn signal(self) -> std::io::Result<Option<Signal>> {
        match self {
            Self::Caught => signal(SignalKind::hangup()).map(Some),
            Self::Ignored => Ok(None),
        }
    }
}

async fn hung_up(hangups: &mut Option<Signal>) {
    match hangups {
        Some(hangups) => drop(hangups.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether a process ignores a signal, by its /proc/PID/status: bit n-1 of SigIgn is signal n.
fn ignores(status: &str, number: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(number - 1).is_ok_and(|bit| mask.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

fn report(ready: &std::sync::mpsc::Sender<std::io::Result<()>>, result: std::io::Result<()>) {
    // `catch()` waits for exactly this; it cannot be gone.
    let _ = ready.send(result);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: &str, number: i32, expected: bool) {
        assert_eq!(ignores(status, number), expected, "{status}");
    }

    #[test]
    fn ignored_signals() {
        // As nohup leaves it: SIGHUP is 1, SIGPIPE 13.
        check("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n", libc::SIGHUP, true);
        check("SigIgn:\t0000000000001001\n", libc::SIGPIPE, true);
        check("SigIgn:\t0000000000001000\n", libc::SIGHUP, false);
        check("", libc::SIGHUP, false);
        check("SigIgn:\tffffffffffffffff\n", 0, false);
    }
}
