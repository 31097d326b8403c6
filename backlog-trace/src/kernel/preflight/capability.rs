//! Capabilities that matter here, and the effective ones of this process.

/// A capability of `include/uapi/linux/capability.h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Capability {
    /// Reading other users' /proc/PID/fd.
    DacReadSearch = 2,
    /// Setting up network devices.
    NetAdmin = 12,
    /// Looking into other users' processes.
    SysPtrace = 19,
    /// Entering namespaces; implies `Bpf` and `Perfmon`.
    SysAdmin = 21,
    /// Raising resource limits.
    SysResource = 24,
    /// Seeing addresses in /proc/kallsyms.
    Syslog = 34,
    /// Loading tracing programs (since 5.8).
    Perfmon = 38,
    /// Creating maps and loading programs (since 5.8).
    Bpf = 39,
}

impl Capability {
    /// As in capabilities(7).
    pub fn name(self) -> &'static str {
        match self {
            Self::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::SysPtrace => "CAP_SYS_PTRACE",
            Self::SysAdmin => "CAP_SYS_ADMIN",
            Self::SysResource => "CAP_SYS_RESOURCE",
            Self::Syslog => "CAP_SYSLOG",
            Self::Perfmon => "CAP_PERFMON",
            Self::Bpf => "CAP_BPF",
        }
    }
}

/// A set of capabilities: bit n is capability n.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Capabilities(pub u64);

impl Capabilities {
    /// The effective set, from the text of /proc/PID/status.
    pub fn parse(status: &str) -> Option<Self> {
        let digits = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?.trim();
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if plain { u64::from_str_radix(digits, 16).ok().map(Self) } else { None }
    }

    /// Whether the kernel would let it pass: CAP_SYS_ADMIN stands in for
    /// CAP_BPF and CAP_PERFMON (`bpf_capable()`, `perfmon_capable()`).
    pub fn allow(self, capability: Capability) -> bool {
        let has = |capability: Capability| self.0 >> (capability as u8) & 1 == 1;
        let implied = matches!(capability, Capability::Bpf | Capability::Perfmon);
        has(capability) || implied && has(Capability::SysAdmin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: &str, expected: Option<u64>) {
        assert_eq!(Capabilities::parse(status).map(|set| set.0), expected, "{status}");
    }

    #[test]
    fn the_effective_set_is_read_and_no_other() {
        let status = "Name:\tCapEff:\nCapInh:\t0000000000000001\nCapPrm:\t0000000000000003\nCapEff:\t000001fffeffffff\nCapBnd:\t0\n";
        check(status, Some(0x1ff_feff_ffff));
        check("CapEff:\t0000000000000000\n", Some(0));
        for text in
            ["", "CapEff:", "CapEff:\t+1", "CapEff:\txyz", "CapEff:\t11111111111111111", " CapEff:\t1"]
        {
            check(text, None);
        }
    }

    #[test]
    fn sys_admin_stands_in_for_the_two_that_were_split_from_it() {
        let only = |capability: Capability| Capabilities(1 << capability as u8);
        assert!(only(Capability::SysAdmin).allow(Capability::Bpf));
        assert!(only(Capability::SysAdmin).allow(Capability::Perfmon));
        assert!(!only(Capability::SysAdmin).allow(Capability::SysPtrace));
        assert!(only(Capability::Bpf).allow(Capability::Bpf));
        assert!(!only(Capability::Bpf).allow(Capability::Perfmon));
        assert!(!only(Capability::Bpf).allow(Capability::SysAdmin));
    }
}
