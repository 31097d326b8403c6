//! Something that a person may do about a finding. The tool itself does none of it.

use serde::Serialize;

/// One step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Action {
    /// What to do: a sentence without a full stop.
    #[serde(rename = "do")]
    pub what: String,
    /// The line to type, or to write into a configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// What makes it take effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
}

impl Action {
    /// Something for which there is no line.
    pub fn only(what: impl Into<String>) -> Self {
        Self { what: what.into(), line: None, then: None }
    }

    /// With the line that does it.
    #[must_use]
    pub fn line(mut self, line: impl Into<String>) -> Self {
        self.line = Some(line.into());
        self
    }

    /// With what makes it take effect.
    #[must_use]
    pub fn then(mut self, then: impl Into<String>) -> Self {
        self.then = Some(then.into());
        self
    }
}
