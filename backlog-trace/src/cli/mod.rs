//! The command line: one file per subcommand, arguments and `run()`, nothing else.

pub mod listeners;
pub mod observe;
pub mod selftest;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::failure::{Exit, Result};

/// Which listener refused the connection, at which step of the handshake, why, and what to change.
#[derive(Parser, Debug)]
#[command(name = "backlog-trace", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show every listener: both queues, limits and who sets them, owner, losses so far.
    Listeners(listeners::Listeners),
    Selftest(selftest::Selftest),
}

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Format {
    /// Aligned text for a person.
    #[default]
    Text,
    /// One JSON object a line; field names are a contract.
    Json,
}

/// Parses the command line, runs the command, prints what failed.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            anstream::eprintln!("backlog-trace: {failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn run(cli: &Cli) -> Result<Exit> {
    match &cli.command {
        Command::Listeners(arguments) => listeners::run(arguments),
        Command::Selftest(args) => selftest::run(args),
    }
}
