//! Giving up what is not needed any more: capabilities, the way back to them,
//! and the file system; and being the invoking user where a file is made.
//!
//! All three are properties of a thread in Linux. So each thread confines
//! itself when its preparations are done, and the child process of `-- CMD` is
//! started before that, by a thread that is not confined yet. What this buys:
//! a mistake in decoding, naming or printing cannot be made to write or run
//! anything. What it does not: threads share memory, so somebody who runs code
//! of his own in one of them has what any of them has.
//!
//! The thread that names sockets stays outside the fence: inside, the kernel
//! forbids it to look at processes that are not
//! (`hook_ptrace_access_check()`, security/landlock, 5.13 to 7.2).

mod capabilities;
mod fence;
mod invoker;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, set_no_new_privs};

pub(crate) use fence::finding;
pub use fence::{Fence, fence_of_this_kernel};
pub(crate) use invoker::as_invoker;

use backlog_trace_model::failure::{Failure, Result};

/// What naming sockets takes for as long as it goes on: entering network
/// namespaces, and looking at other users' processes.
const NAMING: CapabilitySet =
    CapabilitySet::SYS_ADMIN.union(CapabilitySet::SYS_PTRACE).union(CapabilitySet::DAC_READ_SEARCH);

/// What reading maps takes on kernels that let nobody call bpf() without it
/// (`kernel.unprivileged_bpf_disabled`, before 5.19).
const MAPS: CapabilitySet = CapabilitySet::BPF;

/// Confines the calling thread, which prints and records: nothing but what is
/// open already. `has_child`: it may have to end a process of another user.
///
/// # Errors
/// The kernel does not take it.
pub(crate) fn printing(has_child: bool) -> Result<()> {
    let kept = if has_child { CapabilitySet::KILL } else { CapabilitySet::empty() };
    no_way_back()?;
    capabilities::keep(kept).map_err(failed)?;
    fence::raise(&[]);
    Ok(())
}

/// Confines the calling thread, which reads recordings: nothing but these
/// files, and what the local time is.
///
/// # Errors
/// The kernel does not take it.
pub(crate) fn reading(files: &[std::path::PathBuf]) -> Result<()> {
    no_way_back()?;
    capabilities::keep(CapabilitySet::DAC_READ_SEARCH).map_err(failed)?;
    fence::raise(files);
    Ok(())
}

/// Confines the calling thread, which observes: no more than naming sockets
/// takes, and CAP_BPF only where it does not work without.
///
/// # Errors
/// The kernel does not take it.
pub(crate) fn observing(works: impl FnOnce() -> bool) -> Result<()> {
    no_way_back()?;
    capabilities::wear(NAMING).map_err(failed)?;
    let kept = if works() { NAMING } else { NAMING | MAPS };
    capabilities::keep(kept).map_err(failed)
}

/// No program that this thread may start gets more than it has itself, and it is
/// closed to others before it has less than the threads that it shares memory with.
fn no_way_back() -> Result<()> {
    close_to_others()?;
    set_no_new_privs(true).map_err(|error| failed(error.into()))
}

/// No process without CAP_SYS_PTRACE may trace this one, read or write its memory
/// or take its descriptors: not those of its user either, who otherwise may do all
/// of that to a thread that has no more capabilities than they
/// (`__ptrace_may_access()`, kernel/ptrace.c, and `cap_ptrace_access_check()`,
/// security/commoncap.c, 5.10 to 7.2). Its files in /proc are root's from now on,
/// but a process may look at its own (`proc_fd_permission()`). A program that it
/// starts is as open as ever (`begin_new_exec()`).
fn close_to_others() -> Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|error| failed(error.into()))
}

fn failed(error: std::io::Error) -> Failure {
    Failure::internal("privileges that are not needed any more cannot be given up", error)
}

#[cfg(test)]
mod tests;
