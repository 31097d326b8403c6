//! The same facts as `check` shows them: all of them, good or bad.

use backlog_trace_model::check::{Finding, Grade};
use backlog_trace_model::failure::Result;

use super::capability::Capability;
use super::decide;
use super::facts::Facts;
use super::lockdown::Lockdown;

/// What a user can do without, with what is lost.
const OPTIONAL: [(Capability, &str); 6] = [
    (Capability::SysAdmin, "listeners in other network namespaces cannot be named"),
    (Capability::SysPtrace, "the processes that hold other users' listeners cannot be named"),
    (Capability::DacReadSearch, "the processes that hold other users' listeners cannot be named"),
    (Capability::Syslog, "addresses of kernel functions may be hidden, which attaching by tracepoints needs"),
    (Capability::NetAdmin, "selftest cannot make its private network"),
    (
        Capability::SysResource,
        "the memory lock limit, which kernels before 5.11 apply to maps, cannot be raised",
    ),
];

/// Judges each fact by itself.
pub fn findings(facts: &Facts) -> Vec<Finding> {
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
        .filter(|(capability, _)| !facts.capabilities.allow(*capability))
        .filter(|(capability, _)| *capability != Capability::SysResource || charged)
        .map(|(capability, without)| format!("without {} {without}", capability.name()))
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
    use crate::kernel::preflight::Capabilities;
    use crate::kernel::release::Release;

    fn facts(release: &str, capabilities: u64) -> Facts {
        Facts {
            release: Release::parse(release).unwrap(),
            capabilities: Capabilities(capabilities),
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
        assert!(findings(&facts("6.1.0", u64::MAX)).iter().all(|finding| finding.grade == Grade::Fine));
    }

    #[test]
    fn what_is_lost_is_said_for_each_capability() {
        let but = |capability: Capability| !(1 << capability as u8);
        for (capability, _) in OPTIONAL {
            check(&facts("5.10.0", but(capability)), "capabilities", Grade::Reduced, capability.name());
            check(&facts("5.10.0", but(capability)), "privileges", Grade::Fine, "");
        }
        check(&facts("5.11.0", but(Capability::SysResource)), "capabilities", Grade::Fine, "");
        check(&facts("6.1.0", 0), "privileges", Grade::Unable, "CAP_BPF");
    }

    #[test]
    fn only_the_stricter_lockdown_takes_something_away() {
        let with = |lockdown| Facts { lockdown, ..facts("6.1.0", u64::MAX) };
        check(&with(Lockdown::Integrity), "lockdown", Grade::Fine, "integrity");
        check(&with(Lockdown::Confidentiality), "lockdown", Grade::Unable, "memory");
    }
}
