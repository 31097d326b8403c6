//! The limit on open files: raised as far as this user may while observing,
//! and for the command after `--` what it was.
//!
//! A soft limit of 1024 is a convention for programs that use select(), which
//! this one does not; with it a host with some hundred network namespaces
//! could not be observed.

use std::io;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::resource_limits;

/// The limit that this process was started with; none where a sandbox does not
/// tell it, and it was not raised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Inherited(Option<Rlimit>);

/// Raises the soft limit to the hard one.
pub(super) fn raise() -> Inherited {
    let inherited = resource_limits::limit(Resource::Nofile);
    if let Some(limit) = &inherited {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            log::debug!("the limit on open files stays as it is: {error}");
        }
    }
    Inherited(inherited)
}

impl Inherited {
    /// Gives a command the limit that this process was started with.
    pub(super) fn pass_on(&self, command: &mut Command) {
        let Self(Some(limit)) = self.clone() else { return };
        let restore = move || {
            let limit = Rlimit { current: limit.current, maximum: limit.maximum };
            setrlimit(Resource::Nofile, limit).map_err(io::Error::from)
        };
        #[expect(unsafe_code, reason = "the only way to act between fork and exec")]
        // SAFETY: the closure makes one system call, and takes no lock and
        // allocates no memory that another thread could have held at the fork.
        unsafe {
            std::os::unix::process::CommandExt::pre_exec(command, restore);
        }
    }
}
