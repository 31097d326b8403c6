//! Ctrl-C and SIGTERM: the first ends the observation, the second the program.
//! SIGUSR1 asks how things stand, and ends nothing.

use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::confine;
use crate::failure::{Failure, Result};

/// A signal that asks to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Interrupt {
    /// SIGINT: from a terminal, every process in the foreground got it too.
    Int,
    /// SIGTERM: to this process alone.
    Term,
}

impl Interrupt {
    /// The exit code a shell gives for it.
    const fn exit_code(self) -> i32 {
        match self {
            Self::Int => 130,
            Self::Term => 143,
        }
    }
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
    let failed = |error: std::io::Error| Failure::internal("cannot catch signals", error);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || watch(first, &mark, &ready))
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
        report(ready, Ok(()));
        let mut next = async || {
            loop {
                tokio::select! {
                    _ = int.recv() => return Interrupt::Int,
                    _ = term.recv() => return Interrupt::Term,
                    // One that waits to be answered stands for this one too.
                    _ = usr1.recv() => drop(mark.try_send(())),
                }
            }
        };
        // Where nobody waits for it any more, the observation is over already.
        let _ = first.send(next().await);
        std::process::exit(next().await.exit_code());
    });
}

fn report(ready: &std::sync::mpsc::Sender<std::io::Result<()>>, result: std::io::Result<()>) {
    // `catch()` waits for exactly this; it cannot be gone.
    let _ = ready.send(result);
}
