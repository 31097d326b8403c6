//! Clients are reset where the accept queue is full: somebody switched
//! `tcp_abort_on_overflow` on.

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::quantity::were;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let resets = case.history()?.signs.resets;
    if resets == 0 || case.overflows() == 0 {
        return None;
    }
    let because = format!(
        "{} answered by a reset, so that the client does not try again: net.ipv4.tcp_abort_on_overflow is on",
        were(resets, "final ACK"),
    );
    let advice = Action::only(
        "switch it off unless clients that fail at once are wanted: without it they retry, and most get in",
    )
    .line(case.set("net.ipv4.tcp_abort_on_overflow", 0))
    .then("at once");
    Some(
        case.finding(Kind::Resets, Certainty::Certain, because)
            .shown_by([Fact::count("resets", resets)])
            .advising([advice]),
    )
}
