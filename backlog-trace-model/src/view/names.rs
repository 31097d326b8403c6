//! Listeners, owners, clients and network namespaces as one word each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::event::{Peer, Session};
use crate::listener::Listener;
use crate::tally::{Report, Who};

use crate::escape::Sanitized;

/// `0.0.0.0:8080`, `[2001:db8::1]:8080`; `?:8080` where the book does not know it.
pub(super) fn listener(who: &Who) -> String {
    match who {
        Who::Known(listener) => socket(listener.address, listener.port),
        Who::Unknown { port: 0, .. } => "?".to_owned(),
        Who::Unknown { port, .. } => format!("?:{port}"),
        Who::Closed { listeners } => format!("{listeners} closed listeners, not named one by one"),
    }
}

/// What the network namespaces of a report are called, where there is more than
/// one; the host's own is not called anything.
#[derive(Debug, Default)]
pub(super) struct Namespaces<'a> {
    host: Option<u32>,
    names: BTreeMap<u32, &'a str>,
    are_several: bool,
}

impl<'a> Namespaces<'a> {
    /// Those of the listeners and of the audit.
    pub(super) fn of(report: &'a Report) -> Self {
        let of_listeners = report.listeners.iter().map(|listener| listener.who.netns());
        let all: BTreeSet<u32> = of_listeners.chain(report.audit.iter().map(|audit| audit.netns)).collect();
        let known = report.listeners.iter().filter_map(|listener| listener.who.known());
        let named = known.filter_map(|listener| Some((listener.netns, listener.netns_name.as_deref()?)));
        Self {
            host: report.session.as_deref().and_then(|session| session.netns),
            names: named.collect(),
            are_several: all.iter().filter(|netns| **netns != 0).count() > 1,
        }
    }

    /// `netns web1`, by its number where nobody knows its name; `None` where
    /// it goes without saying.
    pub(super) fn label(&self, netns: u32) -> Option<String> {
        if !self.are_several || netns == 0 || self.host == Some(netns) {
            return None;
        }
        let name = self.names.get(&netns);
        Some(name.map_or_else(|| format!("netns {netns}"), |name| format!("netns {}", Sanitized(name))))
    }
}

/// The name of a listener's namespace, where that is known not to be the host's own.
pub(super) fn elsewhere(who: &Who, session: Option<&Session>) -> Option<String> {
    let host = session.and_then(|session| session.netns)?;
    let netns = who.netns();
    let name = || who.known().and_then(|listener| listener.netns_name.as_deref());
    (netns != 0 && netns != host)
        .then(|| name().map_or_else(|| netns.to_string(), |name| Sanitized(name).to_string()))
}

/// `nginx/812 +3`: the first process that holds the socket, and how many others do.
pub(super) fn owner(listener: Option<&Listener>) -> String {
    let Some(listener) = listener else { return "-".to_owned() };
    let unknown = if listener.inode == 0 { "kernel" } else { "-" };
    listener.holders().unwrap_or_else(|| unknown.to_owned())
}

/// `10.0.0.7:51344`; `-` where the client is not known.
pub(super) fn peer(peer: Option<Peer>) -> String {
    peer.map_or_else(|| "-".to_owned(), |peer| socket(peer.address, peer.port))
}

/// `recorded on web1 (6.12.107), `: where a recording was made.
pub(super) fn origin(session: Option<&Session>) -> String {
    session.map_or_else(String::new, |session| {
        format!("recorded on {} ({}), ", Sanitized(&session.host), Sanitized(&session.kernel))
    })
}

fn socket(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::event::Clock;
    use crate::listener::Owner;

    use super::*;

    /// Red from here on, and written from right to left.
    const HOSTILE: &str = "web\u{1b}[31m\u{202e}1";
    const SHOWN: &str = "web\\u{1b}[31m\\u{202e}1";

    fn session(netns: Option<u32>) -> Session {
        Session {
            version: "0.1.0".to_owned(),
            host: HOSTILE.to_owned(),
            kernel: HOSTILE.to_owned(),
            netns,
            start: 0,
            clock: Clock { unix_minus_monotonic: 0 },
            zone: None,
            asked: crate::event::Asked::default(),
            hooks: Vec::new(),
            sources: Vec::new(),
        }
    }

    /// A listener in the namespace 7 of this name.
    fn known(name: Option<&str>) -> Listener {
        Listener {
            id: 0,
            keys: Vec::new(),
            netns: 7,
            cookie: None,
            address: IpAddr::from([0, 0, 0, 0]),
            port: 8080,
            inode: 1,
            owners: vec![Owner::new(812, HOSTILE.to_owned())],
            cgroup: None,
            limit: None,
            somaxconn: None,
            netns_name: name.map(str::to_owned),
            lost_before: false,
            v6only: false,
            closed: false,
            namespace: None,
        }
    }

    #[test]
    fn what_the_observed_host_calls_itself_is_escaped() {
        assert_eq!(origin(Some(&session(None))), format!("recorded on {SHOWN} ({SHOWN}), "));
        assert_eq!(origin(None), "");
    }

    #[test]
    fn what_somebody_called_a_namespace_or_a_process_is_escaped() {
        let who = |name| Who::Known(std::sync::Arc::new(known(name)));
        assert_eq!(elsewhere(&who(Some(HOSTILE)), Some(&session(Some(6)))).as_deref(), Some(SHOWN));
        assert_eq!(elsewhere(&who(None), Some(&session(Some(6)))).as_deref(), Some("7"));
        for session in [Some(&session(Some(7))), Some(&session(None)), None] {
            assert_eq!(elsewhere(&who(Some(HOSTILE)), session), None);
        }
        let mut namespaces = Namespaces { are_several: true, ..Namespaces::default() };
        namespaces.names.insert(7, HOSTILE);
        assert_eq!(namespaces.label(7), Some(format!("netns {SHOWN}")));
        assert_eq!((namespaces.label(8), namespaces.label(0)), (Some("netns 8".to_owned()), None));
        let mut several = known(None);
        assert_eq!(owner(Some(&several)), format!("{SHOWN}/812"));
        several.owners.extend([9, 10].map(|pid| Owner::new(pid, "other")));
        assert_eq!(owner(Some(&several)), format!("{SHOWN}/812 +2"));
    }
}
