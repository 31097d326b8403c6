//! What can be wrong with BTF, or with a question asked of it.

use backlog_trace_model::failure::{Exit, Failure};

/// Why BTF could not be read or had no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BtfError {
    /// The bytes are no BTF that this reader knows.
    #[error("the BTF is damaged or of an unknown kind: {0}")]
    Damaged(String),
    /// No structure or union of this name is defined.
    #[error("the BTF has no struct {structure} (looked for {structure}.{path})")]
    NoStruct {
        /// Name that was looked for.
        structure: String,
        /// Member path that was looked for in it.
        path: String,
    },
    /// The structure has no such member.
    #[error("the BTF has no {structure}.{path}: no member '{component}'")]
    NoMember {
        /// Outermost structure.
        structure: String,
        /// Member path that was looked for.
        path: String,
        /// The component of the path at which the search ended.
        component: String,
    },
    /// No enum has it, or several have it with different values.
    #[error("the BTF has no enumerator {name}, or several that disagree")]
    NoEnumerator {
        /// Name that was looked for.
        name: String,
    },
    /// There is no such function, or several with different parameters.
    #[error("the BTF has no function {name}(), or several that disagree")]
    NoFunction {
        /// Name that was looked for.
        name: String,
    },
    /// Several definitions of the structure place the member differently.
    #[error("the BTF has several definitions of struct {structure} that disagree on {structure}.{path}")]
    Ambiguous {
        /// Outermost structure.
        structure: String,
        /// Member path that was looked for.
        path: String,
    },
    /// The member exists, but is nothing this reader can place in bytes.
    #[error("{structure}.{path} cannot be used: {why}")]
    Unusable {
        /// Outermost structure.
        structure: String,
        /// Member path that was looked for.
        path: String,
        /// What is wrong with it.
        why: String,
    },
}

impl BtfError {
    pub(super) fn damaged(why: impl Into<String>) -> Self {
        Self::Damaged(why.into())
    }

    /// Whether the question was sound and the answer is "this kernel has no such thing".
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::NoStruct { .. }
                | Self::NoMember { .. }
                | Self::NoEnumerator { .. }
                | Self::NoFunction { .. }
        )
    }
}

impl From<BtfError> for Failure {
    fn from(error: BtfError) -> Self {
        Self::new(Exit::KernelUnable, error.to_string())
            .advise("please report this together with the output of `uname -a`")
    }
}
