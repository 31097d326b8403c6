//! The accept queue is full and stays so: nobody takes anything out of it.

use std::collections::BTreeMap;

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::listener::{Owner, State};
use crate::quantity::{counted_as, span_of};

/// For how long nothing must have been accepted, in seconds: a shorter pause is a
/// slow application.
pub(super) const PAUSE: f64 = 1.0;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let pause = case.nothing_accepted_for().filter(|seconds| *seconds >= PAUSE)?;
    let limit = case.listener.limit?;
    let waiting = case.waiting().filter(|waiting| *waiting >= u64::from(limit))?;
    if case.overflows() == 0 {
        return None;
    }
    let because = format!(
        "nothing was accepted for {}, and {} in an accept queue with room for {}{}",
        span_of(pause),
        counted_as(waiting, "connection waits", "connections wait"),
        u64::from(limit) + 1,
        doing(case).map_or_else(String::new, |(_, does)| does),
    );
    let facts = [
        Fact::real("nothing_accepted_seconds", pause),
        Fact::count("waiting", waiting),
        Fact::count("lost_clients", case.lost_clients()),
    ];
    Some(
        case.finding(Kind::NotAccepting, Certainty::Certain, because).shown_by(facts).advising(actions(case)),
    )
}

/// How many of the processes that hold the socket do what.
fn states<'a>(case: &Case<'a>) -> BTreeMap<State, Vec<&'a Owner>> {
    let mut states: BTreeMap<State, Vec<&'a Owner>> = BTreeMap::new();
    for owner in case.known().into_iter().flat_map(|listener| &listener.owners) {
        if let Some(state) = owner.state {
            states.entry(state).or_default().push(owner);
        }
    }
    states
}

/// `; nginx/812 is stopped by a signal`: what all of them do, where that is one thing.
fn doing(case: &Case<'_>) -> Option<(State, String)> {
    let states = states(case);
    let is_one = states.len() == 1;
    let (state, owners) = states.into_iter().next().filter(|_| is_one)?;
    let does = match state {
        State::Running => "computes",
        State::Sleeping => "sleeps, and not in accept()",
        State::DiskSleep => "waits for a disk or a network file system",
        State::Stopped => "is stopped by a signal",
        State::Traced => "is held by a debugger",
        State::Zombie => "has ended and is not buried",
        State::Other => return None,
    };
    let who = match owners.as_slice() {
        [only] => only.to_string(),
        _ => format!("each of its {} processes", owners.len()),
    };
    Some((state, format!("; {who} {does}")))
}

fn actions(case: &Case<'_>) -> Vec<Action> {
    let owners = case.known().map_or(&[][..], |listener| &listener.owners);
    let pids: Vec<String> = owners.iter().take(8).map(|owner| owner.pid.to_string()).collect();
    let look = match doing(case).map(|(state, _)| state) {
        _ if pids.is_empty() => {
            Action::only("find the process that should call accept(), and see what it does")
        }
        Some(State::Stopped) => {
            Action::only("let it go on").line(format!("kill -CONT {}", pids.join(" "))).then("at once")
        }
        Some(State::Traced) => Action::only("let it go on in the debugger, or detach the debugger"),
        _ => Action::only(format!(
            "see what {} does instead of accept(), and mend or restart it",
            case.owner()
        ))
        .line(format!("ps -L -o pid,tid,stat,wchan:32,etime,comm -p {}", pids.join(","))),
    };
    vec![look, Action::only("leave the backlog as it is: a longer queue fills as well")]
}
