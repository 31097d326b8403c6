//! What is tried on a machine and what came of it, as data: hooks, attempts,
//! findings, the verdict. It refuses to try anything itself.

mod attempt;
mod finding;
mod hook;
mod rung;
pub mod sources;
mod trial;
pub mod unseen;

pub use attempt::{Attempt, Outcome, Tried, join};
pub use finding::{Finding, Grade};
pub use hook::{Hook, Row, TABLE};
pub use rung::{HookState, Rung};
pub use sources::{Reach, Source, SourceState};
pub use trial::{Trial, Verdict};
pub use unseen::{Unseen, shows};
