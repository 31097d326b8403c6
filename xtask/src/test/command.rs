//! The subcommand: what runs in which order, and the last lines.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::guests::Guests;
use super::matrix::{Count, Matrix};
use super::skips::Skips;
use super::stage::{Stage, Stages};
use super::{here, native};
use crate::bench::scale;
use crate::dist;
use crate::kernels::{self, Kernel};

/// Runs all tests: the workspace's own, then every scenario on this machine's own kernel, as far as that allows, and on every kernel of the matrix.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Only these stages.
    #[arg(value_enum)]
    stages: Vec<Stage>,
    /// Only on this kernel; may be given several times.
    #[arg(long = "kernel", value_parser = kernels::parse)]
    kernels: Vec<&'static Kernel>,
    /// Only what runs on this machine, without building for the guests.
    #[arg(long, alias = "no-vm")]
    native_only: bool,
    /// Let a test that could not run on this machine fail, unless it is listed
    /// (`xtask/src/test/skips.rs`): for CI.
    #[arg(long)]
    listed_skips: bool,
    /// Only the guests.
    #[arg(long, conflicts_with = "native_only")]
    guests_only: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { stages, kernels, native_only, listed_skips, guests_only } = arguments;
    let wanted = |stage: Stage| if stage.is_native() { !guests_only } else { !native_only };
    let mut stages = Stages::new(stages, kernels, wanted);
    let mut total = Count::default();
    let mut skips = Skips::default();
    on_this_machine(&mut stages, &mut total, &mut skips)?;
    total.add(skips.count(*listed_skips));
    if stages.any_in_guests() {
        let all: Vec<&'static Kernel> = kernels::MATRIX.iter().collect();
        let kernels = if kernels.is_empty() { all } else { kernels.clone() };
        let matrix = in_guests(&mut stages, kernels)?;
        print!("{matrix}");
        total.add(matrix.count());
    }
    eprint!("{skips}{stages}");
    println!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn on_this_machine(stages: &mut Stages, total: &mut Count, skips: &mut Skips) -> Result<()> {
    if let Some(count) = stages.run(Stage::Sources, || native::sources(skips)) {
        total.add(count);
    }
    if let Some(count) = stages.run(Stage::Programs, || native::programs(skips)) {
        total.add(count?);
    }
    if let Some(matrix) = stages.run(Stage::Here, || here::run(skips))
        && let Some(matrix) = matrix?
    {
        print!("{matrix}");
        total.add(matrix.count());
    }
    if let Some(checked) = stages.run(Stage::Scale, || scale(skips)).transpose()?.flatten() {
        total.check("cargo xtask bench --scale brief", checked);
    }
    Ok(())
}

/// As the scenarios, it needs root and hooks: it makes network namespaces.
fn scale(skips: &mut Skips) -> Result<Option<Result<()>>> {
    Ok(if here::is_observable(Stage::Scale, skips)? { Some(scale::check()) } else { None })
}

fn in_guests(stages: &mut Stages, kernels: Vec<&'static Kernel>) -> Result<Matrix> {
    dist::build()?;
    let guests = Guests::prepare(kernels)?;
    let mut matrix = Matrix::default();
    stages.run(Stage::Scenarios, || guests.scenarios(&mut matrix));
    stages.run(Stage::Guests, || guests.programs(&mut matrix));
    stages.run(Stage::Lockdown, || guests.lockdown(&mut matrix));
    stages.run(Stage::Soak, || guests.soak(&mut matrix)).transpose()?;
    stages.run(Stage::Random, || guests.random(&mut matrix));
    Ok(matrix)
}
