//! One file per step of the handshake.

mod accept;
mod ack;
mod close;
mod cookie;
pub mod expiry;
mod listen;
mod request;
mod syn;
mod synack;
