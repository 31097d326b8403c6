//! Switches by which an administrator turns off what programs are attached by.
//!
//! The kernel attaches them all the same and then never runs them, so they are
//! looked at before. One that is turned off later shows as a rest in the audit.

use std::fs;

use super::programs::Kind;

/// A file that holds 0 where it is off.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Switch {
    /// Where it is.
    pub(super) path: &'static str,
    /// What it is for.
    pub(super) what: &'static str,
    /// What is never run without it.
    kinds: &'static [Kind],
}

const SWITCHES: [Switch; 2] = [
    // ftrace_startup_enable() does nothing then. Seen: trampolines and kprobes
    // on 6.12 and 7.2, kprobes on 5.10, which refuses trampolines with EBUSY.
    Switch {
        path: "/proc/sys/kernel/ftrace_enabled",
        what: "ftrace",
        kinds: &[Kind::Fentry, Kind::Fexit, Kind::Kprobe, Kind::Kretprobe],
    },
    // disarm_all_kprobes(), 5.10 to 7.2.
    Switch {
        path: "/sys/kernel/debug/kprobes/enabled",
        what: "the kernel's kprobes",
        kinds: &[Kind::Kprobe, Kind::Kretprobe],
    },
];

/// The switch that keeps programs of this kind from being run. One that cannot
/// be read counts as on: debugfs need not be mounted.
pub(super) fn off(kind: Kind) -> Option<&'static Switch> {
    off_by(kind, |path| fs::read_to_string(path).ok())
}

fn off_by(kind: Kind, read: impl Fn(&str) -> Option<String>) -> Option<&'static Switch> {
    let concern = SWITCHES.iter().filter(|switch| switch.kinds.contains(&kind));
    let is_off = |switch: &&Switch| read(switch.path).is_some_and(|text| text.trim_end() == "0");
    concern.into_iter().find(is_off)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: Kind, ftrace: Option<&str>, kprobes: Option<&str>, what: Option<&str>) {
        let read = |path: &str| if path.contains("ftrace") { ftrace } else { kprobes }.map(str::to_owned);
        assert_eq!(off_by(kind, read).map(|switch| switch.what), what);
    }

    #[test]
    fn what_is_off_and_whom_it_concerns() {
        let (ftrace, kprobes) = (Some("ftrace"), Some("the kernel's kprobes"));
        for kind in [Kind::Fentry, Kind::Fexit] {
            check(kind, Some("1\n"), Some("0\n"), None);
            check(kind, Some("0\n"), Some("1\n"), ftrace);
            check(kind, None, None, None);
        }
        for kind in [Kind::Kprobe, Kind::Kretprobe] {
            check(kind, Some("1\n"), Some("1\n"), None);
            check(kind, Some("1\n"), Some("0\n"), kprobes);
            check(kind, Some("0\n"), None, ftrace);
        }
        check(Kind::TpBtf, Some("0\n"), Some("0\n"), None);
    }
}
