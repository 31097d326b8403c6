//! What a listener took with it when it closed.

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::listener::Sysctls;
use crate::quantity::were;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let lost = case.listener.closed_with();
    if lost == 0 {
        return None;
    }
    let successor = case.twins().find_map(|twin| twin.who.known());
    let then = if successor.is_some() { "; another listener of the same address is open" } else { "" };
    let because = format!(
        "a listener closed, and {} with it, not yet accepted or half-open{then}",
        format_args!("{} lost", were(lost, "connection")),
    );
    let hand_over = Action::only(
        "hand the socket over at a restart instead of closing it: socket activation (systemd .socket units), a reload that keeps sockets (nginx -s reload, haproxy -x), or accept what waits before close()",
    );
    // Where the kernel has no such sysctl, the namespace's others are known and it is not.
    let sysctls = case.sysctls();
    let may_migrate = sysctls.tcp_migrate_req == Some(0) || sysctls == Sysctls::default();
    let migrate = may_migrate.then(|| {
        Action::only(
            "with SO_REUSEPORT, let the kernel hand queued connections to the other members of the group",
        )
        .line(case.set("net.ipv4.tcp_migrate_req", 1))
        .then("at once; Linux 5.14 or later")
    });
    Some(
        case.finding(Kind::LostByRestart, Certainty::Certain, because)
            .shown_by([Fact::count("lost_connections", lost)])
            .advising([hand_over])
            .advising(migrate),
    )
}
