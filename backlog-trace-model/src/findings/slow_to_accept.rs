//! Nothing was lost, and connections wait long for accept().

use backlog_trace_common::bucket::bounds;
use backlog_trace_common::reason::Class;

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::quantity::span;

/// A wait in microseconds that a person notices.
const LONG_US: u64 = 100_000;

/// One of so many must have waited that long.
const ONE_OF: u64 = 100;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let waits = &case.listener.totals.accept_wait_us;
    let all = waits.iter().copied().fold(0, u64::saturating_add);
    let is_long = |bucket: usize| u64::from(bounds(bucket, waits.len()).0) >= LONG_US;
    let long: u64 = waits
        .iter()
        .enumerate()
        .filter(|(bucket, _)| is_long(*bucket))
        .map(|(_, count)| *count)
        .fold(0, u64::saturating_add);
    if long == 0 || long.saturating_mul(ONE_OF) < all || case.listener.packets(Class::Loss) > 0 {
        return None;
    }
    let longest = waits.iter().enumerate().rev().find(|(_, count)| **count > 0).map(|(bucket, _)| bucket)?;
    let longest = u64::from(bounds(longest, waits.len()).0);
    let because = format!(
        "nothing was lost, and {long} of {all} connections waited longer than {} for accept(), the longest {} or more",
        span(LONG_US),
        span(longest),
    );
    let facts = [
        Fact::count("long_waits", long),
        Fact::count("accepted", all),
        Fact::count("longest_wait_us_at_least", longest),
    ];
    let advice = Action::only(format!(
        "see what {} does between two calls of accept(): the connections are made, and wait for it",
        case.owner()
    ));
    Some(case.finding(Kind::SlowToAccept, Certainty::Certain, because).shown_by(facts).advising([advice]))
}
