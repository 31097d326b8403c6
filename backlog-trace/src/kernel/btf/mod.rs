//! Reads BTF, the kernel's own description of its types (`/sys/kernel/btf/vmlinux`).
//!
//! Answers: where in which structure is this member, what is the value of this
//! enumerator, which parameters has this function or tracepoint.
//! Format: `Documentation/bpf/btf.rst` of the kernel, kinds 1 to 19.
//!
//! Refuses to follow pointers, to read modules' (split) BTF, and to guess: a
//! name that has several definitions which disagree is an error. Any bytes may
//! be given to [`Btf::parse`]; whatever is wrong with them is an error, never a
//! panic, and no lookup takes more than bounded time.

mod blob;
mod enumerator;
mod error;
mod field;
mod function;
mod record;

#[cfg(test)]
pub(crate) mod builder;
#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) mod reduce;
#[cfg(test)]
mod tests;

pub(crate) use blob::{Btf, PATH, absent};
pub(crate) use error::BtfError;
pub(crate) use field::{Bits, Field};
