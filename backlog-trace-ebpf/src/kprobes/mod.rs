//! The shells for kprobes and kretprobes: for kernels that have no trampolines.
//!
//! When a function returns, its kretprobe finds the arguments gone. Of functions
//! that run with the bottom half off, the kprobe on the way in keeps them in
//! [`calls`], per CPU; of listen() and close(), which run in process context, in
//! [`callers`], per task. The bodies are those of [`crate::hooks`], and read
//! kernel memory through [`crate::read::Probed`].
//!
//! Functions that are called often are probed only where they run with the
//! bottom half off. The kernel leaves a kprobe out while another one runs on the
//! same CPU, so a kprobe in process context hides the packets that interrupt it.
//! That is borne for listen() and close(), which are rare.
//!
//! The programs carry no types and no BTF ids, and read the registers of x86-64 or
//! of arm64 ([`registers`]).

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
