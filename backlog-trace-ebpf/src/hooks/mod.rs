//! One file per step of the handshake: the body that judges, counts and tells, which
//! is the same on every rung, and its shells for trampolines.

pub mod accept;
pub mod ack;
pub mod causes;
pub mod close;
pub mod cookie;
pub mod established;
pub mod expiry;
pub mod listen;
pub mod request;
pub mod syn;
mod synack;
