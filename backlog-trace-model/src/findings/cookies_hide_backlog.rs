//! SYN cookies answer clients for whom the SYN queue is too short, so that nothing
//! is refused and the small backlog is not noticed.

use super::{Action, Case, Certainty, Fact, Finding, Kind, raise};
use crate::event::Figure;
use crate::quantity::were;
use crate::tally::{Cookies, Demand};

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let cookies = Cookies::of(&case.listener.totals);
    let is_seen = case.listener.known(Figure::EstablishedByCookie).is_some();
    if !is_seen || cookies.demand() != Some(Demand::Burst) {
        return None;
    }
    let limit = case.listener.limit?;
    let because = format!(
        "{} answered by SYN cookie because {} half-open requests were as many as the backlog allows, and {} came back: real clients, without TCP options where theirs do not fit a cookie",
        were(cookies.sent, "SYN"),
        case.listener.totals.syn_queue_max,
        cookies.valid.min(cookies.sent),
    );
    let facts = [
        Fact::count("cookies_sent", cookies.sent),
        Fact::count("cookies_valid", cookies.valid),
        Fact::count("limit", u64::from(limit)),
    ];
    let finding = case.finding(Kind::CookiesHideBacklog, Certainty::Likely, because).shown_by(facts);
    if case.overflows() > 0 {
        // Two numbers for one limit would contradict each other.
        return Some(finding.advising([Action::only(
            "the backlog limits the SYN queue as well: what is done about the accept queue serves both",
        )]));
    }
    // As many requests as cookies would have been open beside the full queue, at most.
    let needed = u64::from(limit).saturating_add(cookies.sent).min(u64::from(limit).max(1).saturating_mul(2));
    Some(finding.shown_by(raise::cap(case, needed)).advising(raise::actions(case, needed)))
}
