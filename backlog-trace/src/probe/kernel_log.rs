//! Log lines of the kernel side, for whoever debugs it (`--kernel-log`).
//!
//! At the default level the verifier removes the statements; nothing that a
//! user is meant to see travels this way.

use aya::Ebpf;
use aya_log::EbpfLogger;
use backlog_trace_model::failure::{Failure, Result};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Forwards them to the `log` crate. Needs a running tokio runtime.
///
/// # Errors
/// `Internal` where the object has no log buffer.
pub(super) fn forward(ebpf: &mut Ebpf) -> Result<()> {
    let logger = EbpfLogger::init(ebpf).map_err(|error| Failure::internal("the kernel side's log", error))?;
    #[expect(unsafe_code, reason = "AsyncFd wants a promise about the file descriptor")]
    // SAFETY: the logger owns its map's descriptor and keeps it open and
    // unchanged for as long as it lives, which is as long as the AsyncFd.
    let logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) };
    let mut logger = logger.map_err(|error| Failure::internal("the kernel side's log", error))?;
    tokio::spawn(async move {
        while let Ok(mut guard) = logger.readable_mut().await {
            guard.get_inner_mut().flush();
            guard.clear_ready();
        }
    });
    Ok(())
}
