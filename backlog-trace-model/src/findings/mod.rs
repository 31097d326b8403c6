//! What is wrong, with which listener, how sure that is, the numbers that show
//! it, and what to change: from a report, and from nothing else.
//!
//! One file each, a pure function over a [`Case`]. To add one, write it, name it
//! in [`Kind`] and in [`EACH`]. Refuses to change anything on the host, and to
//! count: every number comes from the report.

mod accepts_too_slowly;
mod action;
mod applications;
mod burst;
mod case;
mod close_to_limit;
mod cookies_hide_backlog;
mod finding;
mod fooled_clients;
mod judged;
mod kind;
mod lost_by_restart;
mod nobody_refused;
mod not_accepting;
mod other_loss;
mod overflow;
mod raise;
mod resets;
mod reuseport_skew;
mod slow_to_accept;
mod syn_flood;
mod unanswered;

#[cfg(test)]
mod tests;

pub use action::Action;
pub use applications::{APPLICATIONS, Application};
pub use case::Case;
pub use finding::{Certainty, Fact, Finding, Number};
pub use judged::Judged;
pub use kind::{Kind, Row, Severity, TABLE};

use crate::tally::Report;

/// What is looked for at each listener.
const EACH: &[fn(&Case<'_>) -> Option<Finding>] = &[
    not_accepting::look,
    accepts_too_slowly::look,
    burst::look,
    overflow::look,
    syn_flood::look,
    cookies_hide_backlog::look,
    reuseport_skew::look,
    fooled_clients::look,
    resets::look,
    lost_by_restart::look,
    unanswered::look,
    other_loss::look,
    close_to_limit::look,
    slow_to_accept::look,
];

/// What is to be said of one listener.
fn of_one(case: &Case<'_>) -> impl Iterator<Item = Finding> {
    EACH.iter().filter_map(|look| look(case))
}

/// What is to be said of the host as a whole.
fn of_host(report: &Report) -> Option<Finding> {
    nobody_refused::look(report)
}
