//! What can be waited for without anybody waiting in vain: work that blocks is
//! done by another thread, so that signals are heard meanwhile, and what takes
//! long is named.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use backlog_trace_model::failure::{Exit, Failure, Result};
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;

use super::output::talk;
use crate::resource_limits;
use crate::step::Step;

/// How long a start may take without a word.
const SILENCE: Duration = Duration::from_secs(2);

/// Does what blocks on a thread of its own. Where nobody waits any more, it
/// goes on until the program ends.
///
/// # Errors
/// What `work` failed with, or there is no thread to be had.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (done, outcome) = oneshot::channel();
    let work = move || {
        // Whoever waited may be gone.
        let _ = done.send(work());
    };
    thread::Builder::new()
        .name("start".to_owned())
        .spawn(work)
        .map_err(|error| resource_limits::not_made("the thread that starts", &error))?;
    // Without an answer it panicked, and has said where on standard error.
    outcome.await.unwrap_or_else(|_| Err(Failure::new(Exit::Internal, "the start broke off")))
}

/// Names the steps of a start that takes longer than [`SILENCE`]: the one it
/// is at by then, and each after it.
pub(super) async fn name(mut steps: watch::Receiver<Option<Step>>) -> Infallible {
    sleep(SILENCE).await;
    loop {
        let step = *steps.borrow_and_update();
        if let Some(step) = step {
            talk(step);
        }
        if steps.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_or_fails_aside_is_an_error_and_no_wait() {
        assert_eq!(aside(|| Ok(7)).await.ok(), Some(7));
        let failed = aside(|| Err::<(), _>(Failure::new(Exit::NotFound, "no such port"))).await;
        assert_eq!(failed.err().map(|failure| failure.exit), Some(Exit::NotFound));
        let panicked = aside(|| -> Result<()> { std::panic::resume_unwind(Box::new("gone")) }).await;
        assert_eq!(panicked.err().map(|failure| failure.exit), Some(Exit::Internal));
    }
}
