//! SYNs fill the SYN queue: forged ones, or real clients for whom it is too short.

use backlog_trace_common::reason::Reason;

use super::{Action, Case, Certainty, Fact, Finding, Kind};
use crate::event::Figure;
use crate::quantity::{counted, were};
use crate::tally::{Cookies, Demand};

/// Refused SYNs and cookies below which nothing is said: one client alone sends seven.
const ENOUGH: u64 = 16;

pub(super) fn look(case: &Case<'_>) -> Option<Finding> {
    let refused = case.lost_by(&[Reason::SynQueueFull, Reason::SynQueueReserved]);
    let cookies = Cookies::of(&case.listener.totals);
    if cookies.demand() == Some(Demand::Flood) && case.listener.known(Figure::EstablishedByCookie).is_some() {
        return Some(answered_by_cookie(case, cookies));
    }
    if refused == 0 {
        return None;
    }
    let signs = case.history().map(|history| &history.signs);
    let given_up = signs.map_or(0, |signs| signs.given_up);
    let got_in = case.listener.known(Figure::Established).unwrap_or(0);
    // Half-open requests that end without an answer fill the queue, and who made them does not come.
    let is_flood = refused >= ENOUGH && got_in < refused.div_ceil(10);
    let (kind, because) = if is_flood {
        let because = format!(
            "{} refused because the SYN queue is full and cookies are off; {} given up without an answer, and {got_in} finished{}",
            were(refused, "SYN"),
            were(given_up, "half-open request"),
            from(case),
        );
        (Kind::SynFlood, because)
    } else {
        let because = format!(
            "{} refused because the SYN queue is full and cookies are off, while {} finished: real clients",
            were(refused, "SYN"),
            counted(got_in, "handshake"),
        );
        (Kind::SynQueueFull, because)
    };
    let facts = [
        Fact::count("refused_syns", refused),
        Fact::count("given_up", given_up),
        Fact::count("handshakes", got_in),
    ];
    Some(
        case.finding(kind, Certainty::Likely, because)
            .shown_by(facts)
            .shown_by(addresses(case))
            .advising([switch_cookies_on(case)]),
    )
}

fn answered_by_cookie(case: &Case<'_>, cookies: Cookies) -> Finding {
    let because = format!(
        "{} answered by SYN cookie, and {} came back{}: forged addresses, or clients that are gone",
        were(cookies.sent, "SYN"),
        cookies.valid.min(cookies.sent),
        from(case),
    );
    let facts = [Fact::count("cookies_sent", cookies.sent), Fact::count("cookies_valid", cookies.valid)];
    let advice = Action::only(
        "nothing on this host: cookies hold the flood off its queues; stop it before it arrives, by a filter upstream",
    );
    case.finding(Kind::FloodHeldOff, Certainty::Likely, because)
        .shown_by(facts)
        .shown_by(addresses(case))
        .advising([advice])
}

fn switch_cookies_on(case: &Case<'_>) -> Action {
    Action::only("switch SYN cookies on: they are sent only while the SYN queue is full")
        .line(case.set("net.ipv4.tcp_syncookies", 1))
        .then("at once; keep it by a file in /etc/sysctl.d")
}

/// `; from 12 addresses`.
fn from(case: &Case<'_>) -> String {
    let Some((addresses, are_more)) = case.history().map(|history| history.signs.addresses()) else {
        return String::new();
    };
    match (addresses, are_more) {
        (0, _) => String::new(),
        (1, _) => "; all from 1 address".to_owned(),
        (_, true) => format!("; from more than {addresses} addresses"),
        (_, false) => format!("; from {addresses} addresses"),
    }
}

fn addresses(case: &Case<'_>) -> Option<Fact> {
    let (addresses, _) = case.history()?.signs.addresses();
    (addresses > 0).then(|| Fact::count("addresses", addresses))
}
