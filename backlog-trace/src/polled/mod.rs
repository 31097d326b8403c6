//! The counters rung: an observation without eBPF and, for the own namespace,
//! without privileges. It polls what the kernel keeps anyway: each listener's
//! `sk_drops` and queue by `sock_diag`, each namespace's counters by
//! `/proc/net/netstat`.
//!
//! It produces the same [`backlog_trace_model::event::Event`]s as [`crate::probe`], so that
//! whoever reads them needs to know nothing else, and it refuses to guess:
//! a loss is given to a listener, and a reason to a loss, only where the
//! counters leave no choice ([`share`]). The rest stays in the audit.
//!
//! Pure: [`hooks()`], [`reading`], [`share`], [`account`], [`ledger`],
//! [`details`], [`pace`]. I/O: [`observe()`], [`trial()`].

mod account;
mod details;
mod hooks;
mod ledger;
mod observe;
mod pace;
mod reading;
mod share;
mod trial;

pub(crate) use hooks::hooks;
pub(crate) use observe::observe;
pub(crate) use trial::{finding, trial};
