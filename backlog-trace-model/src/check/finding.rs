//! One fact about kernel, user or machine, and what it takes away.

use serde::Serialize;

/// How much a finding takes away.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Nothing.
    Fine,
    /// Something, named in the finding.
    Reduced,
    /// Everything that attaches.
    Unable,
}

/// One line of `check`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// What was looked at; a stable name in JSON.
    pub subject: &'static str,
    /// How much it takes away.
    pub grade: Grade,
    /// What was found, and what cannot be done for that reason.
    pub what: String,
    /// What to do about it, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    /// Nothing is taken away.
    pub fn fine(subject: &'static str, what: impl Into<String>) -> Self {
        Self { subject, grade: Grade::Fine, what: what.into(), advice: None }
    }

    /// Nothing can be attached.
    pub fn unable(subject: &'static str, what: impl Into<String>, advice: Option<String>) -> Self {
        Self { subject, grade: Grade::Unable, what: what.into(), advice }
    }
}
