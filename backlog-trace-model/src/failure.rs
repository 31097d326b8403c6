//! What the user reads when something cannot be done: what failed, why, and
//! what to do now, with a documented exit code.

use std::fmt;

use crate::escape::Sanitized;

/// Documented exit codes. They are a contract: add, never renumber.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Exit {
    /// The command did what it was asked to.
    Success = 0,
    /// Something went wrong that no other code describes: please report it.
    Internal = 1,
    /// The command line is wrong (clap's own code).
    Usage = 2,
    /// A privilege is missing.
    NotPermitted = 3,
    /// This kernel cannot do it.
    KernelUnable = 4,
    /// An output could not be written.
    OutputFailed = 5,
    /// An input is no recording, is damaged, or is of a newer version.
    BadInput = 6,
    /// A port, process or namespace that was named does not exist.
    NotFound = 7,
    /// The command after `--` could not be started.
    CommandFailed = 8,
    /// `selftest`: at least one scenario did not come out as the kernel counted.
    SelftestFailed = 9,
    /// A limit on this process or on its cgroup leaves too little room: memory,
    /// stack, threads or open files.
    NoRoom = 10,
    /// `check`: hooks that can be done without are missing, or what other
    /// figures are read from. An observation: nothing could be attached, so
    /// sockets and counters were polled. `listeners`: none is seen, and not
    /// everywhere could be looked.
    Reduced = 20,
    /// `check`: a hook is missing, or anything else, without which nothing can be observed.
    Nothing = 21,
}

/// An error made of sentences. What they name may be anybody's, a file's name
/// or what another program said: shown, both are escaped as a whole.
#[derive(Debug)]
pub struct Failure {
    /// The exit code it ends the program with.
    pub exit: Exit,
    /// What failed and why: one sentence without a full stop.
    pub what: String,
    /// What to do now, where there is something to do.
    pub advice: Option<String>,
}

/// Result of anything that can fail in a way the user should read about.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure without advice yet.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), advice: None }
    }

    /// The same with what to do now.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// An unexpected failure of an operation.
    pub fn internal(what: impl Into<String>, cause: impl fmt::Display) -> Self {
        Self::new(Exit::Internal, format!("{}: {cause}", what.into()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Sanitized(&self.what))?;
        if let Some(advice) = &self.advice {
            write!(f, "\n  {}", Sanitized(advice))?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
