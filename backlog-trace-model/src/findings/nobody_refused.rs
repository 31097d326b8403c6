//! The acquittal: no listener lost anything.

use backlog_trace_common::counter::Counter;
use backlog_trace_common::reason::Class;

use super::{Action, Certainty, Fact, Finding, Kind};
use crate::event::Figure;
use crate::quantity::span;
use crate::tally::{ListenerReport, NamespaceAudit, Report};

pub(super) fn look(report: &Report) -> Option<Finding> {
    let is_clean = |listener: &ListenerReport| {
        listener.packets(Class::Loss) == 0
            && listener.sk_drops.kernel.unwrap_or(0) == listener.sk_drops.explained
    };
    // Filters hide listeners, and the audit knows no filter.
    let drops = |audit: &NamespaceAudit| audit.attributed.get(Counter::ListenDrops.index()).copied();
    let is_clean_there = |audit: &NamespaceAudit| {
        audit.balances() && audit.unlisted.iter().next().is_none() && drops(audit) == Some(0)
    };
    let balances = report.audit.iter().all(is_clean_there);
    if !report.is_final || !report.listeners.iter().all(is_clean) || !balances {
        return None;
    }
    let longest = report.listeners.iter().filter_map(|listener| listener.known(Figure::AcceptQueueMax)).max();
    let wait = report.listeners.iter().filter_map(ListenerReport::longest_wait_us).max();
    let queue =
        longest.map_or_else(String::new, |longest| format!("; the longest accept queue was {longest}"));
    let waited =
        wait.map_or_else(String::new, |us| format!(", the longest wait for accept() below {}", span(us)));
    let because = match report.listeners_seen() {
        0 => "no listener saw a connection".to_owned(),
        1 => format!("1 listener saw connections, and refused none{queue}{waited}"),
        seen => format!("{seen} listeners saw connections, and refused none{queue}{waited}"),
    };
    let facts = [
        Some(Fact::count("listeners", report.listeners_seen())),
        longest.map(|longest| Fact::count("longest_queue", longest)),
        wait.map(|us| Fact::count("longest_wait_us_below", us)),
    ];
    let advice = Action::only(
        "look before this host: whether SYNs arrive at all (tcpdump), the firewall, conntrack (conntrack -S), the load balancer; or after accept(), in the application",
    );
    let certainty = if everything_was_seen(report) { Certainty::Certain } else { Certainty::Likely };
    Some(Finding {
        kind: Kind::NobodyRefused,
        certainty,
        at: None,
        who: None,
        because,
        facts: facts.into_iter().flatten().collect(),
        actions: vec![advice],
    })
}

/// Whether there was nothing that could have been missed.
fn everything_was_seen(report: &Report) -> bool {
    let hooks = report.session.as_deref().map_or(&[][..], |session| &session.hooks);
    report.is_whole()
        && !report.is_polled()
        && report.details.missed == 0
        && !hooks.is_empty()
        && hooks.iter().all(|hook| hook.rung.is_some())
        && report.audit.iter().all(|audit| audit.kernel.is_some())
        && report.sources.iter().all(|source| source.sentence().is_none())
}
