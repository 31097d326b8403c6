//! How those are written who hold a listener: wherever a person reads it.

use super::{Listener, Owner};
use crate::escape::Sanitized;

impl Listener {
    /// `nginx/812 +3`: the first process that holds the socket, and how many others
    /// do; `None` where none is known. Harmless to a terminal.
    pub fn holders(&self) -> Option<String> {
        match self.owners.as_slice() {
            [] => None,
            [only] => Some(only.to_string()),
            [first, others @ ..] => Some(format!("{first} +{}", others.len())),
        }
    }
}

/// `nginx/812`.
impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Sanitized(&self.comm), self.pid)
    }
}
