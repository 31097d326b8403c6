//! The accept queue refused clients, and neither how many came nor how fast they
//! are accepted is known well enough to say what would have helped.

use super::{Action, Case, Certainty, Fact, Finding, Kind, accepts_too_slowly, burst, not_accepting};
use crate::quantity::counted;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let packets = case.overflows();
    let is_explained =
        [not_accepting::look, accepts_too_slowly::look, burst::look].iter().any(|look| look(case).is_some());
    if packets == 0 || is_explained {
        return None;
    }
    let limit = case.listener.limit.map_or_else(String::new, |limit| format!(" (backlog {limit})"));
    let because = format!("{} met a full accept queue{limit}", counted(packets, "packet"));
    let facts = [Fact::count("packets", packets), Fact::count("lost_clients", case.lost_clients())];
    let advice = if case.is_polled() {
        Action::only(
            "let hooks be attached, which tell how many clients came and how fast they were accepted",
        )
        .line("backlog-trace check")
    } else if case.details_missed() > 0 {
        Action::only(
            "observe it again with a larger ring buffer: what was missed could have told what would help",
        )
        .line(format!("backlog-trace advise{} --ring-mib 256", port(case)))
    } else {
        Action::only(
            "observe it for longer to learn whether a longer queue would help or faster accepts are needed",
        )
        .line(format!("backlog-trace advise{} --duration 1m", port(case)))
    };
    Some(case.finding(Kind::AcceptQueueFull, Certainty::Likely, because).shown_by(facts).advising([advice]))
}

/// ` --port 8080`.
fn port(case: &Case<'_>) -> String {
    match case.listener.who.port() {
        0 => String::new(),
        port => format!(" --port {port}"),
    }
}
