//! One of several listeners of one address takes most of the group's losses: the
//! kernel spreads clients by their hash, whoever is busy.

use backlog_trace_common::reason::Class;

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::quantity::counted;

/// Lost packets of a group below which nothing is said.
const ENOUGH: u64 = 8;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let members: Vec<_> = case.twins().collect();
    let own = case.overflows();
    if members.is_empty() || own < ENOUGH {
        return None;
    }
    let others = members.iter().map(|member| member.packets(Class::Loss)).fold(0, u64::saturating_add);
    let count = members.len() as u64 + 1;
    // Twice its share, and others lose little or nothing.
    if own < others.saturating_mul(2).max(ENOUGH) {
        return None;
    }
    let with_room = members.iter().filter(|member| member.packets(Class::Loss) == 0).count() as u64;
    if with_room == 0 {
        return None;
    }
    let because = format!(
        "{own} of the {} of {} listeners of this address were lost by this one, of {}; {with_room} lost nothing",
        counted(own.saturating_add(others), "lost packet"),
        count,
        case.owner(),
    );
    let facts = [
        Fact::count("members", count),
        Fact::count("lost_packets", own),
        Fact::count("lost_by_others", others),
        Fact::count("members_without_loss", with_room),
    ];
    let advice = [
        Action::only(format!(
            "see why {} accepts less than the others: the kernel gives each member the same share of clients, busy or not",
            case.owner()
        )),
        Action::only(
            "or let all workers accept from one socket (nginx: listen without reuseport), so that the one that is free takes the next client",
        ),
    ];
    Some(case.finding(Kind::ReuseportSkew, Certainty::Certain, because).shown_by(facts).advising(advice))
}
