//! Final ACKs were dropped in silence: the client has its SYN+ACK and thinks that it
//! is connected, until its data meets nothing.

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::quantity::counted_as;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let connections = &case.listener.connections;
    if connections.believed == 0 {
        return None;
    }
    let think =
        counted_as(connections.believed, "client thinks it is connected", "clients think they are connected");
    let harm = match (connections.believed, connections.sent_data) {
        (_, 0) => String::new(),
        (1, _) => "; it sent data, which was lost".to_owned(),
        (_, sent) => format!("; {sent} of them sent data, which was lost"),
    };
    let because =
        format!("{think}: the final ACK was dropped in silence because the accept queue was full{harm}");
    let facts =
        [Fact::count("clients", connections.believed), Fact::count("sent_data", connections.sent_data)];
    let advice = Action::only(
        "expect time-outs of reads, not of connect(), in these clients; they end with what ends the overflow",
    );
    Some(case.finding(Kind::FooledClients, Certainty::Certain, because).shown_by(facts).advising([advice]))
}
