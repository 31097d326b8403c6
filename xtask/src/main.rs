//! `cargo xtask`: how backlog-trace is built, booted, tested, measured and shown.
//!
//! One file per subcommand, named like it; the other files are what several
//! subcommands stand on. It refuses to be needed by a plain `cargo build`.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a development tool: results go to stdout, progress to stderr"
)]

mod build_ebpf;
mod debian;
mod digest;
mod kernel_side;
mod objcopy;
mod object_facts;
mod record;
mod step;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, boots, tests, measures and shows backlog-trace.
#[derive(Parser, Debug)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    BuildEbpf(build_ebpf::Arguments),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::BuildEbpf(arguments) => build_ebpf::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
