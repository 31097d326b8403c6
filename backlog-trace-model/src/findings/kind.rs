//! Every kind of finding, as one table: text, JSON and documents take their names
//! from here.

use serde::{Serialize, Serializer};

/// What a finding means to clients.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Connections were lost.
    Loss,
    /// None was lost for it, and some may be.
    Risk,
    /// All is well.
    Fine,
}

/// What is known of one kind.
#[derive(Debug)]
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// As in JSON.
    pub name: &'static str,
    /// What it means to clients.
    pub severity: Severity,
    /// The verdict on a listener, in few words.
    pub verdict: &'static str,
    /// When it is found, for the documents.
    pub found: &'static str,
}

macro_rules! kinds {
    ($($variant:ident = $name:literal, $severity:ident, $verdict:literal, $found:literal;)*) => {
        /// What is wrong: see [`TABLE`].
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Kind { $(#[doc = $found] $variant,)* }

        /// Every kind, the one that decides the verdict on a listener first.
        pub const TABLE: &[Row] = &[$(Row {
            kind: Kind::$variant,
            name: $name,
            severity: Severity::$severity,
            verdict: $verdict,
            found: $found,
        },)*];
    };
}

kinds! {
    NotAccepting = "not_accepting", Loss, "does not accept",
        "The accept queue is full and nothing was accepted for a second or longer.";
    AcceptsTooSlowly = "accepts_too_slowly", Loss, "accepts too slowly",
        "For longer than 2 s more clients came than were accepted, and the last one in a longer queue would have waited more than 3 s (or, of a shorter burst, 10 s): no backlog helps.";
    Burst = "burst", Loss, "backlog too small",
        "Accepts keep up on average: a longer accept queue would have refused nobody, and those in it would not have waited too long.";
    AcceptQueueFull = "accept_queue_full", Loss, "accept queue full",
        "The accept queue refused clients, and what would have helped cannot be told: counters were polled, details were missed, or the report is of an interval.";
    SynFlood = "syn_flood", Loss, "SYN flood",
        "SYNs are refused because the SYN queue is full and cookies are off, and fewer than one client of ten answers.";
    FloodHeldOff = "syn_flood_held_off", Risk, "SYN flood, held off",
        "SYNs are answered by cookies, and fewer than one of ten comes back valid: nobody was refused for it.";
    SynQueueFull = "syn_queue_full", Loss, "SYN queue full",
        "SYNs are refused because the SYN queue is full and cookies are off, and clients do answer.";
    CookiesHideBacklog = "cookies_hide_backlog", Risk, "cookies hide a small backlog",
        "SYNs are answered by cookies, and half of them or more come back valid: real clients for whom the SYN queue is too short.";
    ReuseportSkew = "reuseport_skew", Loss, "uneven reuseport group",
        "One of several listeners of one address takes most of the group's losses while others have room.";
    FooledClients = "fooled_clients", Loss, "clients think they are connected",
        "Final ACKs were dropped in silence.";
    Resets = "resets", Loss, "clients are reset",
        "Clients whose final ACK found a full accept queue were reset (tcp_abort_on_overflow).";
    LostByRestart = "lost_by_restart", Loss, "lost by closing",
        "A listener closed with connections that nobody had accepted.";
    Unanswered = "unanswered", Risk, "answers do not arrive",
        "SYN+ACKs were sent again or given up because no final ACK came.";
    OtherLoss = "other_loss", Loss, "refused by the kernel",
        "Packets were lost for a reason that is not a full queue: memory, routes, a security module, wrong cookies.";
    CloseToLimit = "close_to_limit", Risk, "close to its limit",
        "Nothing was lost, and the accept queue was longer than 80 % of its limit.";
    SlowToAccept = "slow_to_accept", Risk, "slow to accept",
        "Nothing was lost, and one connection of a hundred or more waited 100 ms for accept().";
    NobodyRefused = "nobody_refused", Fine, "refused nobody",
        "No listener lost anything: what was slow was not the accept of a connection on this host.";
}

impl Kind {
    /// The table's row of this kind.
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.row().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_kinds_and_names_are_unique() {
        let mut names = std::collections::BTreeSet::new();
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, at);
            assert!(names.insert(row.name) && names.insert(row.verdict), "{}", row.name);
            assert!(row.verdict.len() <= 32 && row.found.ends_with('.'), "{}", row.name);
        }
    }
}
