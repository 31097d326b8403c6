//! Flood or burst: what the cookies that were answered say about who asked.
//!
//! A cookie is answered only by a client that really is at its address and
//! still wants to connect. Decides by counts alone; refuses to guess from few.

use backlog_trace_common::reason::Reason;
use serde::Serialize;

use crate::event::Totals;

/// Cookies below which no share means anything.
const ENOUGH: u64 = 16;

/// What became of the cookies of one listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cookies {
    /// SYNs answered by cookie.
    pub sent: u64,
    /// ACKs with a valid cookie. A client whose ACK is refused and that tries
    /// again is counted again.
    pub valid: u64,
    /// ACKs with a wrong or outdated cookie.
    pub invalid: u64,
}

/// Who asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// Half of the cookies or more were answered: real clients.
    Burst,
    /// Some were answered, most were not.
    Mixed,
    /// Fewer than one of ten were answered: forged or abandoned SYNs.
    Flood,
}

impl Cookies {
    /// Those of one stretch of an observation.
    pub fn of(totals: &Totals) -> Self {
        let refused = [Reason::CookieAckAcceptQueueFull, Reason::CookieAckChildFailed, Reason::CookieAckLost];
        let refused: u64 = refused.iter().map(|reason| totals.reasons[*reason]).fold(0, u64::saturating_add);
        Self {
            sent: totals.reasons[Reason::SynCookieSent],
            valid: totals.established_by_cookie.saturating_add(refused),
            invalid: totals.reasons[Reason::CookieAckInvalid],
        }
    }

    /// Who asked; `None` where too few cookies were sent to tell.
    pub fn demand(self) -> Option<Demand> {
        if self.sent < ENOUGH {
            return None;
        }
        let valid = self.valid.min(self.sent);
        Some(if valid >= self.sent.div_ceil(2) {
            Demand::Burst
        } else if valid < self.sent.div_ceil(10) {
            Demand::Flood
        } else {
            Demand::Mixed
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sent: u64, valid: u64, demand: Option<Demand>) {
        assert_eq!(Cookies { sent, valid, invalid: 0 }.demand(), demand, "{valid} of {sent}");
    }

    #[test]
    fn who_asked() {
        check(0, 0, None);
        check(15, 15, None);
        check(16, 8, Some(Demand::Burst));
        check(16, 7, Some(Demand::Mixed));
        check(100, 10, Some(Demand::Mixed));
        check(100, 9, Some(Demand::Flood));
        check(16, 0, Some(Demand::Flood));
        // Refused ACKs that were sent again.
        check(16, 40, Some(Demand::Burst));
        check(u64::MAX, u64::MAX, Some(Demand::Burst));
    }

    #[test]
    fn every_valid_cookie_counts_whatever_became_of_its_ack() {
        let mut totals = Totals { established_by_cookie: 5, ..Totals::default() };
        totals.reasons[Reason::SynCookieSent] = 20;
        totals.reasons[Reason::CookieAckAcceptQueueFull] = 2;
        totals.reasons[Reason::CookieAckChildFailed] = 1;
        totals.reasons[Reason::CookieAckLost] = 1;
        totals.reasons[Reason::CookieAckInvalid] = 3;
        assert_eq!(Cookies::of(&totals), Cookies { sent: 20, valid: 9, invalid: 3 });
    }
}
