//! Losses that no queue is the cause of: each reason says what it is in the table
//! of reasons.

use backlog_trace_common::reason::{Class, Reason};

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::quantity::counted;

/// Reasons that have findings of their own.
const ELSEWHERE: [Reason; 3] = [Reason::SynQueueFull, Reason::SynQueueReserved, Reason::ListenerClosed];

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let is_other = |reason: Reason| {
        !ELSEWHERE.contains(&reason)
            && !reason.row().counters.contains(&backlog_trace_common::counter::Counter::ListenOverflows)
    };
    let mut others: Vec<(Reason, u64)> =
        case.listener.reasons(Class::Loss).filter(|(reason, _)| is_other(*reason)).collect();
    others.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let (worst, count) = *others.first()?;
    let all = others.iter().map(|(_, count)| *count).fold(0, u64::saturating_add);
    let because = format!("{} met {}: {}", counted(count, "packet"), worst.name(), worst.row().meaning);
    Some(
        case.finding(Kind::OtherLoss, Certainty::Certain, because)
            .shown_by([Fact::count("packets", all), Fact::word("reason", worst.name())])
            .advising([Action::only(advice(worst))]),
    )
}

const fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::SynRefusedOther => {
            "observe with --causes, which tells no memory, no route and a security module apart"
        }
        Reason::SynNoMemory => {
            "look at the memory of the host and of TCP: /proc/net/sockstat against net.ipv4.tcp_mem"
        }
        Reason::SynNoRoute => "add the route back to these clients: ip route get ADDRESS",
        Reason::SynSecurityModule => "look into the security module's log: ausearch -m avc, dmesg",
        Reason::SynNotUnicast => {
            "find who sends SYNs to a broadcast or multicast address; the listener is not at fault"
        }
        Reason::AckChildFailed | Reason::CookieAckChildFailed => {
            "look at the memory of the host, of TCP (net.ipv4.tcp_mem) and of the listener's cgroup"
        }
        Reason::CookieAckInvalid => {
            "a few are late answers; many are a flood of ACKs: stop it before it arrives, by a filter upstream"
        }
        Reason::RequestAborted => {
            "look at the path to these clients: ICMP errors or a neighbour that does not answer"
        }
        _ => "run it again with --format json, and look at each packet with `backlog-trace live`",
    }
}
