//! Hooks, maps and the session that owns them: the only part besides
//! `kernel` that knows aya. It produces [`backlog_trace_model::event::Event`]s and refuses
//! to know who reads them.
//!
//! Fallback policy, once for all hooks: the object must load, or nothing is
//! observed. Each hook takes the best rung ([`RUNGS`]) that the kernel allows it;
//! a rung that is absent or refused is data ([`backlog_trace_model::check::Attempt`]), shown in every
//! output. Without listen(), the SYN or the final ACK there is nothing worth
//! observing and the command fails with the reason.

mod attach;
mod balance;
mod baselines;
mod begun;
mod closing;
mod extents;
mod flow;
mod folded;
mod forget;
mod kernel_log;
mod ladder;
mod load;
mod maps;
mod needs;
mod observe;
mod plane;
mod programs;
mod queues;
mod reading;
mod refusal;
mod ring;
mod search;
mod settings;
mod slots;
mod snapshot;
mod start;
mod switch;
mod trial;

pub use ladder::RUNGS;
pub(crate) use ladder::rungs;
pub(crate) use observe::observe;
pub(crate) use settings::Settings;
pub(crate) use trial::trial;
