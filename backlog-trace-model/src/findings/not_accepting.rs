//! The accept queue is full and stays so: nobody takes anything out of it.

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::quantity::{counted_as, span_of};

/// For how long nothing must have been accepted, in seconds: a shorter pause is a
/// slow application.
pub(super) const PAUSE: f64 = 1.0;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let pause = case.nothing_accepted_for().filter(|seconds| *seconds >= PAUSE)?;
    let limit = case.listener.limit?;
    let waiting = case.waiting().filter(|waiting| *waiting >= limit)?;
    if case.overflows() == 0 {
        return None;
    }
    let because = format!(
        "nothing was accepted for {}, and {} in an accept queue with room for {}",
        span_of(pause),
        counted_as(u64::from(waiting), "connection waits", "connections wait"),
        u64::from(limit) + 1,
    );
    let facts = [
        Fact::real("nothing_accepted_seconds", pause),
        Fact::count("waiting", u64::from(waiting)),
        Fact::count("lost_clients", case.lost_clients()),
    ];
    Some(
        case.finding(Kind::NotAccepting, Certainty::Certain, because).shown_by(facts).advising(actions(case)),
    )
}

fn actions(case: &Case<'_>) -> Vec<Action> {
    let pids: Vec<String> = case
        .known()
        .map(|listener| listener.owners.iter().take(8).map(|owner| owner.pid.to_string()).collect())
        .unwrap_or_default();
    let holders = case.known().map_or(0, |listener| listener.owners.len() as u64);
    let look = if pids.is_empty() {
        Action::only("find the process that should call accept(), and see what it does")
    } else {
        let (it, what) = if holders == 1 { ("it", "it is") } else { ("them", "each is") };
        Action::only(format!(
            "see what {} does instead of accept(), of {}: whether {what} stopped (T), waits for a disk (D), sleeps in a lock (S) or computes (R)",
            case.owner(),
            counted_as(holders, "process", "processes"),
        ))
        .line(format!("ps -o pid,stat,wchan:32,etime,comm -p {}", pids.join(",")))
        .then(format!("continue, mend or restart {it}"))
    };
    vec![look, Action::only("leave the backlog as it is: a longer queue fills as well")]
}
