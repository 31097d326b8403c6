//! The scenarios, by step of the handshake.
//!
//! Each says what must come of it from how it was built. Where kernels differ
//! by right (how many half-open requests fit), it finds out by what its clients
//! were answered.

pub(super) mod ack;
pub(super) mod addressed;
pub(super) mod cookie;
pub(super) mod demo;
pub(super) mod fastopen;
pub(super) mod half_open;
pub(super) mod listeners;
pub(super) mod migration;
pub(super) mod mptcp;
pub(super) mod packaged;
pub(super) mod random;
pub(super) mod request;
pub(super) mod segments;
pub(super) mod successor;
pub(super) mod syn;
pub(super) mod synack;
pub(super) mod twins;
pub(super) mod unhurt;

mod moves;
