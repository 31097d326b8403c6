//! Whether it makes sense to go on, from facts alone.

use backlog_trace_model::failure::{Exit, Failure, Result};
use rustix::thread::CapabilitySet;

use super::capability;
use super::facts::Facts;
use crate::kernel::btf;

/// What tracing itself needs, with what is impossible without it.
pub(super) const REQUIRED: [(CapabilitySet, &str); 2] = [
    (CapabilitySet::BPF, "no eBPF map or program can be created"),
    (CapabilitySet::PERFMON, "no program can be attached to the kernel's functions"),
];

/// Refuses what cannot work, in this order: kernel version, privileges, BTF.
///
/// # Errors
/// See [`super::require`].
pub(crate) fn decide(facts: &Facts) -> Result<()> {
    version(facts)?;
    privileges(facts)?;
    types(facts)
}

pub(super) fn version(facts: &Facts) -> Result<()> {
    if !facts.release.at_least(5, 10) {
        let what = format!("kernel {} is too old: backlog-trace needs 5.10 or newer", facts.release);
        return Err(Failure::new(Exit::KernelUnable, what)
            .advise("`backlog-trace listeners` works without eBPF, on this kernel too"));
    }
    Ok(())
}

/// What loading and attaching programs needs of the user.
///
/// # Errors
/// `NotPermitted` naming each capability that is missing.
pub(crate) fn privileges(facts: &Facts) -> Result<()> {
    if facts.user_namespace {
        return Err(Failure::new(
            Exit::NotPermitted,
            "this process runs in a user namespace (a rootless container), from which the kernel takes no tracing programs",
        )
        .advise("run it on the host as root, or in a container started by root with --privileged --pid=host"));
    }
    let lacking: Vec<_> = REQUIRED
        .iter()
        .filter(|(capability, _)| !capability::allows(facts.capabilities, *capability))
        .collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let each: Vec<_> = lacking
        .iter()
        .map(|(capability, without)| format!("without {} {without}", capability::name(*capability)))
        .collect();
    Err(Failure::new(Exit::NotPermitted, format!("a privilege is missing: {}", each.join(", ")))
        .advise("run it as root (sudo backlog-trace …), or in a container with --privileged --pid=host"))
}

pub(super) fn types(facts: &Facts) -> Result<()> {
    if facts.btf {
        return Ok(());
    }
    Err(btf::absent())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::preflight::Lockdown;
    use crate::kernel::release::Release;

    fn able() -> Facts {
        Facts {
            release: Release::parse("5.10.0-32-cloud-amd64").unwrap(),
            capabilities: CapabilitySet::all(),
            user_namespace: false,
            btf: true,
            lockdown: Lockdown::Off,
            unprivileged_bpf: Some(2),
        }
    }

    fn with(change: impl FnOnce(&mut Facts)) -> Facts {
        let mut facts = able();
        change(&mut facts);
        facts
    }

    #[track_caller]
    fn check(facts: &Facts, exit: Exit, named: &[&str]) {
        let failure = decide(facts).unwrap_err();
        assert_eq!(failure.exit, exit, "{failure}");
        assert!(failure.advice.is_some(), "{failure}");
        for text in named {
            assert!(failure.to_string().contains(text), "{text} in {failure}");
        }
    }

    #[test]
    fn an_able_machine_may_go_on() {
        decide(&able()).unwrap();
        decide(&with(|f| f.lockdown = Lockdown::Confidentiality)).unwrap();
        decide(&with(|f| f.capabilities = CapabilitySet::SYS_ADMIN)).unwrap();
        decide(&with(|f| {
            f.capabilities = CapabilitySet::BPF | CapabilitySet::PERFMON;
        }))
        .unwrap();
    }

    #[test]
    fn each_lack_is_named_with_what_to_do() {
        let old = |text| with(|f| f.release = Release::parse(text).unwrap());
        check(&old("5.9.16"), Exit::KernelUnable, &["kernel 5.9.16", "needs 5.10 or newer"]);
        check(&old("4.19.0-27-amd64"), Exit::KernelUnable, &["needs 5.10 or newer"]);
        check(&with(|f| f.user_namespace = true), Exit::NotPermitted, &["user namespace", "root"]);
        let none = with(|f| f.capabilities = CapabilitySet::empty());
        check(&none, Exit::NotPermitted, &["CAP_BPF", "CAP_PERFMON", "root"]);
        let bpf = with(|f| f.capabilities = CapabilitySet::BPF);
        check(&bpf, Exit::NotPermitted, &["without CAP_PERFMON"]);
        assert!(!decide(&bpf).unwrap_err().what.contains("CAP_BPF"));
        check(&with(|f| f.btf = false), Exit::KernelUnable, &["CONFIG_DEBUG_INFO_BTF"]);
    }

    #[test]
    fn the_version_comes_first_then_privileges_then_types() {
        let nothing = with(|f| {
            f.release = Release::parse("4.4.0").unwrap();
            f.capabilities = CapabilitySet::empty();
            f.btf = false;
        });
        check(&nothing, Exit::KernelUnable, &["5.10 or newer"]);
        let unprivileged = with(|f| {
            f.capabilities = CapabilitySet::empty();
            f.btf = false;
        });
        check(&unprivileged, Exit::NotPermitted, &["CAP_BPF"]);
    }
}
