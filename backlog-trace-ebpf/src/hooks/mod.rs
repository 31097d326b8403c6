//! One file per step of the handshake: the body, and its shells for
//! trampolines and tracepoints.

pub mod accept;
pub mod ack;
pub mod causes;
pub mod close;
pub mod cookie;
pub mod expiry;
pub mod listen;
pub mod request;
pub mod syn;
mod synack;
