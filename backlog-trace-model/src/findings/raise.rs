//! How the limit of a listener's queues is raised: which of the two caps binds,
//! and the lines that raise each.
//!
//! `__sys_listen()` keeps the smaller of the application's argument and
//! `net.core.somaxconn` (5.10 to 7.2), and only listen() looks at either.

use super::applications::Application;
use super::{Action, Case, Fact};
use crate::listener::{Cap, Listener, binding};

/// A limit with room for a burst a quarter larger, rounded up to two digits: less
/// than twice what is needed.
pub(super) fn with_room(needed: u64) -> u64 {
    let roomy = needed.saturating_add(needed / 4).max(needed.saturating_add(1));
    let unit = 10u64.pow(roomy.checked_ilog10().unwrap_or(0).saturating_sub(1));
    roomy.div_ceil(unit).saturating_mul(unit)
}

/// Which caps stand in the way of a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum InTheWay {
    Application,
    Somaxconn,
    Both,
}

fn in_the_way(listener: Option<&Listener>, limit: Option<u32>, wanted: u64) -> Option<InTheWay> {
    let somaxconn = listener.and_then(|listener| listener.somaxconn);
    match binding(limit, somaxconn)? {
        // What the application asked for is not kept where somaxconn cut it.
        Cap::Somaxconn => Some(InTheWay::Somaxconn),
        Cap::Application if somaxconn.is_some_and(|cap| u64::from(cap) < wanted) => Some(InTheWay::Both),
        Cap::Application => Some(InTheWay::Application),
    }
}

/// The same as a fact.
pub(super) fn cap(case: &Case<'_>, needed: u64) -> Option<Fact> {
    let way = in_the_way(case.known(), case.listener.limit, with_room(needed))?;
    Some(Fact::word(
        "cap",
        match way {
            InTheWay::Application => "application",
            InTheWay::Somaxconn => "somaxconn",
            InTheWay::Both => "both",
        },
    ))
}

/// What to do so that the limit is at least this.
pub(super) fn actions(case: &Case<'_>, needed: u64) -> Vec<Action> {
    let wanted = with_room(needed);
    let listener = case.known();
    let way = in_the_way(listener, case.listener.limit, wanted);
    let application = Application::of(listener);
    let mut actions = Vec::new();
    if way != Some(InTheWay::Application) {
        actions.push(raise_somaxconn(case, wanted));
    }
    let sets = format!("set the backlog of {} to {wanted}", case.owner());
    actions.push(match (way, application) {
        (Some(InTheWay::Somaxconn), None) => Action::only(format!(
            "restart {}, or have it call listen() again: it asked for at least {}, and what it asks for must be at least {wanted}",
            case.owner(),
            case.listener.limit.unwrap_or(0),
        )),
        (_, Some(application)) => {
            Action::only(sets).line(application.line(wanted)).then(application.takes_effect)
        }
        (_, None) => Action::only(format!("{sets}: the second argument of its listen()"))
            .then("restart it: only listen() sets the limit"),
    });
    actions
}

fn raise_somaxconn(case: &Case<'_>, wanted: u64) -> Action {
    Action::only(format!("raise somaxconn to {wanted}"))
        .line(case.set("net.core.somaxconn", wanted))
        .then("keep it by a file in /etc/sysctl.d; listeners that are open keep their limit until they call listen() again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_room_and_is_less_than_twice_what_is_needed() {
        for (needed, advised) in
            [(1, 2), (8, 10), (90, 120), (128, 160), (471, 590), (1000, 1300), (4096, 5200)]
        {
            assert_eq!(with_room(needed), advised, "{needed}");
        }
        for needed in 1..100_000 {
            let advised = with_room(needed);
            assert!(needed < advised && advised <= 2 * needed, "{needed}: {advised}");
        }
        assert_eq!(with_room(u64::MAX), u64::MAX);
    }

    #[test]
    fn which_caps_stand_in_the_way() {
        let listener = |somaxconn| Listener { somaxconn: Some(somaxconn), ..super::super::tests::listener() };
        for (limit, somaxconn, wanted, expected) in [
            (128, 4096, 160, Some(InTheWay::Application)),
            (128, 4096, 4096, Some(InTheWay::Application)),
            (128, 4096, 4097, Some(InTheWay::Both)),
            (4096, 4096, 5000, Some(InTheWay::Somaxconn)),
            (4096, 128, 5000, None),
        ] {
            assert_eq!(in_the_way(Some(&listener(somaxconn)), Some(limit), wanted), expected);
        }
    }
}
