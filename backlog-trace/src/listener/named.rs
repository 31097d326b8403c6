//! Whether what a filter names is there: what a person who mistypes a port or a
//! pid is told before anything is attached.

use std::path::Path;

use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_model::listener::Filter;

use super::book::Book;

/// Checks that what is named exists. Returns warnings: a port that nothing
/// listens on now may be listened on later.
///
/// # Errors
/// `NotFound` for a process or a namespace that does not exist.
pub(crate) fn check(filter: &Filter, book: &Book) -> Result<Vec<String>> {
    // What is hidden may be there all the same.
    let visible = if book.may_hide_processes() { " that can be seen here" } else { "" };
    for pid in &filter.pids {
        if !Path::new(&format!("/proc/{pid}")).exists() {
            return Err(Failure::new(Exit::NotFound, format!("there is no process {pid}{visible}"))
                .advise("'backlog-trace listeners' shows who listens; give one of those pids"));
        }
    }
    for netns in &filter.namespaces {
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
    for ports in &filter.ports {
        if !open().any(|listener| ports.contains(listener.port)) {
            warnings.push(format!("nothing listens on {ports} now"));
        }
    }
    for address in &filter.addresses {
        if !open().any(|listener| listener.address.to_canonical() == *address) {
            warnings.push(format!("nothing listens on address {address} now"));
        }
    }
    for cgroup in &filter.cgroups {
        let within = |path: &str| cgroup.matches(path);
        if !open().any(|listener| listener.cgroup.as_deref().is_some_and(within)) {
            let what = cgroup.text();
            warnings.push(format!("no listener is in a cgroup that matches '{what}' now"));
        }
    }
    for pid in &filter.pids {
        if !open().any(|listener| listener.owners.iter().any(|owner| owner.pid == *pid)) {
            warnings.push(format!("process {pid} holds no listener now"));
        }
    }
    if warnings.is_empty() && !filter.is_empty() && !open().any(|listener| filter.matches(listener)) {
        warnings.push("no listener matches all of the filters now".to_owned());
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use backlog_trace_model::listener::{CgroupPattern, Ports};

    use super::*;

    #[test]
    fn what_does_not_exist_is_not_found_and_a_silent_port_is_a_warning() {
        let mut book = Book::new();
        book.refresh();
        let outcome = |filter: Filter| check(&filter, &book);
        let none = Filter::default;
        assert_eq!(outcome(Filter { pids: vec![4_194_305], ..none() }).unwrap_err().exit, Exit::NotFound);
        assert_eq!(outcome(Filter { namespaces: vec![1], ..none() }).unwrap_err().exit, Exit::NotFound);
        // Port 0 is never listened on.
        assert_eq!(
            outcome(Filter { ports: vec![Ports::from(0)], ..none() }).unwrap(),
            ["nothing listens on port 0 now"]
        );
        let nope = CgroupPattern::parse("nope").unwrap();
        assert_eq!(
            outcome(Filter { cgroups: vec![nope], ..none() }).unwrap(),
            ["no listener is in a cgroup that matches 'nope' now"]
        );
        assert_eq!(
            outcome(Filter { addresses: vec!["192.0.2.1".parse().unwrap()], ..none() }).unwrap(),
            ["nothing listens on address 192.0.2.1 now"]
        );
        assert!(outcome(none()).unwrap().is_empty());
    }
}
