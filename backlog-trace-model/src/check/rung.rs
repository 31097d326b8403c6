//! How well a hook is attached.

use serde::{Deserialize, Serialize};

/// How well a hook is attached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// fentry/fexit trampolines.
    Fentry,
    /// kprobe and kretprobe.
    Kprobe,
    /// Tracepoints alone.
    Tracepoint,
    /// No eBPF: sockets and counters are polled.
    Counters,
}

impl Rung {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Fentry, Self::Kprobe, Self::Tracepoint, Self::Counters];

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rung| rung.name() == name)
    }

    /// What it attaches by, for help.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Fentry => "fentry/fexit trampolines",
            Self::Kprobe => "kprobe and kretprobe",
            Self::Tracepoint => "Tracepoints alone",
            Self::Counters => "No eBPF: sockets and counters are polled",
        }
    }

    /// As printed and as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
            Self::Counters => "counters",
        }
    }
}

/// What became of one hook.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HookState {
    /// The hook's name: see [`super::Hook::name`]. A newer version may know others.
    pub hook: String,
    /// The rung it is attached on; `None` where it is not attached.
    pub rung: Option<Rung>,
    /// `attached`, `polled` or `missing`.
    pub state: String,
    /// Why it is missing, or why not on a better rung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
