//! The short form, which `cargo xtask test` plays: long enough to see a rest, a
//! late interval, or memory that follows what has closed.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::command::{Density, GUEST, NATIVE};
use super::observed::Observed;
use super::play::{self, Workload};
use super::verdict::{Account, LATE_EMULATED_MS, LATE_MS, judge};
use crate::kernels::Kernel;
use crate::workspace;

/// How long it takes: a churn of a quarter of a minute between two rests.
const SECONDS: f64 = 32.0;

/// Listeners that are open at a time.
const OPEN: usize = 64;

/// What it is called in the matrix.
pub(crate) const NAME: &str = "soak";

/// Builds what plays in guests.
pub(crate) fn build() -> Result<PathBuf> {
    play::build()
}

/// On this machine, by binaries of the debug profile; what does not hold.
pub(crate) fn natively() -> Result<Vec<String>> {
    let place = workspace::target().join("debug");
    let workload = workload([&place.join("backlog-trace"), &place.join("soak-guest")], &NATIVE, None);
    Ok(faults(&workload, None, &play::natively(&workload, &mut std::io::sink())?, LATE_MS))
}

/// In a guest, by one rung; what does not hold.
pub(crate) fn in_guest(kernel: &Kernel, rung: &str, player: &Path) -> Result<Vec<String>> {
    let workload = workload([&workspace::dist_binary(), player], &GUEST, Some(rung));
    let played = play::in_guest(&workload, kernel, &mut std::io::sink())?;
    Ok(faults(&workload, Some(rung), &played, LATE_EMULATED_MS))
}

fn workload([tool, player]: [&Path; 2], density: &Density, rung: Option<&str>) -> Workload {
    Workload {
        seconds: SECONDS,
        listeners_per_second: density.listeners,
        namespaces_per_second: density.namespaces,
        refused_per_second: density.refused,
        open: OPEN,
        tool: tool.to_owned(),
        player: player.to_owned(),
        arguments: rung.map(|rung| format!("--rung={rung}")).into_iter().collect(),
    }
}

fn faults(workload: &Workload, rung: Option<&str>, observed: &Observed, late_ms: u64) -> Vec<String> {
    judge(observed, Account::of(rung, observed), workload.seconds, late_ms)
}
