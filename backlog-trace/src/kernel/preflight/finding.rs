//! The same facts as `check` shows them: all of them, good or bad.

use backlog_trace_model::check::{Finding, Grade};
use backlog_trace_model::failure::Result;
use rustix::thread::CapabilitySet;

use super::capability;
use super::decide;
use super::facts::Facts;
use super::lockdown::Lockdown;

/// What a user can do without, with what is lost.
const OPTIONAL: [(CapabilitySet, &str); 6] = [
    (CapabilitySet::SYS_ADMIN, "listeners in other network namespaces cannot be named"),
    (CapabilitySet::SYS_PTRACE, "the processes that hold other users' listeners cannot be named"),
    (CapabilitySet::DAC_READ_SEARCH, "the processes that hold other users' listeners cannot be named"),
    (
        CapabilitySet::SYSLOG,
        "addresses of kernel functions may be hidden, which attaching by tracepoints needs",
    ),
    (CapabilitySet::NET_ADMIN, "selftest cannot make its private network"),
    (
        CapabilitySet::SYS_RESOURCE,
        "the memory lock limit, which kernels before 5.11 apply to maps, cannot be raised",
    ),
];

/// Judges each fact by itself.
pub(crate) fn findings(facts: &Facts) -> Vec<Finding> {
    vec![
        judged("kernel", decide::version(facts), || format!("kernel {}", facts.release)),
        judged("privileges", decide::privileges(facts), || "may load tracing programs".to_owned()),
        optional_capabilities(facts),
        judged("types", decide::types(facts), || "the kernel publishes its types (BTF)".to_owned()),
        lockdown(facts.lockdown),
        unprivileged_bpf(facts.unprivileged_bpf),
    ]
}

fn judged(subject: &'static str, verdict: Result<()>, good: impl FnOnce() -> String) -> Finding {
    match verdict {
        Ok(()) => Finding::fine(subject, good()),
        Err(failure) => Finding::unable(subject, failure.what, failure.advice),
    }
}

fn optional_capabilities(facts: &Facts) -> Finding {
    let subject = "capabilities";
    let charged = !facts.release.at_least(5, 11);
    let lacking: Vec<_> = OPTIONAL
        .iter()
        .filter(|(capability, _)| !capability::allows(facts.capabilities, *capability))
        .filter(|(capability, _)| *capability != CapabilitySet::SYS_RESOURCE || charged)
        .map(|(capability, without)| format!("without {} {without}", capability::name(*capability)))
        .collect();
    if lacking.is_empty() {
        return Finding::fine(subject, "every capability that is of use (docs/privileges.md)");
    }
    Finding {
        subject,
        grade: Grade::Reduced,
        what: lacking.join("; "),
        advice: Some("run it as root (sudo backlog-trace …)".to_owned()),
    }
}

fn lockdown(state: Lockdown) -> Finding {
    let subject = "lockdown";
    match state {
        Lockdown::Off => Finding::fine(subject, "off"),
        Lockdown::Integrity => Finding::fine(subject, "integrity: does not affect tracing"),
        Lockdown::Confidentiality => Finding::unable(
            subject,
            "confidentiality: programs may not read the kernel's memory, so no hook can be attached",
            Some("boot without lockdown=confidentiality".to_owned()),
        ),
    }
}

fn unprivileged_bpf(setting: Option<u8>) -> Finding {
    let subject = "unprivileged_bpf_disabled";
    Finding::fine(subject, setting.map_or_else(|| "no such sysctl".to_owned(), |value| value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::release::Release;

    fn facts(release: &str, capabilities: CapabilitySet) -> Facts {
        Facts {
            release: Release::parse(release).unwrap(),
            capabilities,
            user_namespace: false,
            btf: true,
            lockdown: Lockdown::Off,
            unprivileged_bpf: Some(2),
        }
    }

    #[track_caller]
    fn check(facts: &Facts, subject: &str, grade: Grade, named: &str) {
        let all = findings(facts);
        let finding = all.iter().find(|finding| finding.subject == subject).unwrap();
        assert_eq!(finding.grade, grade, "{finding:?}");
        assert!(finding.what.contains(named), "{finding:?}");
    }

    #[test]
    fn root_on_a_current_kernel_lacks_nothing() {
        assert!(
            findings(&facts("6.1.0", CapabilitySet::all()))
                .iter()
                .all(|finding| finding.grade == Grade::Fine)
        );
    }

    #[test]
    fn what_is_lost_is_said_for_each_capability() {
        let but = |capability: CapabilitySet| CapabilitySet::all().difference(capability);
        for (capability, _) in OPTIONAL {
            check(
                &facts("5.10.0", but(capability)),
                "capabilities",
                Grade::Reduced,
                &capability::name(capability),
            );
            check(&facts("5.10.0", but(capability)), "privileges", Grade::Fine, "");
        }
        check(&facts("5.11.0", but(CapabilitySet::SYS_RESOURCE)), "capabilities", Grade::Fine, "");
        check(&facts("6.1.0", CapabilitySet::empty()), "privileges", Grade::Unable, "CAP_BPF");
    }

    #[test]
    fn only_the_stricter_lockdown_takes_something_away() {
        let with = |lockdown| Facts { lockdown, ..facts("6.1.0", CapabilitySet::all()) };
        check(&with(Lockdown::Integrity), "lockdown", Grade::Fine, "integrity");
        check(&with(Lockdown::Confidentiality), "lockdown", Grade::Unable, "memory");
    }
}
