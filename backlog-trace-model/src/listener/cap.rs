//! Which of the two caps made a listener's limit what it is. Pure.

use serde::Serialize;

/// Who sets the limit of a listener's queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cap {
    /// The application's own argument of listen() is below `somaxconn`: raising
    /// the sysctl changes nothing.
    Application,
    /// The limit is `net.core.somaxconn`; the application asked for that much
    /// or more.
    Somaxconn,
}

/// Which cap binds, from the limit in force and the sysctl as it is now.
///
/// `__sys_listen()` (net/socket.c) keeps the smaller of the argument and
/// `somaxconn` and forgets the other one. `None` where they do not tell: one
/// of them is unknown, or the sysctl is below the limit, because it was lowered after
/// the listen() or the listener is the kernel's own (`kernel_listen()` is not
/// capped).
pub const fn binding(limit: Option<u32>, somaxconn: Option<u32>) -> Option<Cap> {
    match (limit, somaxconn) {
        (Some(limit), Some(cap)) if limit < cap => Some(Cap::Application),
        (Some(limit), Some(cap)) if limit == cap => Some(Cap::Somaxconn),
        _ => None,
    }
}

impl Cap {
    /// As printed and as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Somaxconn => "somaxconn",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_number_binds() {
        for (limit, somaxconn, expected) in [
            (Some(128), Some(4096), Some(Cap::Application)),
            (Some(4095), Some(4096), Some(Cap::Application)),
            (Some(4096), Some(4096), Some(Cap::Somaxconn)),
            (Some(0), Some(4096), Some(Cap::Application)),
            (Some(4096), Some(128), None),
            (Some(128), None, None),
            (None, Some(4096), None),
        ] {
            assert_eq!(binding(limit, somaxconn), expected, "{limit:?} of {somaxconn:?}");
        }
    }
}
