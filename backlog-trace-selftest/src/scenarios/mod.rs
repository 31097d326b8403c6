//! The scenarios, by step of the handshake.
//!
//! Each says what must come of it from how it was built. Where kernels differ
//! by right (how many half-open requests fit), it finds out by what its clients
//! were answered.

pub(crate) mod ack;
pub(crate) mod addressed;
pub(crate) mod advice;
pub(crate) mod cookie;
pub(crate) mod demo;
pub(crate) mod fastopen;
pub(crate) mod half_open;
pub(crate) mod listeners;
pub(crate) mod migration;
pub(crate) mod mptcp;
pub(crate) mod packaged;
pub(crate) mod random;
pub(crate) mod request;
pub(crate) mod segments;
pub(crate) mod successor;
pub(crate) mod syn;
pub(crate) mod synack;
pub(crate) mod twins;
pub(crate) mod unhurt;

mod loaded;
mod moves;
