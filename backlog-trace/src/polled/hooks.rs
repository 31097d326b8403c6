//! What stands in the place of the hooks. Pure.

use backlog_trace_common::reason::Reason;
use backlog_trace_model::check::Hook;
use backlog_trace_model::check::unseen::NO_COUNTER;
use backlog_trace_model::event::{HookState, Rung};

/// The hooks of an observation that polls; `why` no better rung was taken.
pub(crate) fn hooks(why: Option<&str>) -> Vec<HookState> {
    let state = |hook: Hook| {
        if is_polled(hook) {
            HookState {
                hook: hook.name().to_owned(),
                rung: Some(Rung::Counters),
                state: "polled".to_owned(),
                why: why.map(str::to_owned),
            }
        } else {
            HookState {
                hook: hook.name().to_owned(),
                rung: None,
                state: "missing".to_owned(),
                why: Some(NO_COUNTER.to_owned()),
            }
        }
    };
    Hook::all().map(state).collect()
}

/// Listeners are listed; and what moves a counter that is audited, and that only
/// listeners move, is counted, though mostly without a reason.
pub(super) fn is_polled(hook: Hook) -> bool {
    let is_counted = |reason: &Reason| reason.row().counters.iter().any(|counter| !counter.is_shared());
    hook == Hook::Listen || hook.row().reasons.iter().any(is_counted)
}

#[cfg(test)]
mod tests {
    use backlog_trace_model::check::unseen::SIGHTS;

    use super::*;

    #[test]
    fn what_no_counter_shows_is_said_to_be_unseen() {
        for hook in Hook::all() {
            let mut sights = SIGHTS.iter().filter(|sight| sight.rung == Rung::Counters && sight.hook == hook);
            assert_eq!(sights.any(|sight| sight.why == NO_COUNTER), !is_polled(hook), "{}", hook.name());
        }
    }

    #[test]
    fn a_hook_is_polled_where_a_counter_stands_for_it() {
        let hooks = hooks(Some("no types"));
        for (name, polled) in [
            ("listen", true),
            ("syn", true),
            ("ack", true),
            ("request", true),
            ("synack", false),
            ("accept", false),
        ] {
            let hook = hooks.iter().find(|hook| hook.hook == name).unwrap();
            let (rung, state, why) = if polled {
                (Some(Rung::Counters), "polled", "no types")
            } else {
                (None, "missing", "no counter shows this")
            };
            assert_eq!((hook.rung, hook.state.as_str(), hook.why.as_deref()), (rung, state, Some(why)));
        }
    }
}
