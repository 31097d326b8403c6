//! What a start is doing, for a person who waits for it: on a host with
//! thousands of listeners, or where a kernel checks programs slowly, it takes
//! seconds.
//!
//! It refuses to print: whoever runs the start decides when it takes long.

use std::fmt;

use tokio::sync::watch;

/// One step of a start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The kernel's types, from BTF.
    Types,
    /// Network namespaces, from /proc.
    Namespaces,
    /// The sockets of so many namespaces.
    Sockets(usize),
    /// The processes that hold so many listeners.
    Owners(usize),
    /// Maps are made, programs prepared.
    Loading,
    /// Programs are checked by the kernel and attached.
    Attaching,
    /// The kernel side meets the listeners of so many namespaces.
    Walking(usize),
    /// Sockets and counters of so many namespaces, where they are polled.
    Counters(usize),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let namespaces = |f: &mut fmt::Formatter<'_>, what: &str, count: usize| {
            let of = if count == 1 { "network namespace" } else { "network namespaces" };
            write!(f, "{what} of {count} {of}…")
        };
        match *self {
            Self::Types => f.write_str("reading the kernel's types…"),
            Self::Namespaces => f.write_str("looking for network namespaces…"),
            Self::Sockets(count) => namespaces(f, "reading the sockets", count),
            Self::Owners(count) => write!(f, "looking for the processes that hold {count} listeners…"),
            Self::Loading => f.write_str("loading the programs…"),
            Self::Attaching => f.write_str("attaching the programs…"),
            Self::Walking(count) => namespaces(f, "handing the programs the listeners", count),
            Self::Counters(count) => namespaces(f, "reading sockets and counters", count),
        }
    }
}

/// Where a start tells what it is doing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steps(Option<watch::Sender<Option<Step>>>);

impl Steps {
    /// One that is listened to.
    pub(crate) fn watched() -> (Self, watch::Receiver<Option<Step>>) {
        let (sender, receiver) = watch::channel(None);
        (Self(Some(sender)), receiver)
    }

    /// This is done from now on.
    pub(crate) fn begin(&self, step: Step) {
        if let Some(sender) = &self.0 {
            sender.send_replace(Some(step));
        }
    }
}
