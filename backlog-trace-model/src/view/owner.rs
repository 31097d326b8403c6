//! Whose a listener is, in the room that a terminal has for it: the process that
//! holds the socket, and the system service, container or pod that its cgroup tells.
//!
//! It refuses to leave the owner out: where both do not fit, the service, container
//! or pod stands alone, by which a person finds the process.

use crate::escape::Sanitized;
use crate::event::{Reach, Source, SourceState};
use crate::listener::{Listener, Place};
use crate::tally::Report;

use super::names;

/// Sources that all have to be whole before a socket without a process is one that
/// no process holds: those that list sockets, and those that list who holds them.
const LISTED: [Source; 6] = [
    Source::Proc,
    Source::SockDiag,
    Source::Namespaces,
    Source::Processes,
    Source::PidNamespace,
    Source::Descriptors,
];

/// How much of it there is room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    /// The service, container or pod; the process where there is none of these.
    Short,
    /// The process with its service, container or pod.
    Long,
}

impl Room {
    /// The long form from so many columns on, and where there is no terminal.
    pub(super) fn of(columns: Option<usize>, wide: usize) -> Self {
        if columns.is_none_or(|columns| columns >= wide) { Self::Long } else { Self::Short }
    }
}

/// `nginx/812 +3 (docker 3f2a91b0c4d5)`, or `docker 3f2a91b0c4d5` alone.
pub(super) fn of(listener: Option<&Listener>, room: Room) -> String {
    let process = names::owner(listener);
    let path = listener.and_then(|listener| listener.cgroup.as_deref());
    match (path.and_then(|path| place(path, room)), room) {
        (Some(place), Room::Short) => place,
        (Some(place), Room::Long) if process == "-" => place,
        (Some(place), Room::Long) => format!("{process} ({place})"),
        (None, _) => process,
    }
}

/// The same in a report, for which every process was looked at: a socket that none
/// of them holds is told apart from one whose process is not known.
pub(super) fn in_report(listener: Option<&Listener>, report: &Report, room: Room) -> String {
    match of(listener, room) {
        owner if owner == "-" && is_held_by_none(listener, report) => "no process".to_owned(),
        owner => owner,
    }
}

fn is_held_by_none(listener: Option<&Listener>, report: &Report) -> bool {
    let whole = |source: Source| {
        let is_whole = |state: &SourceState| state.source == source && state.state == Reach::Whole;
        report.sources.iter().any(is_whole)
    };
    let is_open = |listener: &Listener| listener.owners.is_empty() && !listener.closed;
    report.is_final && listener.is_some_and(is_open) && LISTED.into_iter().all(whole)
}

/// What a cgroup tells, where that is a system service, a container or a pod: the
/// session of a user or a slice tells less than the process does.
fn place(cgroup: &str, room: Room) -> Option<String> {
    let place = Place::of(cgroup);
    let is_contained = place.container.is_some() || place.pod.is_some();
    let is_service = place.user.is_none() && place.unit.is_some_and(|unit| unit.ends_with(".service"));
    let words = match room {
        Room::Short if is_contained => place.netns(),
        _ if is_contained || is_service => place.short(),
        _ => None,
    };
    words.map(|words| Sanitized(&words).to_string())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::listener::Owner;

    const ID: &str = "3f2a91b0c4d53f2a91b0c4d53f2a91b0c4d53f2a91b0c4d53f2a91b0c4d53f2a";

    fn held(cgroup: &str, owners: &[&str]) -> Listener {
        Listener {
            id: 0,
            keys: Vec::new(),
            netns: 7,
            cookie: None,
            address: IpAddr::from([0, 0, 0, 0]),
            port: 8080,
            inode: 1,
            owners: (812..).zip(owners).map(|(pid, name)| Owner::new(pid, *name)).collect(),
            cgroup: Some(cgroup.to_owned()),
            limit: None,
            somaxconn: None,
            netns_name: None,
            lost_before: false,
            v6only: false,
            closed: false,
            namespace: None,
        }
    }

    #[track_caller]
    fn check(cgroup: &str, short: &str, long: &str) {
        let listener = held(cgroup, &["nginx", "nginx"]);
        assert_eq!(of(Some(&listener), Room::Short), short, "{cgroup}");
        assert_eq!(of(Some(&listener), Room::Long), long, "{cgroup}");
    }

    #[test]
    fn services_containers_and_pods_are_named_and_sessions_are_not() {
        check("/system.slice/nginx.service", "nginx.service", "nginx/812 +1 (nginx.service)");
        check(
            &format!("/system.slice/docker-{ID}.scope"),
            "docker 3f2a91b0c4d5",
            "nginx/812 +1 (docker 3f2a91b0c4d5)",
        );
        check(
            &format!("/kubepods/burstable/pod1234abcd-0000-4000-8000-000000000001/{ID}"),
            "pod 1234abcd…",
            "nginx/812 +1 (pod 1234abcd… / container 3f2a91b0c4d5)",
        );
        for cgroup in ["/", "/user.slice/user-1000.slice/session-3.scope", "/system.slice"] {
            check(cgroup, "nginx/812 +1", "nginx/812 +1");
        }
    }

    #[test]
    fn the_place_stands_where_the_process_is_not_known_and_is_escaped() {
        let listener = held("/system.slice/evil\u{1b}[7m.service", &[]);
        for room in [Room::Short, Room::Long] {
            assert_eq!(of(Some(&listener), room), "evil\\u{1b}[7m.service");
        }
        let of_kernel = Listener { inode: 0, cgroup: None, ..listener };
        assert_eq!(of(Some(&of_kernel), Room::Long), "kernel");
        assert_eq!(of(None, Room::Long), "-");
    }
}
