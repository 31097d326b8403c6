//! The limit on the size of a file (`ulimit -f`): an error of the write that
//! meets it, not the end of the program in the middle of a frame.

use std::sync::Arc;

use backlog_trace_model::failure::{Failure, Result};

/// Catches SIGXFSZ, so that write() fails with EFBIG instead
/// (`generic_write_check_limits()`, fs/read_write.c, 5.10 to 7.2).
///
/// Caught rather than ignored: what is ignored would stay so in the command
/// after `--`, what is caught is at its default again after exec.
///
/// # Errors
/// The kernel takes no handler.
pub(super) fn make_it_an_error() -> Result<()> {
    signal_hook::flag::register(libc::SIGXFSZ, Arc::default())
        .map(drop)
        .map_err(|error| Failure::internal("cannot catch SIGXFSZ", error))
}
