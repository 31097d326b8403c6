//! `cargo xtask`: how backlog-trace is built, booted, tested, measured and shown.
//!
//! One file per subcommand, named like it; the other files are what several
//! subcommands stand on. It refuses to be needed by a plain `cargo build`.
#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a development tool: results go to stdout, progress to stderr"
)]

mod archive;
mod bench;
mod build_ebpf;
mod cargo;
mod debian;
mod demo;
mod digest;
mod dist;
mod guest;
mod kernel_side;
mod kernels;
mod mutants;
mod objcopy;
mod object_facts;
mod record;
mod remap;
mod soak;
mod stable_identity;
mod step;
mod test;
mod vm;
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
    Vm(vm::Arguments),
    Dist(dist::Arguments),
    Test(test::Arguments),
    Bench(bench::Arguments),
    Soak(soak::Arguments),
    Demo(demo::Arguments),
    Mutants(mutants::Arguments),
}

fn main() -> ExitCode {
    if let Some(error) = stable_identity::act_as_wrapper() {
        eprintln!("xtask: {error:#}");
        return ExitCode::FAILURE;
    }
    let result = match Cli::parse().command {
        Command::BuildEbpf(arguments) => build_ebpf::run(&arguments),
        Command::Vm(arguments) => vm::run(&arguments),
        Command::Dist(arguments) => dist::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Soak(arguments) => soak::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Mutants(arguments) => mutants::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
