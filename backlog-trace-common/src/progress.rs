//! What the two sides tell each other about the course of an observation: the
//! places of the map `PROGRESS`, and the bits of one of them.

/// 1 once every listener that was open at the start has been walked: from then
/// on the kernel side starts namespaces that it meets by itself.
pub const WALKED: u32 = 0;

/// The slot that was given out last to a namespace: a hint.
pub const NEXT_SLOT: u32 = 1;

/// Listeners that a search did not find.
pub const NOT_FOUND: u32 = 2;

/// Hooks that the programs of another one carry: the bits below.
pub const CARRIED: u32 = 3;

/// 1 while listeners are walked again after judging has begun: where `sk_drops`
/// stands then is where it is counted from.
pub const SETTLING: u32 = 4;

/// How many places there are.
pub const PLACES: u32 = 5;

/// In [`CARRIED`]: half-open requests aborted by ICMP errors.
pub const CARRIES_REQUEST: u32 = 1;

/// In [`CARRIED`]: final ACKs with a cookie.
pub const CARRIES_COOKIE: u32 = 2;
