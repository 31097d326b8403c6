//! Which figures of a listener are not known, because what they are read from
//! is not there: they are told apart from those that are 0.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A figure that needs more than the hooks that are always there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// Handshakes finished.
    Established,
    /// Of those, by a cookie.
    EstablishedByCookie,
    /// Connections handed out by accept().
    Accepted,
    /// Longest accept queue: what packets met is at most that.
    AcceptQueueMax,
}

/// All of them with their names in recordings.
const FIGURES: [(Figure, &str); 4] = [
    (Figure::Established, "established"),
    (Figure::EstablishedByCookie, "established_by_cookie"),
    (Figure::Accepted, "accepted"),
    (Figure::AcceptQueueMax, "accept_queue_max"),
];

/// A set of figures that are not known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Unknown(u8);

impl Unknown {
    /// Whether everything is known.
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Adds a figure.
    pub const fn insert(&mut self, figure: Figure) {
        self.0 |= 1 << figure as u8;
    }

    /// Whether this figure is not known.
    pub const fn contains(self, figure: Figure) -> bool {
        self.0 >> figure as u8 & 1 == 1
    }

    /// What is not known in either: neither a sum nor a difference of the two is.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Serialize for Unknown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(FIGURES.iter().filter(|(figure, _)| self.contains(*figure)).map(|(_, name)| name))
    }
}

impl<'de> Deserialize<'de> for Unknown {
    /// Names of a newer version are passed over: it knows figures that this one has not.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let mut unknown = Self::default();
        for (figure, _) in FIGURES.iter().filter(|(_, name)| names.iter().any(|own| own == name)) {
            unknown.insert(*figure);
        }
        Ok(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_comes_back_from_a_recording() {
        for bits in 0..1u8 << FIGURES.len() {
            let unknown = Unknown(bits);
            let json = serde_json::to_string(&unknown).unwrap();
            assert_eq!(serde_json::from_str::<Unknown>(&json).unwrap(), unknown, "{json}");
        }
        let newer: Unknown = serde_json::from_str(r#"["accepted","moon_phase"]"#).unwrap();
        assert!(newer.contains(Figure::Accepted) && !newer.contains(Figure::Established));
    }
}
