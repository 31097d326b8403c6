//! Begins an observation: by hooks, and where not one can be attached, by
//! polling, with a word on what is lost by that.

use std::future::Future;

use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::{Exit, Failure, Result};
use tokio::sync::{oneshot, watch};

use super::output::talk;
use crate::resource_limits;
use crate::source::Begun;
use crate::{polled, probe};

/// Attaches or polls, as the settings ask, until `stopped` is done; returns
/// what the program ends with if all goes well, too.
///
/// # Errors
/// What the user must change before anything can be observed.
pub(super) async fn begin(
    settings: probe::Settings,
    stopped: oneshot::Receiver<()>,
) -> Result<(Begun, Exit)> {
    let stop = repeated(stopped);
    let (every, rung, steps) = (settings.snapshot_every, settings.rung, settings.steps.clone());
    if rung == Some(Rung::Counters) {
        return Ok((polled::observe(every, None, steps, stop()).await?, Exit::Success));
    }
    let begun = match resource_limits::memory_for_hooks() {
        Ok(()) => probe::observe(settings, stop()).await,
        Err(failure) => Err(failure),
    };
    match begun {
        Ok(begun) => Ok((begun, Exit::Success)),
        Err(failure) if rung.is_none() && is_refusal(&failure) => {
            let begun = polled::observe(every, Some(failure.what.clone()), steps, stop()).await?;
            talk(format_args!("nothing can be attached: {}", failure.what));
            if let Some(advice) = &failure.advice {
                talk(advice);
            }
            talk(
                "sockets and counters are polled instead: clients are not seen, and a reason is named only where the counters leave no choice",
            );
            Ok((begun, Exit::Reduced))
        }
        Err(failure) => Err(failure),
    }
}

/// Whether the kernel, this user's privileges or a limit do not allow hooks.
fn is_refusal(failure: &Failure) -> bool {
    matches!(failure.exit, Exit::NotPermitted | Exit::KernelUnable | Exit::NoRoom)
}

/// Futures that are done when `stopped` is, or its sender is gone.
fn repeated(
    stopped: oneshot::Receiver<()>,
) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
    let (sender, receiver) = watch::channel(());
    tokio::spawn(async move {
        let _ = stopped.await;
        drop(sender);
    });
    move || {
        let mut receiver = receiver.clone();
        // Nothing is ever sent: it changes when the sender is gone.
        Box::pin(async move { while receiver.changed().await.is_ok() {} })
    }
}
