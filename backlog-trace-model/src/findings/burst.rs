//! Clients come faster than they are accepted for a while, and a longer accept
//! queue would have held them.

use super::accepts_too_slowly::{bounded, is_hopeless};
use super::{Case, Certainty, Fact, Finding, Kind, not_accepting, raise};
use crate::quantity::{span_of, were};

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let need = case.need()?;
    let limit = case.listener.limit?;
    if not_accepting::look(case).is_some() || need.limit() <= u64::from(limit) {
        return None;
    }
    let accepts = need.accepts_per_second?;
    let wait = need.longest_wait()?;
    let keeps_up = need.arrivals_per_second().is_none_or(|arrivals| arrivals <= accepts);
    if is_hopeless(need.seconds(), wait) && !keeps_up {
        return None;
    }
    let because = format!(
        "{} refused within {}, when clients came faster than they are accepted ({} a second); the smallest backlog that would have refused nobody is {}, and the last one in that queue would have waited {}{}",
        were(need.refused, "client"),
        span_of(need.seconds()),
        bounded(need, accepts),
        need.limit(),
        span_of(wait),
        if need.accepts_at_least { " at most" } else { "" },
    );
    let facts = [
        Fact::count("lost_clients", need.refused),
        Fact::count("limit", u64::from(limit)),
        Fact::count("needed_limit", need.limit()),
        Fact::count("advised_limit", raise::with_room(need.limit())),
        Fact::real("accepts_per_second", accepts),
        Fact::real("longest_wait_seconds", wait),
    ];
    Some(
        case.finding(Kind::Burst, Certainty::Certain, because)
            .shown_by(facts)
            .shown_by(raise::cap(case, need.limit()))
            .advising(raise::actions(case, need.limit())),
    )
}
