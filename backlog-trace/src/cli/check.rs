//! `backlog-trace check`: what this kernel, this user and this machine allow.

use std::io::{self, Write};

use backlog_trace_model::check::{Trial, Verdict};
use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::{Exit, Result};
use backlog_trace_model::view;
use clap::Args;

use super::rung::rung;
use super::{Format, descriptors, output};
use crate::confine;
use crate::probe;
use crate::{listener, polled, resource_limits};

const EXAMPLES: &str = "\
Every program is attached for a moment and taken back; nothing stays.

Exit code: 0 everything can be observed, 20 all but what the missing hooks give, 21 nothing
by eBPF: then live, hist and record poll counters.

Examples:
  backlog-trace check
  backlog-trace check --rung kprobe                    what would be if there were no better rung
  backlog-trace check --format json | jq -r .verdict   full, reduced or nothing (docs/json.md)";

/// Arguments.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Check {
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Try only this attach method for each hook (default: each one until one holds).
    #[arg(long, value_name = "RUNG", value_parser = rung())]
    pub rung: Option<Rung>,
}

/// Runs it.
///
/// # Errors
/// This build lacks the rung, there is no room for a thread, or the output cannot be written.
pub(super) fn run(arguments: &Check) -> Result<Exit> {
    descriptors::raise();
    resource_limits::threads()?;
    let mut trial = if arguments.rung == Some(Rung::Counters) {
        polled::trial()
    } else {
        let mut trial = probe::trial(&probe::rungs(arguments.rung)?);
        trial.findings.extend([polled::finding(), confine::finding()]);
        trial
    };
    trial.findings.push(listener::room_finding());
    let mut out = output::stdout();
    let written = match arguments.format {
        Format::Text => text(&trial, &mut out),
        Format::Json => view::check::json(&trial, &mut out),
    };
    if let Err(error) = written.and_then(|()| out.flush())
        && let Some(failure) = output::failure(&error)
    {
        return Err(failure);
    }
    Ok(match trial.verdict() {
        Verdict::Full => Exit::Success,
        Verdict::Reduced => Exit::Reduced,
        Verdict::Nothing => Exit::Nothing,
    })
}

/// In lines that fit.
fn text(trial: &Trial, out: &mut impl Write) -> io::Result<()> {
    let mut lines = Vec::new();
    view::check::text(trial, &mut lines)?;
    out.write_all(view::fitted(&String::from_utf8_lossy(&lines), output::columns()).as_bytes())
}
