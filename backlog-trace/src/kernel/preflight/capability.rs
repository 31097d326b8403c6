//! What the kernel lets a set of capabilities do, and their names in words.

use rustix::thread::CapabilitySet;

/// Whether the kernel would let it pass: CAP_SYS_ADMIN stands in for
/// CAP_BPF and CAP_PERFMON (`bpf_capable()`, `perfmon_capable()`).
pub(crate) fn allows(set: CapabilitySet, capability: CapabilitySet) -> bool {
    let implied = CapabilitySet::BPF | CapabilitySet::PERFMON;
    set.contains(capability) || implied.contains(capability) && set.contains(CapabilitySet::SYS_ADMIN)
}

/// As in capabilities(7): `CAP_BPF`.
pub(super) fn name(capability: CapabilitySet) -> String {
    let names: Vec<String> = capability.iter_names().map(|(name, _)| format!("CAP_{name}")).collect();
    names.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sys_admin_stands_in_for_the_two_that_were_split_from_it() {
        let (admin, bpf, perfmon) = (CapabilitySet::SYS_ADMIN, CapabilitySet::BPF, CapabilitySet::PERFMON);
        for (set, capability, allowed) in [
            (admin, bpf, true),
            (admin, perfmon, true),
            (admin, CapabilitySet::SYS_PTRACE, false),
            (bpf, bpf, true),
            (bpf, perfmon, false),
            (bpf, admin, false),
        ] {
            assert_eq!(allows(set, capability), allowed, "{set:?} {capability:?}");
        }
    }

    #[test]
    fn names_are_those_of_the_manual() {
        assert_eq!(name(CapabilitySet::DAC_READ_SEARCH), "CAP_DAC_READ_SEARCH");
        assert_eq!(name(CapabilitySet::PERFMON), "CAP_PERFMON");
    }
}
