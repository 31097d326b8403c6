//! What is read of kernel, user and machine before anything is decided.

use std::fs;
use std::path::Path;

use backlog_trace_model::failure::{Exit, Failure, Result};
use rustix::thread::{CapabilitySet, capabilities};

use super::lockdown::Lockdown;
use crate::kernel::btf;
use crate::kernel::release::Release;

/// Facts that [`super::decide`] and [`super::findings`] judge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Facts {
    /// The running kernel's release.
    pub release: Release,
    /// This process's effective capabilities.
    pub capabilities: CapabilitySet,
    /// Those hold in a user namespace below the initial one only.
    pub user_namespace: bool,
    /// The kernel publishes its BTF.
    pub btf: bool,
    /// Lockdown; `Off` where it cannot be read.
    pub lockdown: Lockdown,
    /// `kernel.unprivileged_bpf_disabled`; `None` where it cannot be read. Shown,
    /// not judged: whoever may trace is not unprivileged.
    pub unprivileged_bpf: Option<u8>,
}

impl Facts {
    /// Reads them all from /proc and /sys.
    ///
    /// # Errors
    /// `KernelUnable` where /proc is not mounted.
    pub(crate) fn gather() -> Result<Self> {
        // A kernel without user namespaces has no uid_map: only without /proc is it unknown.
        fs::metadata("/proc/self")
            .map_err(|error| unreadable("user namespace", &error).advise("mount proc on /proc"))?;
        let own = capabilities(None)
            .map_err(|error| unreadable("capabilities", &error).advise("have the sandbox allow capget()"))?;
        let text = |path| fs::read_to_string(path).ok();
        Ok(Self {
            release: Release::running()?,
            capabilities: own.effective,
            user_namespace: text("/proc/self/uid_map").is_some_and(|map| !is_initial(&map)),
            btf: Path::new(btf::PATH).exists(),
            lockdown: text("/sys/kernel/security/lockdown")
                .and_then(|text| Lockdown::parse(&text))
                .unwrap_or(Lockdown::Off),
            unprivileged_bpf: text("/proc/sys/kernel/unprivileged_bpf_disabled")
                .and_then(|text| text.trim_end().parse().ok()),
        })
    }
}

fn unreadable(what: &str, cause: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::KernelUnable, format!("this process's {what} cannot be read: {cause}"))
}

/// The initial user namespace maps every id to itself (user_namespaces(7)).
fn is_initial(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_identity_map_is_the_initial_namespace() {
        assert!(is_initial("         0          0 4294967295\n"));
        assert!(!is_initial("         0       1000          1\n"));
        assert!(!is_initial("0 100000 65536\n"));
        assert!(!is_initial(""));
    }

    #[test]
    fn this_machine_has_facts() {
        let facts = Facts::gather().unwrap();
        assert!(facts.release.at_least(2, 6), "{}", facts.release);
    }
}
