//! The kernel's lockdown state (`/sys/kernel/security/lockdown`).

/// How far the kernel is closed to root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lockdown {
    /// It is not, or this kernel has no lockdown.
    Off,
    /// Root may not change the kernel: tracing is untouched.
    Integrity,
    /// Root may not read the kernel either: no kprobe, and no program that calls
    /// `bpf_probe_read_kernel()` (`LOCKDOWN_BPF_READ_KERNEL`), which every rung
    /// needs for the counters. Seen on 5.10 and 6.12.
    Confidentiality,
}

impl Lockdown {
    /// Reads `none [integrity] confidentiality`: the one in brackets holds.
    pub fn parse(text: &str) -> Option<Self> {
        let state = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'))?;
        match state {
            "none" => Some(Self::Off),
            "integrity" => Some(Self::Integrity),
            "confidentiality" => Some(Self::Confidentiality),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_the_one_in_brackets() {
        for (text, expected) in [
            ("[none] integrity confidentiality\n", Some(Lockdown::Off)),
            ("none [integrity] confidentiality\n", Some(Lockdown::Integrity)),
            ("none integrity [confidentiality]\n", Some(Lockdown::Confidentiality)),
            ("none integrity confidentiality\n", None),
            ("[of a later kernel]", None),
            ("", None),
        ] {
            assert_eq!(Lockdown::parse(text), expected, "{text}");
        }
    }
}
