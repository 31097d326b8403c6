//! What became of each source that the book reads: from facts that it gathers
//! while it looks, and a few that it asks for.
//!
//! [`judge`] is pure. It takes the host as it found it: nothing is loaded,
//! mounted or asked for here.

use std::path::Path;

use backlog_trace_model::check::sources::{Row, SOURCES};
use backlog_trace_model::check::{Reach, Source, SourceState};

use super::cgroup;
use super::process::{comm, read_bounded};

/// `PROC_PID_INIT_INO` (include/linux/proc_ns.h): the initial PID namespace.
const INITIAL_PIDS: &str = "pid:[4026531836]";

/// What was found of the host's own shape.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    /// Why /proc cannot be read at all.
    pub(super) no_proc: Option<String>,
    /// /proc does not show pid 1, so it hides others too.
    pub(super) hides_processes: bool,
    /// This process and /proc are in a PID namespace below the initial one.
    pub(super) in_pid_namespace: bool,
    /// This process has a cgroup.
    pub(super) has_cgroup: bool,
    /// The v2 hierarchy is mounted.
    pub(super) has_cgroup2: bool,
}

impl Shape {
    /// Looks at /proc and at where cgroups are mounted.
    pub(super) fn now() -> Self {
        let own = std::process::id();
        Self {
            no_proc: match std::fs::metadata("/proc/thread-self/ns/net") {
                Ok(_) => None,
                Err(error) => Some(format!("/proc is not mounted ({error})")),
            },
            // It is there as long as the PID namespace is (hidepid=2, proc(5)).
            hides_processes: comm(1).is_none() || !Path::new("/proc/1/fd").exists(),
            in_pid_namespace: is_below_initial(),
            has_cgroup: cgroup::of_process(own).is_some(),
            has_cgroup2: cgroup::root().is_some(),
        }
    }
}

/// A process sees by /proc the namespace that /proc was mounted for. Where that
/// is the own one, `NSpid` has one number (`proc_pid_status()`, 4.1 to 7.2); in
/// that of an ancestor, as with the host's /proc in a container, more.
fn is_below_initial() -> bool {
    let own = std::fs::read_link("/proc/self/ns/pid");
    let is_initial = own.is_ok_and(|link| link.as_os_str() == INITIAL_PIDS);
    let status = read_bounded("/proc/self/status", 64 * 1024).unwrap_or_default();
    !is_initial && pids_of_self(&String::from_utf8_lossy(&status)) == 1
}

/// How many numbers this process has, counted from where /proc looks.
fn pids_of_self(status: &str) -> usize {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.map_or(1, |numbers| numbers.split_whitespace().count())
}

/// What the last look found of namespaces and processes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Looked {
    /// Namespaces that were entered.
    pub(super) namespaces: usize,
    /// Entered namespaces whose sockets `sock_diag` does not list: inode number and why.
    pub(super) undiagnosed: Vec<(u32, String)>,
    /// How many entered namespaces have their sockets listed without `sk_drops`.
    pub(super) without_drops: usize,
    /// Entered namespaces whose counters cannot be read: inode number and why.
    pub(super) unread: Vec<(u32, String)>,
    /// How many entered namespaces do not let their somaxconn be read.
    pub(super) without_somaxconn: usize,
    /// Namespaces that could not be entered, and why; or not be found, though
    /// hooks have met a listener there.
    pub(super) refused: Vec<(u32, String)>,
    /// Processes that may not be looked into.
    pub(super) hidden: u32,
}

/// The state of every source.
pub(super) fn judge(shape: &Shape, looked: &Looked) -> Vec<SourceState> {
    if let Some(why) = &shape.no_proc {
        // Everything else is found by way of it.
        let missing = |row: &Row| SourceState {
            source: row.source,
            state: Reach::Missing,
            why: (row.source == Source::Proc).then(|| why.clone()),
        };
        return SOURCES.iter().map(missing).collect();
    }
    let all = looked.namespaces;
    let lacking = |source, what: &str, lacks: &[(u32, String)]| match lacks {
        [] => SourceState::whole(source),
        [(_, why), ..] if lacks.len() >= all => SourceState::missing(source, format!("{what} ({why})")),
        [(netns, why)] => {
            SourceState::partial(source, format!("{what} of network namespace {netns} ({why})"))
        }
        [(_, why), ..] => SourceState::partial(
            source,
            format!("{what} of {} of {all} network namespaces ({why})", lacks.len()),
        ),
    };
    let some = |source, what: &str, count: usize| match count {
        0 => SourceState::whole(source),
        _ if count >= all => SourceState::missing(source, what.to_owned()),
        _ => SourceState::partial(source, format!("{what} in {count} of {all} network namespaces")),
    };
    let present = |source, is_there: bool, why: &str| {
        if is_there { SourceState::whole(source) } else { SourceState::partial(source, why.to_owned()) }
    };
    vec![
        SourceState::whole(Source::Proc),
        lacking(Source::SockDiag, "the kernel does not list the sockets", &looked.undiagnosed),
        some(Source::SocketDrops, "the kernel does not tell the drops of each socket", looked.without_drops),
        namespaces(&looked.refused),
        lacking(Source::Netstat, "the counters cannot be read", &looked.unread),
        some(Source::Somaxconn, "/proc/sys/net/core/somaxconn cannot be read", looked.without_somaxconn),
        present(Source::Processes, !shape.hides_processes, "/proc hides processes of other users (hidepid)"),
        present(
            Source::PidNamespace,
            !shape.in_pid_namespace,
            "this is a PID namespace below the host's, from which processes outside are not seen",
        ),
        descriptors(looked.hidden),
        match (shape.has_cgroup, shape.has_cgroup2) {
            (false, _) => SourceState::missing(Source::Cgroups, "/proc/PID/cgroup cannot be read".to_owned()),
            (true, has_cgroup2) => present(
                Source::Cgroups,
                has_cgroup2,
                "no cgroup2 hierarchy is mounted on /sys/fs/cgroup, which sockets without an owner need",
            ),
        },
    ]
}

fn namespaces(refused: &[(u32, String)]) -> SourceState {
    match refused {
        [] => SourceState::whole(Source::Namespaces),
        [(netns, why)] => SourceState::partial(
            Source::Namespaces,
            format!("network namespace {netns} cannot be looked into ({why})"),
        ),
        [(netns, why), others @ ..] => SourceState::partial(
            Source::Namespaces,
            format!("network namespace {netns} and {} more cannot be looked into ({why})", others.len()),
        ),
    }
}

fn descriptors(hidden: u32) -> SourceState {
    match hidden {
        0 => SourceState::whole(Source::Descriptors),
        1 => SourceState::partial(Source::Descriptors, "1 process may not be looked into".to_owned()),
        _ => SourceState::partial(Source::Descriptors, format!("{hidden} processes may not be looked into")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        Shape {
            no_proc: None,
            hides_processes: false,
            in_pid_namespace: false,
            has_cgroup: true,
            has_cgroup2: true,
        }
    }

    fn three() -> Looked {
        Looked { namespaces: 3, ..Looked::default() }
    }

    fn of(netns: u32) -> (u32, String) {
        (netns, "EPERM".to_owned())
    }

    /// Only this source is not whole, it is in this state, and these words say why.
    #[track_caller]
    fn check(shape: &Shape, looked: &Looked, source: Source, state: Reach, words: &str) {
        let judged = judge(shape, looked);
        let lacking: Vec<_> = judged.iter().filter(|state| state.sentence().is_some()).collect();
        let [found] = lacking.as_slice() else { panic!("{lacking:?}") };
        let whole = judged.iter().filter(|state| state.state == Reach::Whole).count();
        assert_eq!(whole, if source == Source::Proc { 0 } else { SOURCES.len() - 1 });
        assert_eq!((found.source, found.state), (source, state));
        assert!(found.sentence().unwrap().contains(words), "{found:?}");
    }

    #[test]
    fn each_source_can_be_missing_by_itself() {
        use Reach::{Missing, Partial};
        let looked = |change: fn(&mut Looked)| {
            let mut looked = three();
            change(&mut looked);
            looked
        };
        let shaped = |change: fn(&mut Shape)| {
            let mut shape = shape();
            change(&mut shape);
            shape
        };
        type Case<T> = (fn(&mut T), Source, Reach, &'static str);
        let looks: [Case<Looked>; 8] = [
            (
                |l| l.undiagnosed = vec![of(1), of(2), of(3)],
                Source::SockDiag,
                Missing,
                "does not list the sockets (EPERM): listeners are listed from",
            ),
            (|l| l.undiagnosed = vec![of(7)], Source::SockDiag, Partial, "of network namespace 7 (EPERM)"),
            (|l| l.without_drops = 2, Source::SocketDrops, Partial, "in 2 of 3 network namespaces"),
            (|l| l.refused = vec![of(8)], Source::Namespaces, Partial, "network namespace 8 cannot be"),
            (|l| l.refused = vec![of(8), of(9)], Source::Namespaces, Partial, "8 and 1 more cannot be"),
            (
                |l| l.unread = vec![of(1), of(2)],
                Source::Netstat,
                Partial,
                "of 2 of 3 network namespaces (EPERM)",
            ),
            (|l| l.without_somaxconn = 3, Source::Somaxconn, Missing, "who limits a queue"),
            (|l| l.hidden = 2, Source::Descriptors, Partial, "2 processes may not be looked into"),
        ];
        for (change, source, state, words) in looks {
            check(&shape(), &looked(change), source, state, words);
        }
        let shapes: [Case<Shape>; 5] = [
            (
                |s| s.no_proc = Some("/proc is not mounted".to_owned()),
                Source::Proc,
                Missing,
                "/proc is not mounted: no listener can be found",
            ),
            (|s| s.hides_processes = true, Source::Processes, Partial, "hidepid"),
            (|s| s.in_pid_namespace = true, Source::PidNamespace, Partial, "below the host's"),
            (|s| s.has_cgroup = false, Source::Cgroups, Missing, "cgroups of listeners are not known"),
            (|s| s.has_cgroup2 = false, Source::Cgroups, Partial, "no cgroup2 hierarchy"),
        ];
        for (change, source, state, words) in shapes {
            check(&shaped(change), &three(), source, state, words);
        }
    }

    #[test]
    fn every_source_of_the_table_is_judged_once_and_in_its_order() {
        let judged: Vec<_> = judge(&shape(), &three()).into_iter().map(|state| state.source).collect();
        let table: Vec<_> = SOURCES.iter().map(|row| row.source).collect();
        assert_eq!(judged, table);
    }

    #[test]
    fn numbers_of_this_process_from_where_proc_looks() {
        assert_eq!(pids_of_self("Name:\tx\nNSpid:\t812\t7\nUid:\t0\n"), 2);
        assert_eq!(pids_of_self("NSpid:\t812\n"), 1);
        assert_eq!(pids_of_self(""), 1);
    }
}
