//! The recording: the event stream in a file, plus what is needed to
//! interpret it, so that a replay feeds the same [`Event`](crate::event::Event)s
//! into the same views.
//!
//! Everything here treats a recording as hostile: whatever bytes it holds, a
//! reader neither panics nor takes more than bounded memory nor hands out a
//! record whose checksum is wrong. It refuses to know what events mean: it
//! adds nothing up and repairs nothing.
//!
//! The layout is documented for other programs in `docs/recording.md`.

pub mod format;
pub mod limits;

mod damage;
mod frame;
mod frames;
mod medium;
mod payload;
mod population;
mod reader;
mod snapshot;
mod window;
mod writer;

#[cfg(test)]
mod tests;

pub use damage::Damage;
pub use medium::{Medium, advice, reason};
pub use payload::DetailsHeader;
pub use reader::Reader;
pub use writer::{Saved, Writer};
