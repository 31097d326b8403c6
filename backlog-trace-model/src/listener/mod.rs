//! A listener as data: which socket it is, who owns it, what limits it, how it
//! stands, and whether a filter asks for it. Where that is read from, the
//! host's side knows; nothing here looks.

mod cap;
mod cgroup_pattern;
mod entry;
mod filter;
mod holders;
mod order;
mod place;
mod ports;
mod standing;
mod sysctls;

pub use cap::{Cap, binding};
pub use cgroup_pattern::CgroupPattern;
pub use entry::{Listener, Owner, State};
pub use filter::Filter;
pub use order::Order;
pub use place::{Container, Place, Pod, Quality, Runtime};
pub use ports::{Ports, SERVICES};
pub use standing::{Standing, SynQueue};
pub use sysctls::Sysctls;
