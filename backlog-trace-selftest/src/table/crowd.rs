//! Scenarios of many clients at once.

use crate::scenario::Need::{Program, Tun};
use crate::scenario::Scenario;
use crate::scenarios::{demo, packaged, random};

/// In the order in which they are played.
pub(super) const ROWS: &[Scenario] = &[
    Scenario {
        name: "packaged_server",
        shows: "a stopped nginx under load from wrk or ab",
        needs: &[Tun, Program(&["nginx"]), Program(&["wrk", "ab"])],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        fresh: true,
        play: packaged::nginx_stopped,
    },
    Scenario {
        name: "demo",
        shows: "six seconds of sixty clients at two listeners, one of which stalls and resumes",
        needs: &[Tun],
        hooks: &["syn", "ack", "cookie"],
        live: false,
        fresh: true,
        play: demo::stall_and_resume,
    },
    Scenario {
        name: "random",
        shows: "hundreds of clients at dozens of listeners in three namespaces, drawn from a seed",
        needs: &[Tun],
        hooks: &["syn", "ack", "cookie", "request"],
        live: false,
        fresh: true,
        play: random::crowd,
    },
];
