//! The subcommand: what runs in which order, and the last line.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::{guests, matrix, native, scenarios};
use crate::bench::scale;
use crate::dist;
use crate::kernels::{self, Kernel};

/// Runs all tests: the workspace's own, then every scenario on this machine's own kernel, as far as that allows, and on every kernel of the matrix.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only on this kernel; may be given several times.
    #[arg(long = "kernel", value_parser = kernels::parse)]
    kernels: Vec<&'static Kernel>,
    /// Only what runs on this machine, without building for the guests.
    #[arg(long, alias = "no-vm")]
    native_only: bool,
    /// Only the guests.
    #[arg(long, conflicts_with = "native_only")]
    guests_only: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut total = matrix::Count::default();
    if !arguments.guests_only {
        total.add(native::run()?);
        if let Some(matrix) = scenarios::run()? {
            print!("{matrix}");
            total.add(matrix.count());
            // As the scenarios, it needs root: it makes network namespaces.
            total.check("cargo xtask bench --scale brief", scale::check());
        }
    }
    if !arguments.native_only {
        dist::build()?;
        let all: Vec<&'static Kernel> = kernels::MATRIX.iter().collect();
        let kernels = if arguments.kernels.is_empty() { all } else { arguments.kernels.clone() };
        let matrix = guests::run(&kernels)?;
        print!("{matrix}");
        total.add(matrix.count());
    }
    println!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
