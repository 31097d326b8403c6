//! What this kernel is: its types (BTF) and where their members lie, its symbols
//! and processors, its release, and what it lets this user do.
//!
//! Everything the rest knows of the running kernel before anything is attached.
//! Nothing here keys on a version number except the refusal of kernels that are
//! too old: stable series change prototypes and members in between.

pub mod btf;
pub mod layout;
pub mod possible_cpus;
pub mod preflight;
pub mod release;
pub mod symbols;
