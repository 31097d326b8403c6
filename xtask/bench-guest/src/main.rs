//! What `cargo xtask bench` runs inside a guest whose clock counts
//! instructions: two workloads, with nothing attached, with empty programs on
//! the same hooks, and with the command given as arguments running.
//!
//! `bench-guest scale LISTENERS NAMESPACES CHURN SECONDS COMMAND` measures, in
//! a guest or natively, what the command takes on a host with many listeners.
//!
//! It refuses to judge: it prints one JSON object per measurement.
//! Instructions only mean something in a guest that `xtask bench` has booted.
#![expect(clippy::print_stdout, reason = "its output is its result")]

mod crowd;
mod empty;
mod measure;
mod observer;
mod scale;
mod workload;

use anyhow::{Context as _, Result};

use crowd::Crowd;
use measure::Measurement;
use scale::Scale;
use workload::{Accepted, Refused};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == "crowd" => Crowd::parse(rest)?.play(),
        Some((command, rest)) if command == "scale" => scale(rest),
        _ => instructions(&arguments),
    }
}

/// What the command takes beside many listeners.
fn scale(arguments: &[String]) -> Result<()> {
    let (scale, command) =
        arguments.split_at_checked(4).context("scale: figures and a command are missing")?;
    let scale = Scale::parse(scale)?;
    let taken = scale.measure(command)?;
    let line = serde_json::json!({
        "listeners": scale.listeners, "namespaces": scale.namespaces, "churn": scale.churn,
        "start_ms": taken.start.as_millis(), "resident_kib": taken.resident,
        "most_resident_kib": taken.most_resident, "cpu_us_per_second": taken.cpu.as_micros(),
    });
    println!("{line}");
    Ok(())
}

/// Guest instructions per connection.
fn instructions(observer: &[String]) -> Result<()> {
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
