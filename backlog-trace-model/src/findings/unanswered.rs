//! SYN+ACKs are sent and nobody answers: what is wrong is on the path or at the
//! client, not at the listener.

use backlog_trace_common::reason::Reason;

use super::{Action, Case, Certainty, Fact, Finding, Kind, syn_flood};
use crate::quantity::{counted, were};

/// SYN+ACKs sent again below which nothing is said: one client that has gone
/// makes five (tcp_synack_retries).
const ENOUGH: u64 = 6;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let signs = &case.history()?.signs;
    if signs.unanswered < ENOUGH || syn_flood::look(case).is_some() {
        return None;
    }
    // Of those whose ACK the full queue dropped, the cause is told apart.
    let again = case.listener.totals.reasons[Reason::SynackRetransmit];
    let because = format!(
        "{} sent again because no final ACK came ({} given up): the answer does not reach the client, or the client has gone",
        were(signs.unanswered, "SYN+ACK"),
        counted(signs.given_up, "half-open request"),
    );
    let facts = [
        Fact::count("retransmits", again),
        Fact::count("unanswered_retransmits", signs.unanswered),
        Fact::count("given_up", signs.given_up),
    ];
    let advice = Action::only(
        "look at the path back to these clients: routes, firewalls and load balancers that see one direction only",
    )
    .line(format!(
        "tcpdump -ni any 'tcp port {} and tcp[tcpflags] & (tcp-syn|tcp-rst) != 0'",
        case.listener.who.port()
    ));
    Some(case.finding(Kind::Unanswered, Certainty::Likely, because).shown_by(facts).advising([advice]))
}
