//! Nothing was lost yet, and the accept queue was nearly full.

use backlog_trace_common::reason::Class;

use super::{Case, Certainty, Fact, Finding, Kind, raise};
use crate::event::Figure;

/// From which share of its limit on a queue counts as nearly full, in percent.
const NEARLY: u64 = 80;

/// Queues shorter than this are full by a handful of clients, and say nothing.
const SHORTEST: u64 = 5;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let limit = u64::from(case.listener.limit?);
    let most = case.listener.known(Figure::AcceptQueueMax)?;
    let is_close = limit >= SHORTEST && most.saturating_mul(100) > limit.saturating_mul(NEARLY);
    if !is_close || case.listener.packets(Class::Loss) > 0 || case.listener.totals.accepted == 0 {
        return None;
    }
    let because = format!(
        "nothing was lost, and {most} connections waited at once in an accept queue with room for {}",
        limit + 1
    );
    let facts = [Fact::count("longest_queue", most), Fact::count("limit", limit)];
    let needed = limit.max(most).saturating_mul(3) / 2;
    Some(
        case.finding(Kind::CloseToLimit, Certainty::Certain, because)
            .shown_by(facts)
            .shown_by(raise::cap(case, needed))
            .advising(raise::actions(case, needed)),
    )
}
