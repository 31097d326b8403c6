//! `backlog-trace selftest`: arguments and nothing else.

use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::{Exit, Result};
use clap::Args;

use super::Format;
use super::rung::rung;
use crate::selftest::{self, Settings};

/// Make each kind of loss in a private network namespace and confirm that it is seen and counted exactly.
#[derive(Args, Clone, Debug)]
pub struct Selftest {
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
pub fn run(args: &Selftest) -> Result<Exit> {
    if args.hold {
        selftest::hold();
        return Ok(Exit::Success);
    }
    let mut settings = Settings {
        rung: args.rung.map(|rung| rung.name().to_owned()),
        seed: args.seed,
        counts_only: args.counts_only,
        fresh: args.fresh,
        ..Settings::default()
    };
    for program in &args.with {
        settings.add_program(program)?;
    }
    let format = match args.format {
        Format::Text => selftest::Format::Text,
        Format::Json => selftest::Format::Json,
    };
    let out = &mut anstream::stdout();
    if args.list {
        return selftest::list(format, out);
    }
    match &args.play {
        Some(name) => selftest::play(name, &settings, format, out),
        None => selftest::run(&args.names, &settings, format, out),
    }
}
