//! Whether this kernel and this user allow anything to be attached, asked
//! before anything is: so that the answer is a sentence with what to do, and
//! not an errno of a later call.
//!
//! It refuses to try: whether a hook is accepted is known only by attaching it,
//! and that is the ladder's work. Nothing is changed but this process's own
//! RLIMIT_MEMLOCK.

mod capability;
mod decide;
mod facts;
mod finding;
mod lockdown;
mod memlock;

pub(crate) use decide::{decide, privileges};
pub(crate) use facts::Facts;
pub(crate) use finding::findings;
pub use lockdown::Lockdown;

use backlog_trace_model::failure::Result;

/// Checks what every command that attaches needs, raises RLIMIT_MEMLOCK where
/// that matters, and returns what was found. In this order: kernel version, privileges, BTF.
///
/// # Errors
/// `KernelUnable` for a kernel before 5.10 or without BTF, `NotPermitted` for
/// missing privileges, each with what to do.
pub(crate) fn require() -> Result<Facts> {
    let facts = Facts::gather()?;
    decide(&facts)?;
    memlock::raise(&facts.release)?;
    Ok(facts)
}
