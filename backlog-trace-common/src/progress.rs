//! What the two sides tell each other about the course of an observation: the
//! places of the map `PROGRESS`, and the bits of one of them.

/// 1 once every listener that was open at the start has been walked. From then
/// on a namespace without a slot is one that user space could not enter, and the
/// kernel side begins to judge it by itself when it meets a packet of it.
pub const WALKED: u32 = 0;

/// Where the search for a free slot of a namespace begins: the one after the slot
/// that was given out last. Only a hint, because CPUs write it without a lock.
pub const NEXT_SLOT: u32 = 1;

/// How many open listeners the tracepoint rung's search by address did not find.
pub const NOT_FOUND: u32 = 2;

/// Which hooks have no programs of their own on the tracepoint rung, because the
/// programs of another hook see their packets as well: the bits below.
pub const CARRIED: u32 = 3;

/// 1 while listeners are walked again after judging has begun: the `sk_drops`
/// that this walk finds is what a listener's losses are counted from.
pub const SETTLING: u32 = 4;

/// How many places there are.
pub const PLACES: u32 = 5;

/// In [`CARRIED`]: half-open requests aborted by ICMP errors.
pub const CARRIES_REQUEST: u32 = 1;

/// In [`CARRIED`]: final ACKs with a cookie.
pub const CARRIES_COOKIE: u32 = 2;
