//! What `cargo xtask bench` runs inside a guest whose clock counts
//! instructions: two workloads, with nothing attached, with empty programs on
//! the same hooks, and with the command given as arguments running.
//!
//! It refuses to judge: it prints one JSON object per measurement. Figures
//! only mean something in a guest that `xtask bench` has booted.
#![expect(clippy::print_stdout, reason = "its output is its result")]

mod empty;
mod measure;
mod observer;
mod workload;

use anyhow::{Context as _, Result};

use measure::Measurement;
use workload::{Accepted, Refused};

fn main() -> Result<()> {
    let observer: Vec<String> = std::env::args().skip(1).collect();
    let program = observer.first().context("the command to measure is missing")?;
    let mut accepted = Accepted::open()?;
    let mut refused = Refused::open()?;
    let mut both = |with: &str| -> Result<()> {
        report("accepted", with, measure::median(|| accepted.connection())?);
        report("refused", with, measure::median(|| refused.connection())?);
        Ok(())
    };
    both("nothing")?;
    {
        let _attached = empty::attach()?;
        both("empty programs")?;
    }
    let running = observer::start(program, observer.get(1..).unwrap_or_default())?;
    both("backlog-trace")?;
    running.stop()?;
    both("nothing, again")
}

fn report(workload: &str, with: &str, found: Measurement) {
    let line = serde_json::json!({
        "workload": workload, "with": with, "path": found.path, "machine": found.machine,
    });
    println!("{line}");
}
