//! What figures are read from beside the hooks: one table of the sources, and
//! what became of each.
//!
//! `check`, the sentences on standard error, the text and the JSON of results
//! and docs/json.md are all made from [`Source::row`]. How a source is looked
//! at, the host's side knows ([`crate::listener::Book::sources`]); nothing here
//! reads anything. A figure whose source is missing is unknown, never 0.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Something that figures are read from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// /proc itself.
    Proc,
    /// The kernel's list of sockets by netlink (`sock_diag`).
    SockDiag,
    /// The drop counter in that list (`INET_DIAG_SKMEMINFO`).
    SocketDrops,
    /// Network namespaces other than the own one.
    Namespaces,
    /// The kernel's counters of a namespace.
    Netstat,
    /// `net.core.somaxconn` of a namespace, and the sysctls beside it.
    Somaxconn,
    /// Every process in /proc.
    Processes,
    /// The initial PID namespace.
    PidNamespace,
    /// What other users' processes hold open.
    Descriptors,
    /// cgroups of processes and of sockets.
    Cgroups,
    /// One that a newer version has written into a recording.
    #[serde(other)]
    Other,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The source.
    pub source: Source,
    /// As in JSON.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// The figures that are read from it, as in JSON.
    pub feeds: &'static [&'static str],
    /// What is not known without it: the end of a sentence.
    pub lost: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

/// Every source, in the order in which they are shown: one that others need
/// comes before them.
pub const SOURCES: [Row; 10] = [
    Row {
        source: Source::Proc,
        name: "proc",
        what: "/proc",
        feeds: &["listeners", "audit"],
        lost: "no listener can be found or named, and nothing compared with the kernel's counters",
        advice: "mount proc on /proc",
    },
    Row {
        source: Source::SockDiag,
        name: "sock_diag",
        what: "the kernel's list of sockets (sock_diag; modules inet_diag and tcp_diag)",
        feeds: &[
            "listener.cookie",
            "accept_queue.limit",
            "accept_queue.max",
            "established",
            "accepted",
            "sk_drops.kernel",
        ],
        lost: "listeners are listed from /proc/net/tcp; without eBPF, their limits and drops are not known",
        advice: "load the module tcp_diag (modprobe tcp_diag), or use a kernel with CONFIG_INET_DIAG",
    },
    Row {
        source: Source::SocketDrops,
        name: "socket_drops",
        what: "the drop counter of each socket (INET_DIAG_SKMEMINFO)",
        feeds: &["sk_drops.kernel"],
        lost: "the drops of sockets are not known",
        advice: "load the module tcp_diag (modprobe tcp_diag), or use a kernel that sends INET_DIAG_SKMEMINFO (3.6)",
    },
    Row {
        source: Source::Namespaces,
        name: "namespaces",
        what: "network namespaces of containers (setns; CAP_SYS_ADMIN)",
        feeds: &["listeners", "audit"],
        lost: "of listeners there only what hooks see is known: no queues between packets, no drops of sockets, no \
               owners, and no kernel counters to compare with",
        advice: "run it as root (sudo backlog-trace …), or in a container with --privileged --pid=host",
    },
    Row {
        source: Source::Netstat,
        name: "netstat",
        what: "the kernel's counters (/proc/PID/net/netstat)",
        feeds: &["audit.kernel", "audit.unaccounted"],
        lost: "what the kernel counted is not known, so nothing can be compared with it",
        advice: "mount proc on /proc; a sandbox that imitates /proc may lack counters",
    },
    Row {
        source: Source::Somaxconn,
        name: "somaxconn",
        what: "the cap on backlogs and the sysctls beside it (/proc/sys/net/core/somaxconn)",
        feeds: &["somaxconn", "accept_queue.limited_by", "sysctls"],
        lost: "who limits a queue, the application or somaxconn, is not known",
        advice: "mount proc on /proc without subset=pid",
    },
    Row {
        source: Source::Processes,
        name: "processes",
        what: "every process in /proc (no hidepid)",
        feeds: &["listener.owners", "listener.cgroup", "listeners"],
        lost: "owners that are hidden show as '-', and network namespaces that only they use are not found",
        advice: "run it as root, with CAP_SYS_PTRACE, or as a member of the group that /proc is mounted for (gid=)",
    },
    Row {
        source: Source::PidNamespace,
        name: "pid_namespace",
        what: "the processes of the whole host (the initial PID namespace)",
        feeds: &["listener.owners", "listener.cgroup", "listeners"],
        lost: "owners outside show as '-' or by the pid that the host has for them, and network namespaces that only \
               they use are not found",
        advice: "run it on the host, or in a container with --pid=host",
    },
    Row {
        source: Source::Descriptors,
        name: "descriptors",
        what: "what processes hold open (/proc/PID/fd; CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH)",
        feeds: &["listener.owners", "listener.cgroup", "listeners"],
        lost: "some listeners may lack an owner, which then shows as '-', and network namespaces of such processes \
               alone are not found",
        advice: "run it as root (sudo backlog-trace …); a sandbox may forbid it to root too",
    },
    Row {
        source: Source::Cgroups,
        name: "cgroups",
        what: "cgroups (/proc/PID/cgroup and the cgroup2 hierarchy)",
        feeds: &["listener.cgroup"],
        lost: "the cgroups of listeners are not known",
        advice: "use a kernel with CONFIG_CGROUPS, and mount cgroup2 on /sys/fs/cgroup",
    },
];

/// The table of docs/json.md.
pub fn table() -> String {
    let row = |row: &Row| {
        let feeds: Vec<String> = row.feeds.iter().map(|figure| format!("`{figure}`")).collect();
        format!("| `{}` | {} | {} | {} |", row.name, row.what, feeds.join(", "), row.lost)
    };
    let rows: Vec<String> = SOURCES.iter().map(row).collect();
    format!("| source | what it is | feeds | without it |\n|---|---|---|---|\n{}\n", rows.join("\n"))
}

impl Source {
    /// Its row; `None` for one that this version does not know.
    pub fn row(self) -> Option<&'static Row> {
        SOURCES.iter().find(|row| row.source == self)
    }
}

/// How much of a source can be read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// All of it.
    Whole,
    /// Some of it: not in every namespace, not of every process.
    Partial,
    /// Nothing.
    Missing,
    /// Something that a newer version tells apart.
    #[serde(other)]
    Other,
}

impl Reach {
    /// As printed and as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Partial => "partial",
            Self::Missing => "missing",
            Self::Other => "other",
        }
    }
}

/// What became of one source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SourceState {
    /// Which.
    pub source: Source,
    /// How much of it can be read.
    pub state: Reach,
    /// What is missing and why, where something is: a sentence's begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl SourceState {
    /// All of it can be read.
    pub const fn whole(source: Source) -> Self {
        Self { source, state: Reach::Whole, why: None }
    }

    /// Some of it cannot.
    pub const fn partial(source: Source, why: String) -> Self {
        Self { source, state: Reach::Partial, why: Some(why) }
    }

    /// Nothing of it can.
    pub const fn missing(source: Source, why: String) -> Self {
        Self { source, state: Reach::Missing, why: Some(why) }
    }

    /// Whether listeners may be hidden with what is missing of it.
    pub fn hides_listeners(&self) -> bool {
        self.source.row().is_some_and(|row| row.feeds.contains(&"listeners"))
    }

    /// What is missing, why, and what is not known for that reason; `None`
    /// where nothing is missing, and where it is said already of what this
    /// source depends on.
    pub fn sentence(&self) -> Option<String> {
        Some(format!("{}: {}", self.why.as_deref()?, self.lost()?))
    }

    /// What is not known for want of it; `None` where nothing is missing.
    pub fn lost(&self) -> Option<&'static str> {
        self.source.row().filter(|_| self.state != Reach::Whole).map(|row| row.lost)
    }
}

/// Takes note of the states as they are now; returns them where that is news.
/// How many processes are hidden is none: they come and go.
pub fn news_of(known: &mut Vec<SourceState>, now: Vec<SourceState>) -> Option<Arc<Vec<SourceState>>> {
    let says = |states: &[SourceState]| -> Vec<(Source, Reach, Option<String>)> {
        let counted = |state: &SourceState| state.source == Source::Descriptors;
        states
            .iter()
            .map(|state| (state.source, state.state, state.why.clone().filter(|_| !counted(state))))
            .collect()
    };
    let is_news = says(known) != says(&now);
    *known = now;
    is_news.then(|| Arc::new(known.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_one_row_and_its_name_is_that_of_recordings() {
        for (at, row) in SOURCES.iter().enumerate() {
            assert_eq!(SOURCES.iter().position(|other| other.source == row.source), Some(at));
            assert_eq!(serde_json::to_string(&row.source).unwrap(), format!("\"{}\"", row.name));
            assert!(!row.feeds.is_empty() && !row.lost.ends_with('.'), "{}", row.name);
        }
        assert!(Source::Other.row().is_none());
    }

    #[test]
    fn what_is_missing_is_said_with_what_that_costs() {
        assert_eq!(SourceState::whole(Source::Netstat).sentence(), None);
        let missing = SourceState::missing(Source::Somaxconn, "there is no /proc/sys".to_owned());
        assert_eq!(
            missing.sentence().unwrap(),
            "there is no /proc/sys: who limits a queue, the application or somaxconn, is not known"
        );
        assert_eq!(SourceState { source: Source::Other, ..missing }.sentence(), None);
    }

    #[test]
    fn what_changes_is_news_and_the_number_of_hidden_processes_is_not() {
        let hidden = |count: u32| SourceState::partial(Source::Descriptors, format!("{count} processes"));
        let mut known = vec![SourceState::whole(Source::Netstat), hidden(2)];
        assert!(news_of(&mut known, vec![SourceState::whole(Source::Netstat), hidden(3)]).is_none());
        let gone = SourceState::missing(Source::Netstat, "gone".to_owned());
        let news = news_of(&mut known, vec![gone.clone(), hidden(3)]).unwrap();
        assert_eq!(news[0], gone);
        assert_eq!(known, *news);
    }

    #[test]
    fn a_source_of_a_newer_version_does_not_spoil_a_recording() {
        let json = r#"[{"source":"entrails","state":"blurred"},{"source":"netstat","state":"whole"}]"#;
        let states: Vec<SourceState> = serde_json::from_str(json).unwrap();
        assert_eq!((states[0].source, states[0].state), (Source::Other, Reach::Other));
        assert_eq!(states[1], SourceState::whole(Source::Netstat));
    }
}
