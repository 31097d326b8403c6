//! Which listeners a command shows: the filters of the command line, matched
//! against a listener. Reasons are not a listener's and are filtered elsewhere.

use std::net::IpAddr;
use std::path::Path;

use super::book::Book;
use super::cgroup_pattern::CgroupPattern;
use super::entry::Listener;
use super::ports::Ports;
use super::resolve;
use crate::failure::{Exit, Failure, Result};

/// What a person asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Ports, ranges, names of services.
    pub ports: Vec<Ports>,
    /// Addresses that listeners are bound to.
    pub addresses: Vec<IpAddr>,
    /// Inode numbers, names under /run/netns, or paths.
    pub namespaces: Vec<String>,
    /// Processes that hold listeners.
    pub pids: Vec<u32>,
    /// Units, paths, globs.
    pub cgroups: Vec<CgroupPattern>,
}

/// Compiled filters. Kinds are joined by "and", values of one kind by "or";
/// a kind without a value matches everything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    ports: Vec<Ports>,
    addresses: Vec<IpAddr>,
    namespaces: Vec<u32>,
    pids: Vec<u32>,
    cgroups: Vec<CgroupPattern>,
}

impl Filter {
    /// Compiles what is asked for; names and paths of namespaces become inode numbers.
    ///
    /// # Errors
    /// `NotFound` where a name or path leads to no namespace.
    pub fn new(wanted: Wanted) -> Result<Self> {
        Ok(Self {
            ports: wanted.ports,
            addresses: wanted.addresses.iter().map(IpAddr::to_canonical).collect(),
            namespaces: wanted.namespaces.iter().map(|text| resolve::netns(text)).collect::<Result<_>>()?,
            pids: wanted.pids,
            cgroups: wanted.cgroups,
        })
    }

    /// Whether the listener is one of those.
    pub fn matches(&self, listener: &Listener) -> bool {
        any(&self.ports, |ports| ports.contains(listener.port))
            && any(&self.addresses, |address| listener.address.to_canonical() == *address)
            && any(&self.namespaces, |netns| listener.netns == *netns)
            && any(&self.pids, |pid| listener.owners.iter().any(|owner| owner.pid == *pid))
            && any(&self.cgroups, |cgroup| {
                listener.cgroup.as_deref().is_some_and(|path| cgroup.matches(path))
            })
    }

    /// Checks that what is named exists. Returns warnings: a port that nothing
    /// listens on now may be listened on later.
    ///
    /// # Errors
    /// `NotFound` for a process or a namespace that does not exist.
    pub fn check(&self, book: &Book) -> Result<Vec<String>> {
        // What is hidden may be there all the same.
        let visible = if book.may_hide_processes() { " that can be seen here" } else { "" };
        for pid in &self.pids {
            if !Path::new(&format!("/proc/{pid}")).exists() {
                return Err(Failure::new(Exit::NotFound, format!("there is no process {pid}{visible}"))
                    .advise("'backlog-trace listeners' shows who listens; give one of those pids"));
            }
        }
        for netns in &self.namespaces {
            if !book.namespaces().exists(*netns) {
                return Err(Failure::new(
                    Exit::NotFound,
                    format!("there is no network namespace {netns}{visible}"),
                )
                .advise("'lsns -t net' lists them; as root it lists those of all users"));
            }
        }
        let open = || book.iter().filter(|listener| !listener.closed);
        let mut warnings = Vec::new();
        for ports in &self.ports {
            if !open().any(|listener| ports.contains(listener.port)) {
                warnings.push(format!("nothing listens on {ports} now"));
            }
        }
        for address in &self.addresses {
            if !open().any(|listener| listener.address.to_canonical() == *address) {
                warnings.push(format!("nothing listens on address {address} now"));
            }
        }
        for cgroup in &self.cgroups {
            let within = |path: &str| cgroup.matches(path);
            if !open().any(|listener| listener.cgroup.as_deref().is_some_and(within)) {
                let what = cgroup.text();
                warnings.push(format!("no listener is in a cgroup that matches '{what}' now"));
            }
        }
        for pid in &self.pids {
            if !open().any(|listener| listener.owners.iter().any(|owner| owner.pid == *pid)) {
                warnings.push(format!("process {pid} holds no listener now"));
            }
        }
        if warnings.is_empty() && !self.is_empty() && !open().any(|listener| self.matches(listener)) {
            warnings.push("no listener matches all of the filters now".to_owned());
        }
        Ok(warnings)
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
        let owner = |pid| Owner { pid, comm: "nginx".to_owned() };
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
    fn check(set: impl FnOnce(&mut Wanted), expected: bool) {
        let mut wanted = Wanted::default();
        set(&mut wanted);
        assert_eq!(Filter::new(wanted.clone()).unwrap().matches(&listener()), expected, "{wanted:?}");
    }

    fn ports(texts: &[&str]) -> Vec<Ports> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn kinds_are_joined_by_and_values_by_or() {
        check(|_| {}, true);
        check(|f| f.ports = ports(&["80", "8080"]), true);
        check(|f| f.ports = ports(&["80"]), false);
        check(|f| f.pids = vec![813], true);
        check(|f| f.pids = vec![814], false);
        check(|f| f.namespaces = vec!["4026531840".to_owned()], true);
        check(|f| f.namespaces = vec!["1".to_owned()], false);
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

    #[test]
    fn what_does_not_exist_is_not_found_and_a_silent_port_is_a_warning() {
        let mut book = Book::new();
        book.refresh();
        let check = |wanted: Wanted| Filter::new(wanted).and_then(|filter| filter.check(&book));
        let none = Wanted::default;
        assert_eq!(check(Wanted { pids: vec![4_194_305], ..none() }).unwrap_err().exit, Exit::NotFound);
        assert_eq!(
            check(Wanted { namespaces: vec!["1".into()], ..none() }).unwrap_err().exit,
            Exit::NotFound
        );
        assert_eq!(
            check(Wanted { namespaces: vec!["no-such".into()], ..none() }).unwrap_err().exit,
            Exit::NotFound
        );
        // Port 0 is never listened on.
        assert_eq!(
            check(Wanted { ports: ports(&["0"]), ..none() }).unwrap(),
            ["nothing listens on port 0 now"]
        );
        let nope = CgroupPattern::parse("nope").unwrap();
        assert_eq!(
            check(Wanted { cgroups: vec![nope], ..none() }).unwrap(),
            ["no listener is in a cgroup that matches 'nope' now"]
        );
        assert_eq!(
            check(Wanted { addresses: vec!["192.0.2.1".parse().unwrap()], ..none() }).unwrap(),
            ["nothing listens on address 192.0.2.1 now"]
        );
        assert!(check(none()).unwrap().is_empty());
    }
}
