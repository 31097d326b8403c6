//! The book: which socket is which listener, who owns it and what limits it.
//!
//! Everything here blocks (netlink, /proc): call it from a thread that may.
//! It needs no eBPF, and as far as the kernel allows no privilege.
//!
//! Reading it has one effect on the host: a `sock_diag` dump makes the kernel
//! generate the cookie of every socket it reports (`sock_diag_save_cookie()`,
//! net/core/sock_diag.c). A cookie is a number in a field that the kernel keeps
//! for it; nothing else changes.

mod book;
mod cgroup;
mod counters;
mod door;
mod half_open;
#[cfg(fuzzing)]
pub mod hostile;
mod listing;
mod message;
mod mountinfo;
mod named;
mod netns;
mod nsfs;
mod owners;
mod pool;
mod process;
mod resolve;
mod room;
mod rows;
mod sock_diag;
mod socket_table;
mod sources;
mod standing;
mod sysctls;

pub(crate) use book::Book;
pub(crate) use counters::Counters;
pub(crate) use named::check;
pub(crate) use netns::{Namespace, host as host_netns};
pub(crate) use pool::{Pool, room_finding};
pub(crate) use resolve::netns;
pub(crate) use rows::{CLOSED_KEPT, Depth};
pub(crate) use standing::survey;
