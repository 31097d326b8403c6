//! What the kernel side and user space must agree on, and nothing else: reasons,
//! the verdict, the layout of what lies in maps, and what values in them mean.
//!
//! Everything here is `no_std`, allocation-free and without I/O, so that the
//! same code is compiled into the eBPF object and unit-tested on the host.
//! This crate refuses to know how records are read, shown or stored.
#![no_std]

pub mod baseline;
pub mod bucket;
pub mod counter;
pub mod counts;
pub mod detail;
pub mod evidence;
pub mod family;
pub mod globals;
pub mod identity;
pub mod key;
pub mod limits;
pub mod progress;
pub mod reason;
pub mod verdict;
