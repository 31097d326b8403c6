//! `backlog-trace selftest`: arguments and exit codes; the scenarios are a crate
//! of their own, which knows this program by its JSON alone.

use backlog_trace_model::check::Rung;
use backlog_trace_model::failure::{Exit, Failure, Result};
use backlog_trace_selftest::{self as selftest, Kind, Settings};
use clap::Args;

use super::Format;
use super::rung::rung;

/// Make each kind of loss in a private network namespace and confirm that it is seen and counted exactly.
#[derive(Args, Clone, Debug)]
pub(super) struct Selftest {
    /// Scenarios to play (default: all).
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// List the scenarios instead.
    #[arg(long, conflicts_with_all = ["play", "names"])]
    list: bool,
    /// Play one scenario without the tool watching, and print what the kernel counted.
    #[arg(long, value_name = "NAME", conflicts_with = "names")]
    play: Option<String>,
    /// Attach every hook by this method (default: the best that this kernel has for each).
    #[arg(long, value_name = "RUNG", value_parser = rung())]
    rung: Option<Rung>,
    /// Where a program is that a scenario starts, e.g. nginx=/opt/sbin/nginx (repeatable).
    #[arg(long, value_name = "NAME=PATH")]
    with: Vec<String>,
    /// What the scenario `random` draws from (default: chance; it is printed).
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Compare counts only, not single events.
    #[arg(long)]
    counts_only: bool,
    /// Start the tool anew for each scenario, not one for most of them: takes longer.
    #[arg(long)]
    fresh: bool,
    /// How results are printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Wait for the end of standard input, and hold what was handed over until then.
    #[arg(long, hide = true)]
    hold: bool,
}

/// Runs the command.
///
/// # Errors
/// Where a scenario is named that does not exist, the privilege to make a
/// namespace is missing, or the output cannot be written.
pub(super) fn run(args: &Selftest) -> Result<Exit> {
    if args.hold {
        selftest::hold();
        return Ok(Exit::Success);
    }
    let as_counted = play(args).map_err(told)?;
    Ok(if as_counted { Exit::Success } else { Exit::SelftestFailed })
}

/// Whether what was played came out as the kernel counted.
fn play(args: &Selftest) -> selftest::Result<bool> {
    let format = match args.format {
        Format::Text => selftest::Format::Text,
        Format::Json => selftest::Format::Json,
    };
    let out = &mut anstream::stdout();
    let mut settings = Settings::default();
    settings.rung = args.rung.map(|rung| rung.name().to_owned());
    settings.seed = args.seed;
    settings.counts_only = args.counts_only;
    settings.fresh = args.fresh;
    for program in &args.with {
        settings.add_program(program)?;
    }
    if args.list {
        return selftest::list(format, out).map(|()| true);
    }
    match &args.play {
        Some(name) => selftest::play(name, &settings, format, out),
        None => selftest::run(&args.names, &settings, format, out),
    }
}

/// A failure of the selftest as one of the tool, with its exit code.
fn told(failure: selftest::Failure) -> Failure {
    let exit = match failure.kind {
        Kind::Unexpected => Exit::Internal,
        Kind::Usage => Exit::Usage,
        Kind::NotPermitted => Exit::NotPermitted,
        Kind::KernelUnable | Kind::ScenarioUnable => Exit::KernelUnable,
        Kind::OutputFailed => Exit::OutputFailed,
        Kind::NotStarted => Exit::CommandFailed,
    };
    Failure { exit, what: failure.what, advice: failure.advice }
}
