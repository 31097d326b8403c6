//! What this kernel is: its types (BTF) and where their members lie, its symbols
//! and processors, its release, and what it lets this user do.
//!
//! Everything the rest knows of the running kernel before anything is attached.
//! Nothing here keys on a version number except the refusal of kernels that are
//! too old: stable series change prototypes and members in between.

pub(crate) mod btf;
#[cfg(fuzzing)]
pub mod hostile;
pub mod layout;
pub(crate) mod possible_cpus;
pub(crate) mod preflight;
pub(crate) mod release;
pub(crate) mod symbols;
