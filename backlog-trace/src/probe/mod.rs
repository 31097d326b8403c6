//! Hooks, maps and the session that owns them: the only part besides
//! `kernel` that knows aya. It produces [`crate::event::Event`]s and refuses
//! to know who reads them.
//!
//! Fallback policy, once for all hooks: the object must load, or nothing is
//! observed. Each program is loaded and attached alone; a program whose target
//! this kernel lacks is data ([`crate::event::HookState`]), shown in every
//! output. Without the SYN or the final ACK there is nothing worth observing
//! and the command fails with the reason.

mod attach;
mod baselines;
mod hook;
mod kernel_log;
mod load;
mod maps;
mod observe;
mod queues;
mod ring;
mod settings;
mod snapshot;

pub use hook::{HOOKS, Hook};
pub use observe::{Sent, observe};
pub use settings::Settings;
