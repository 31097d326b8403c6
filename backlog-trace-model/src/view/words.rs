//! What text says for the short names of JSON, and how numbers go with nouns.
//!
//! Text is for a person on call: it says what happened to the client. JSON
//! keeps its names, which are a contract.

use backlog_trace_common::detail::{Cause, Outcome};

use crate::event::Met;
use crate::listener::{Cap, binding};

/// `its final ACK was dropped` or the like; `None` where there is nothing to say.
pub(super) const fn outcome(met: Met) -> Option<&'static str> {
    match (met.outcome, met.cause) {
        (Outcome::Silent, _) => Some("no answer sent"),
        (Outcome::Reset, _) => Some("reset"),
        (Outcome::None, Cause::ClientSilent) => Some("no final ACK came"),
        (Outcome::None, Cause::AckRefused) => Some("its final ACK was dropped"),
        (Outcome::None, Cause::DuplicateSyn) => Some("the client sent its SYN again"),
        (Outcome::None, Cause::None) => None,
    }
}

/// What is not known of clients that were met soon after the start.
pub(super) fn midway(clients: u64) -> Option<String> {
    let clients = match clients {
        0 => return None,
        1 => "1 client".to_owned(),
        _ => format!("{clients} clients"),
    };
    Some(format!("up to {clients} had been refused before the start: counted from the next try on"))
}

/// The limit of both queues and who sets it: `backlog 128, set by the
/// application (somaxconn would allow 4096)`.
pub(super) fn limit(known: Option<u32>, somaxconn: Option<u32>) -> String {
    let limit = known.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
    match (binding(known, somaxconn), somaxconn) {
        (Some(Cap::Application), Some(somaxconn)) => {
            format!("backlog {limit}, set by the application (somaxconn would allow {somaxconn})")
        }
        (Some(Cap::Application), None) => format!("backlog {limit}, set by the application"),
        (Some(Cap::Somaxconn), _) => format!("backlog {limit}, capped by somaxconn"),
        (None, Some(somaxconn)) => format!("backlog {limit} (somaxconn is {somaxconn} now)"),
        (None, None) => format!("backlog {limit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sets_the_limit() {
        for (is, somaxconn, said) in [
            (128, Some(4096), "backlog 128, set by the application (somaxconn would allow 4096)"),
            (4096, Some(4096), "backlog 4096, capped by somaxconn"),
            (4096, Some(128), "backlog 4096 (somaxconn is 128 now)"),
            (128, None, "backlog 128"),
        ] {
            assert_eq!(limit(Some(is), somaxconn), said);
        }
    }
}
