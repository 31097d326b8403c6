//! Scenarios of what the tool concludes.

use crate::scenario::Need::Tun;
use crate::scenario::Scenario;
use crate::scenarios::advice;

/// In the order in which they are played.
pub(super) const ROWS: &[Scenario] = &[
    Scenario {
        name: "advice_burst",
        shows: "a burst: the backlog that is named loses nothing, one less and half of it lose",
        needs: &[Tun],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        fresh: true,
        play: advice::burst,
    },
    Scenario {
        name: "advice_accepts_too_slowly",
        shows: "clients who come faster than they are accepted: ten times the backlog loses too",
        needs: &[Tun],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        fresh: true,
        play: advice::accepts_too_slowly,
    },
    Scenario {
        name: "advice_not_accepting",
        shows: "full queues that nobody takes from, and the same clients where somebody does",
        needs: &[Tun],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        fresh: true,
        play: advice::not_accepting,
    },
    Scenario {
        name: "advice_fooled_and_reset",
        shows: "final ACKs that are refused in silence, by a RST, and not at all",
        needs: &[Tun],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        fresh: true,
        play: advice::fooled_and_reset,
    },
    Scenario {
        name: "advice_closing",
        shows: "two listeners that close, of which one has accepted all",
        needs: &[Tun],
        hooks: &["syn", "close"],
        live: false,
        fresh: true,
        play: advice::closing,
    },
    Scenario {
        name: "advice_reuseport_skew",
        shows: "a group of which one member does not accept, and one of which none does",
        needs: &[Tun],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        fresh: true,
        play: advice::reuseport_skew,
    },
    Scenario {
        name: "advice_nobody_refused",
        shows: "listeners that lose nothing, of which one is nearly full",
        needs: &[Tun],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        fresh: true,
        play: advice::nobody_refused,
    },
    Scenario {
        name: "advice_slow_to_accept",
        shows: "clients who wait for accept(), and others who do not",
        needs: &[Tun],
        hooks: &["syn", "ack", "accept"],
        live: false,
        fresh: true,
        play: advice::slow_to_accept,
    },
];
