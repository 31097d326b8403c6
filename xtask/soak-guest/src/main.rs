//! What `cargo xtask soak` runs, on this machine or inside a guest: processes
//! in namespaces of their own open and close listeners and have SYNs refused,
//! all of them counted, while the tool observes from outside.
//!
//! It refuses to judge: it prints one JSON object for each of the tool's
//! intervals, reduced to what a verdict needs, and one for the whole run. The
//! host's own namespace is never touched; the others go with their processes.
#![expect(clippy::print_stdout, reason = "its output is its result")]

mod churn;
mod interval;
mod listener;
mod machine;
mod namespace;
mod process;
mod stay;
mod stays;
mod watch;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Opens, closes and overflows listeners, and watches the tool that watches them.
#[derive(Parser, Debug)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Watch(watch::Arguments),
    Stay(stay::Arguments),
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Stay(arguments) => stay::run(&arguments),
    }
}
