//! The shells for kprobes and kretprobes: where no trampoline can be had.
//!
//! A kretprobe has lost the arguments. For functions that run with the bottom
//! half off they are kept in [`calls`], per CPU; for listen() and close(),
//! which run in process context, by task in [`callers`]. The bodies are those of
//! [`crate::hooks`], and read through [`crate::read::Probed`].
//!
//! What is probed often runs with the bottom half off: a kprobe is left out on a
//! packet that interrupts another one, so one in process context would hide
//! packets. listen() and close are rare.
//!
//! The programs carry no types and no BTF ids, and read the registers of
//! x86-64 only.

mod accept;
mod ack;
mod callers;
pub mod calls;
mod causes;
mod close;
mod cookie;
mod expiry;
mod listen;
mod registers;
mod request;
mod syn;
