//! The memory lock limit. Before 5.11 maps and programs are charged against
//! it (64 KiB by default); since then they are charged to the memory cgroup.

use backlog_trace_model::failure::{Exit, Failure, Result};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::kernel::release::Release;
use crate::resource_limits::soft;

/// Lifts this process's RLIMIT_MEMLOCK where the kernel still charges against it.
pub(super) fn raise(release: &Release) -> Result<()> {
    if release.at_least(5, 11) || soft(Resource::Memlock).is_none() {
        return Ok(());
    }
    setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).map_err(|error| {
        let what = format!(
            "kernel {release} charges eBPF maps against the memory lock limit, which cannot be raised without CAP_SYS_RESOURCE: {error}"
        );
        Failure::new(Exit::NotPermitted, what).advise("run it as root, or after `ulimit -l unlimited`")
    })
}
