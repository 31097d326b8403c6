//! More clients come than are accepted, for so long that no queue helps.

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::quantity::{counted_as, rate, span_of};
use crate::tally::Need;

/// How long the last one in the queue may wait, in seconds, so that a longer queue
/// still counts as help: clients give up, or their users do, after times like this.
pub(super) const PATIENCE: f64 = 3.0;

/// A shorter overload is a burst, in seconds, unless its last client would have
/// waited longer than [`ENDLESS`].
const LASTING: f64 = 2.0;

/// A wait that no client bears, in seconds.
const ENDLESS: f64 = 10.0;

/// Whether a longer queue is no help to an overload of this length, whose last
/// client would have waited so long in it.
pub(super) fn is_hopeless(overload: f64, wait: f64) -> bool {
    wait > ENDLESS || wait > PATIENCE && overload > LASTING
}

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let need = case.need()?;
    let accepts = need.accepts_per_second?;
    let wait = need.longest_wait().filter(|wait| is_hopeless(need.seconds(), *wait))?;
    let arrivals = need.arrivals_per_second().filter(|arrivals| *arrivals > accepts)?;
    let times = arrivals / accepts;
    let because = format!(
        "{} clients a second came for {}, and {} a second are accepted while others wait: {} refused; in a queue that refuses nobody, {} would have waited, the last of them for {}",
        rate(arrivals),
        span_of(need.seconds()),
        bounded(need, accepts),
        counted_as(need.refused, "was", "were"),
        need.longest,
        span_of(wait),
    );
    let facts = [
        Fact::count("lost_clients", need.refused),
        Fact::real("arrivals_per_second", arrivals),
        Fact::real("accepts_per_second", accepts),
        Fact::real("overload_seconds", need.seconds()),
        Fact::count("longest_queue", need.longest),
        Fact::real("longest_wait_seconds", wait),
        Fact::real("acceptors_factor", times),
    ];
    Some(
        case.finding(Kind::AcceptsTooSlowly, Certainty::Certain, because)
            .shown_by(facts)
            .advising(actions(case, times)),
    )
}

/// `18`, `at least 18`: accepts a second.
pub(super) fn bounded(need: Need, accepts: f64) -> String {
    let bound = if need.accepts_at_least { "at least " } else { "" };
    format!("{bound}{}", rate(accepts))
}

fn actions(case: &Case<'_>, times: f64) -> Vec<Action> {
    let holders = case.known().map_or(0, |listener| listener.owners.len() as u64);
    let now = match holders {
        0 => String::new(),
        _ => format!(" ({} the socket now)", counted_as(holders, "process holds", "processes hold")),
    };
    vec![
        Action::only(format!(
            "let {} accept {} times as fast: more workers or threads that call accept(){now}, or less work between two calls",
            case.owner(),
            rate(times.max(1.1)),
        )),
        Action::only(
            "leave the backlog as it is: a longer queue fills as well, and clients wait longer in it",
        ),
    ]
}
