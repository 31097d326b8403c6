//! `soak`: whether the tool holds for months, in minutes. Listeners and network
//! namespaces come and go all the time and lose SYNs, each of them counted;
//! the tool observes, and every interval of it is judged.

mod command;
mod observed;
mod play;
pub(crate) mod short;
mod table;
mod verdict;

pub(crate) use command::{Arguments, run};
