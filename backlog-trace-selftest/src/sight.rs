//! What a rung does not show although its hook is attached: one table.
//!
//! What a rung lacks as a whole is not here: the tool says of each hook whether
//! it is attached.

use crate::seen::{Histogram, Hook};

/// Something that scenarios make, and that not every rung shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sight {
    /// ACKs whose cookie is wrong.
    WrongCookies,
    /// What a listener loses after it has closed or was shut, as that listener's.
    ClosedListeners,
    /// accept(): what was accepted follows from what was finished and waits no more.
    Accepts,
}

/// What is not shown, by which hook on which rung. By tracepoints an ACK with a
/// wrong cookie is dropped like any stray one; a packet's listener is looked up,
/// and one that has closed is not found any more; and accept() passes none.
const UNSEEN: [(Sight, &str, &str); 4] = [
    (Sight::WrongCookies, "cookie", "tracepoint"),
    (Sight::ClosedListeners, "request", "tracepoint"),
    (Sight::ClosedListeners, "syn", "tracepoint"),
    (Sight::Accepts, "ack", "tracepoint"),
];

/// The hook that does not show it, on the rung on which it is attached; `None`
/// where nothing keeps the tool from seeing it.
pub(crate) fn hidden(sight: Sight, histogram: &Histogram) -> Option<&Hook> {
    let mut of_sight = UNSEEN.iter().filter(|(unseen, ..)| *unseen == sight);
    of_sight.find_map(|(_, hook, rung)| histogram.attached_on(hook, rung))
}
