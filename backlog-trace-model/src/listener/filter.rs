//! Which listeners a command shows, matched against a listener. Reasons are not
//! a listener's and are filtered elsewhere ([`crate::tally::ReasonFilter`]).

use std::net::IpAddr;

use super::{CgroupPattern, Listener, Ports};

/// What a person asks for. Kinds are joined by "and", values of one kind by
/// "or"; a kind without a value matches everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Ports and ranges of them.
    pub ports: Vec<Ports>,
    /// Addresses that listeners are bound to.
    pub addresses: Vec<IpAddr>,
    /// Inode numbers of network namespaces.
    pub namespaces: Vec<u32>,
    /// Processes that hold listeners.
    pub pids: Vec<u32>,
    /// Units, paths, globs.
    pub cgroups: Vec<CgroupPattern>,
}

impl Filter {
    /// Whether the listener is one of those.
    pub fn matches(&self, listener: &Listener) -> bool {
        any(&self.ports, |ports| ports.contains(listener.port))
            && any(&self.addresses, |address| listener.address.to_canonical() == address.to_canonical())
            && any(&self.namespaces, |netns| listener.netns == *netns)
            && any(&self.pids, |pid| listener.owners.iter().any(|owner| owner.pid == *pid))
            && any(&self.cgroups, |cgroup| {
                listener.cgroup.as_deref().is_some_and(|path| cgroup.matches(path))
            })
    }

    /// Whether it lets everything through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn any<T>(wanted: &[T], matches: impl FnMut(&T) -> bool) -> bool {
    wanted.is_empty() || wanted.iter().any(matches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::Owner;

    fn listener() -> Listener {
        let owner = |pid| Owner::new(pid, "nginx");
        Listener {
            id: 0,
            keys: vec![],
            netns: 4_026_531_840,
            cookie: Some(1),
            address: "::ffff:10.0.0.1".parse().unwrap(),
            port: 8080,
            inode: 1,
            owners: vec![owner(812), owner(813)],
            cgroup: Some("/system.slice/nginx.service".to_owned()),
            limit: Some(128),
            somaxconn: None,
            netns_name: None,
            lost_before: false,
            v6only: false,
            closed: false,
            namespace: None,
        }
    }

    #[track_caller]
    fn check(set: impl FnOnce(&mut Filter), expected: bool) {
        let mut filter = Filter::default();
        set(&mut filter);
        assert_eq!(filter.matches(&listener()), expected, "{filter:?}");
    }

    fn ports(texts: &[&str]) -> Vec<Ports> {
        texts.iter().map(|text| Ports::parse(text, || None).unwrap()).collect()
    }

    #[test]
    fn kinds_are_joined_by_and_values_by_or() {
        check(|_| {}, true);
        check(|f| f.ports = ports(&["80", "8080"]), true);
        check(|f| f.ports = ports(&["80"]), false);
        check(|f| f.pids = vec![813], true);
        check(|f| f.pids = vec![814], false);
        check(|f| f.namespaces = vec![4_026_531_840], true);
        check(|f| f.namespaces = vec![1], false);
        check(
            |f| {
                f.ports = ports(&["8000-8100"]);
                f.pids = vec![814];
            },
            false,
        );
    }

    #[test]
    fn a_mapped_address_is_the_address() {
        check(|f| f.addresses = vec!["10.0.0.1".parse().unwrap()], true);
        check(|f| f.addresses = vec!["::ffff:10.0.0.1".parse().unwrap()], true);
        check(|f| f.addresses = vec!["0.0.0.0".parse().unwrap()], false);
    }

    #[test]
    fn a_cgroup_matches_with_all_below_it() {
        let pattern = |text: &str| vec![CgroupPattern::parse(text).unwrap()];
        check(|f| f.cgroups = pattern("/system.slice"), true);
        check(|f| f.cgroups = pattern("/system.slice/nginx"), false);
    }
}
