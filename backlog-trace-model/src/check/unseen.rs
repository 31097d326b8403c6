//! What an attach method does not show, and why not: the one table, from which
//! README.md and ARCHITECTURE.md have theirs (`tests/unseen.rs`) and the test matrix
//! its reasons. What is missing because this kernel lacks a function is not here:
//! `check` finds that out. Nor is what the hooks of every method miss alike.

use std::fmt::Write as _;

use backlog_trace_common::reason::Reason;

use super::hook::Hook;
use super::rung::Rung;

/// Something that happens to a connection and that not every attach method shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Unseen {
    /// Packets that interrupt another kprobe.
    InterruptingPackets,
    /// accept() of what waited behind many others when the observation began.
    LongAcceptQueues,
    /// accept() and how long a connection waited for it.
    Accepts,
    /// Requests that their timer gave up.
    RequestsGivenUp,
    /// ACKs whose cookie is wrong.
    WrongCookies,
    /// What a listener loses after it has closed or was shut.
    ClosedListeners,
    /// Which member of a group answered by cookie.
    CookiesOfAGroup,
    /// What made the kernel refuse a SYN for want of something.
    CausesOfRefusal,
    /// SYNs that lost to an identical one.
    IdenticalSyns,
    /// Everything that is read from a packet.
    Packets,
    /// Listeners that are open for a moment.
    BriefListeners,
    /// What waits in the queues of a listener that closes.
    QueuesOfClosed,
    /// SYN+ACKs that are sent again.
    Retransmits,
    /// As [`Self::RequestsGivenUp`], where no counter is looked at.
    PolledRequests,
    /// As [`Self::Accepts`], where no counter is looked at.
    PolledAccepts,
}

/// What is known of it.
#[derive(Debug)]
pub struct Sight {
    /// What is not seen.
    pub unseen: Unseen,
    /// By which attach method.
    pub rung: Rung,
    /// The hook that would show it.
    pub hook: Hook,
    /// In words, as the object of 'are not seen'.
    pub what: &'static str,
    /// Why not.
    pub why: &'static str,
}

/// Why polling does not show what moves no counter of the kernel.
pub const NO_COUNTER: &str = "no counter shows this";

const fn sight(unseen: Unseen, rung: Rung, hook: Hook, what: &'static str, why: &'static str) -> Sight {
    Sight { unseen, rung, hook, what, why }
}

/// All of it, in the order of [`Unseen`]: by attach method, the best first.
pub const SIGHTS: &[Sight] = &[
    sight(
        Unseen::InterruptingPackets,
        Rung::Kprobe,
        Hook::Syn,
        "packets that interrupt another kprobe on their CPU",
        "the kernel leaves the second of two nested kprobes out (`kprobe_running()`)",
    ),
    sight(
        Unseen::LongAcceptQueues,
        Rung::Kprobe,
        Hook::Accept,
        "accept() of connections behind the 1024th in an accept queue when the observation begins",
        "connections that wait already are met one by one, and so many at most (`kprobes/accept.rs`)",
    ),
    sight(
        Unseen::Accepts,
        Rung::Tracepoint,
        Hook::Accept,
        "accept() itself and the wait for it",
        "accept() passes no tracepoint: what was finished and waits no more counts as accepted",
    ),
    sight(
        Unseen::RequestsGivenUp,
        Rung::Tracepoint,
        Hook::Expiry,
        "half-open requests given up",
        "no tracepoint is passed where a half-open request is given up",
    ),
    sight(
        Unseen::WrongCookies,
        Rung::Tracepoint,
        Hook::Cookie,
        "ACKs with a wrong cookie",
        "an ACK with a wrong cookie is dropped as any stray one",
    ),
    sight(
        Unseen::ClosedListeners,
        Rung::Tracepoint,
        Hook::Request,
        "what a listener loses after it has closed, as that listener's",
        "a listener that has closed is not found any more",
    ),
    sight(
        Unseen::CookiesOfAGroup,
        Rung::Tracepoint,
        Hook::Syn,
        "which member of an SO_REUSEPORT group answered by cookie",
        "such an answer touches nothing of the member: it is counted at the one that the lookup finds first",
    ),
    sight(
        Unseen::CausesOfRefusal,
        Rung::Tracepoint,
        Hook::Causes,
        "why other SYNs were refused (--causes)",
        "no tracepoint tells why a SYN was refused",
    ),
    sight(
        Unseen::IdenticalSyns,
        Rung::Tracepoint,
        Hook::Causes,
        "SYNs lost to an identical one (--causes)",
        "no tracepoint tells that a SYN was lost to its twin",
    ),
    sight(
        Unseen::Packets,
        Rung::Counters,
        Hook::Syn,
        "packets, and with them clients, SYNs and the queue that each met",
        "sockets and counters are looked at: a loss is a listener's where it alone moved",
    ),
    sight(
        Unseen::BriefListeners,
        Rung::Counters,
        Hook::Listen,
        "listeners that open and close between two looks",
        "there are ten looks a second",
    ),
    sight(Unseen::QueuesOfClosed, Rung::Counters, Hook::Close, Hook::Close.row().gives, NO_COUNTER),
    sight(Unseen::Retransmits, Rung::Counters, Hook::Synack, Hook::Synack.row().gives, NO_COUNTER),
    sight(Unseen::PolledRequests, Rung::Counters, Hook::Expiry, Hook::Expiry.row().gives, NO_COUNTER),
    sight(Unseen::PolledAccepts, Rung::Counters, Hook::Accept, Hook::Accept.row().gives, NO_COUNTER),
];

impl Unseen {
    /// What is known of it.
    pub const fn sight(self) -> &'static Sight {
        &SIGHTS[self as usize]
    }
}

/// Whether packets that meet a reason are counted by the hook that counts it, once
/// that is attached by this method.
pub fn shows(rung: Rung, reason: Reason) -> bool {
    let of_reason = (reason == Reason::CookieAckInvalid).then_some(Unseen::WrongCookies);
    let mut hidden = of_reason.into_iter().chain([Unseen::Packets]);
    hidden.all(|unseen| unseen.sight().rung != rung)
}

/// How a sentence begins about an attach method.
const fn by(rung: Rung) -> &'static str {
    match rung {
        Rung::Fentry => "By trampolines",
        Rung::Kprobe => "By kprobes",
        Rung::Tracepoint => "By tracepoints alone",
        Rung::Counters => "By polling",
    }
}

/// One sentence for each attach method, as README.md has them.
pub fn sentences() -> String {
    let mut text = String::new();
    for rung in Rung::ALL {
        let of_rung = SIGHTS.iter().filter(|sight| sight.rung == rung);
        let what: Vec<&str> = of_rung.map(|sight| sight.what).collect();
        if !what.is_empty() {
            let _ = writeln!(text, "- {} are not seen: {}.", by(rung), what.join("; "));
        }
    }
    text
}

/// The whole table, as ARCHITECTURE.md has it.
pub fn table() -> String {
    let mut text = "| attach method | hook | what is not seen | because |\n|---|---|---|---|\n".to_owned();
    for Sight { rung, hook, what, why, .. } in SIGHTS {
        let _ = writeln!(text, "| {} | `{}` | {what} | {why} |", rung.name(), hook.name());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_what_is_unseen_and_of_attach_methods() {
        for (place, sight) in SIGHTS.iter().enumerate() {
            assert_eq!((sight.unseen as usize, sight.unseen.sight().what), (place, sight.what));
        }
        assert!(SIGHTS.is_sorted_by_key(|sight| sight.rung));
    }

    #[test]
    fn a_wrong_cookie_passes_no_tracepoint_and_polling_shows_no_packet() {
        for (rung, wrong_cookies, refused_syns) in [
            (Rung::Fentry, true, true),
            (Rung::Kprobe, true, true),
            (Rung::Tracepoint, false, true),
            (Rung::Counters, false, false),
        ] {
            assert_eq!(shows(rung, Reason::CookieAckInvalid), wrong_cookies, "{rung:?}");
            assert_eq!(shows(rung, Reason::SynAcceptQueueFull), refused_syns, "{rung:?}");
        }
    }

    /// Trampolines show everything: whatever they did not would be a limit of the tool.
    #[test]
    fn the_best_attach_method_shows_everything() {
        assert!(SIGHTS.iter().all(|sight| sight.rung != Rung::Fentry));
        assert_eq!(sentences().lines().count(), Rung::ALL.len() - 1);
    }
}
