//! The subcommand: which runs there are, and their verdicts.

use std::io::stdout;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use super::observed::Observed;
use super::play::{self, Workload};
use super::verdict::{Account, LATE_EMULATED_MS, LATE_MS, judge};
use crate::dist;
use crate::kernels::{self, Kernel, RUNGS};

/// How dense a workload is: listeners and namespaces that come and go in a
/// second, SYNs refused in a second by listeners that stand.
pub(super) struct Density {
    pub(super) listeners: f64,
    pub(super) namespaces: f64,
    pub(super) refused: f64,
}

/// A million listeners in 17 minutes, 10,000 namespaces in 34.
pub(super) const NATIVE: Density = Density { listeners: 1000.0, namespaces: 5.0, refused: 100.0 };

/// What an emulated machine bears and still has time for the tool.
pub(super) const GUEST: Density = Density { listeners: 100.0, namespaces: 0.5, refused: 20.0 };

/// Has listeners and namespaces come, go and lose SYNs for so many minutes; judges attribution, memory, CPU and punctuality.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// How long each run lasts.
    minutes: f64,
    /// In a guest with this kernel; may be given several times.
    #[arg(long = "kernel", value_parser = kernels::parse)]
    kernels: Vec<&'static Kernel>,
    /// On this machine (default where no kernel is named).
    #[arg(long)]
    native: bool,
    /// By this rung alone; may be given several times (default: in guests each one that the kernel has, natively the best of each hook).
    #[arg(long = "rung", value_name = "RUNG", value_parser = RUNGS)]
    rungs: Vec<String>,
    /// Listeners that come and go in a second (default: 1000 natively, 100 in a guest).
    #[arg(long, value_name = "N")]
    listeners_per_second: Option<f64>,
    /// Network namespaces that come and go in a second (default: 5 natively, 0.5 in a guest).
    #[arg(long, value_name = "N")]
    namespaces_per_second: Option<f64>,
    /// SYNs refused in a second by listeners that stand (default: 100 natively, 20 in a guest).
    #[arg(long, value_name = "N")]
    refused_per_second: Option<f64>,
    /// Listeners that are open at a time.
    #[arg(long, value_name = "N", default_value_t = 64)]
    open: usize,
    /// With the table sizes of a host with so many CPUs.
    #[arg(long, value_name = "CPUS")]
    cpus_like: Option<u32>,
    /// The tool's static binary (default: built from these sources).
    #[arg(long, value_name = "FILE")]
    tool: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let tool = arguments.tool.clone().map_or_else(dist::build, Ok)?;
    let player = play::build()?;
    let mut all_hold = true;
    if arguments.native || arguments.kernels.is_empty() {
        let best = vec![None];
        let rungs = if arguments.rungs.is_empty() { best } else { named(&arguments.rungs) };
        for rung in rungs {
            let workload = workload(arguments, [&tool, &player], &NATIVE, rung);
            println!("{}", title("this machine", &workload));
            all_hold &= said(&workload, rung, &play::natively(&workload, &mut stdout())?, LATE_MS);
        }
    }
    for kernel in &arguments.kernels {
        let rungs = if arguments.rungs.is_empty() {
            kernel.rungs().map(Some).collect()
        } else {
            named(&arguments.rungs)
        };
        for rung in rungs {
            let workload = workload(arguments, [&tool, &player], &GUEST, rung);
            println!("{}", title(kernel.version, &workload));
            all_hold &=
                said(&workload, rung, &play::in_guest(&workload, kernel, &mut stdout())?, LATE_EMULATED_MS);
        }
    }
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn named(rungs: &[String]) -> Vec<Option<&str>> {
    rungs.iter().map(|rung| Some(rung.as_str())).collect()
}

fn workload(
    arguments: &Arguments,
    [tool, player]: [&Path; 2],
    density: &Density,
    rung: Option<&str>,
) -> Workload {
    let by = rung.map(|rung| format!("--rung={rung}"));
    let sizes = arguments.cpus_like.map(|cpus| format!("--as-cpus={cpus}"));
    Workload {
        seconds: arguments.minutes * 60.0,
        listeners_per_second: arguments.listeners_per_second.unwrap_or(density.listeners),
        namespaces_per_second: arguments.namespaces_per_second.unwrap_or(density.namespaces),
        refused_per_second: arguments.refused_per_second.unwrap_or(density.refused),
        open: arguments.open,
        tool: tool.to_owned(),
        player: player.to_owned(),
        arguments: by.into_iter().chain(sizes).collect(),
    }
}

fn title(place: &str, workload: &Workload) -> String {
    format!(
        "soak on {place}{}{}: {:.0} s, {} listeners and {} namespaces a second, {} open",
        if workload.arguments.is_empty() { "" } else { ", " },
        workload.arguments.join(" "),
        workload.seconds,
        workload.listeners_per_second,
        workload.namespaces_per_second,
        workload.open,
    )
}

/// Prints the verdict; whether the run holds.
fn said(workload: &Workload, rung: Option<&str>, observed: &Observed, late_ms: u64) -> bool {
    let faults = judge(observed, Account::of(rung, observed), workload.seconds, late_ms);
    let foreign: usize = observed.intervals.iter().map(|interval| interval.foreign_rests).sum();
    if foreign > 0 {
        println!("{foreign} rests in namespaces that are not this workload's were left out");
    }
    let run = observed.run.clone().unwrap_or_default();
    let did = format!(
        "{} listeners opened and closed, {} namespaces came and went, {} SYNs lost",
        run.closed, run.gone, run.counted,
    );
    if faults.is_empty() {
        println!("holds: {did}\n");
        return true;
    }
    println!("FAILS: {did}");
    for fault in &faults {
        println!("  {fault}");
    }
    println!();
    false
}
