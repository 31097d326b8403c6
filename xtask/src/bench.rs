//! `bench`: what watching costs, in guest instructions.
//!
//! One boot under icount, where every instruction takes one nanosecond of the
//! guest's clock, so the figures do not depend on the machine or its load.
//! With `--scale`: what it takes on a host with many listeners.

pub(crate) mod scale;

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::guest::{self, Guest, GuestFile, Qemu};
use crate::kernels::{self, Kernel};
use crate::step::step;
use crate::{dist, vm, workspace};

/// Most that may be added to an accepted connection, and to a refused SYN:
/// 1.5 times what empty programs on the same hooks add.
const BUDGET: [(&str, f64); 2] = [("accepted", 900.0), ("refused", 720.0)];

/// Measures guest instructions per connection.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Kernel to measure on.
    #[arg(long, value_parser = kernels::parse, default_value = kernels::DEFAULT)]
    kernel: &'static Kernel,
    /// How the result is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Fail where more than the budget is added: 900 instructions per accepted
    /// connection, 720 per refused SYN.
    #[arg(long)]
    budget: bool,
    /// Measure start-up, memory and idle CPU beside many listeners instead, on this machine.
    #[arg(long, value_enum, value_name = "EXTENT", num_args = 0..=1, default_missing_value = "full")]
    scale: Option<scale::Extent>,
    /// Measure that in a guest of the kernel.
    #[arg(long, requires = "scale")]
    in_guest: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(extent) = arguments.scale {
        let table = scale::run(extent, arguments.in_guest.then_some(arguments.kernel))?;
        match arguments.format {
            Format::Text => print!("{table}"),
            Format::Json => println!("{}", table.json()),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let qemu = Qemu::find()?;
    let kernel = guest::prepare(arguments.kernel)?;
    dist::build()?;
    let workload = workspace::target().join("dist/bench-guest");
    step("build the workload", || dist::static_binary("bench-guest", &workload))?;
    let mut files = vm::tool_files();
    files.push(GuestFile { inside: "/bin/bench-guest".to_owned(), outside: workload });
    let command = ["bench-guest", "backlog-trace", "hist"].map(str::to_owned).to_vec();
    let guest = Guest {
        kernel: &kernel,
        processors: 1,
        memory: 1024,
        // Time spent in interrupts belongs to the thread they interrupt: a
        // handshake over loopback is all soft interrupts.
        append: "mitigations=off tsc=noirqtime",
        files: &files,
        command,
        limit: Duration::from_secs(900),
        counted: true,
        live: false,
    };
    let outcome = step("measure", || guest::run(&qemu, &guest))?;
    if outcome.status != 0 {
        bail!("the workload ended with {}:\n{}{}", outcome.status, outcome.stdout, outcome.console);
    }
    let table = Table::parse(arguments.kernel.version, &outcome.stdout)?;
    match arguments.format {
        Format::Text => print!("{table}"),
        Format::Json => println!("{}", table.json()),
    }
    let over: Vec<&Row> = table.rows.iter().filter(|row| row.over_budget()).collect();
    if arguments.budget && !over.is_empty() {
        for row in over {
            eprintln!(
                "over budget: {} instructions added per {} connection",
                row.added().round(),
                row.workload
            );
        }
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// One line of what the guest prints.
#[derive(Debug, Deserialize)]
struct Measured {
    workload: String,
    with: String,
    path: f64,
    machine: f64,
}

/// One workload, per connection.
#[derive(Debug)]
struct Row {
    workload: &'static str,
    nothing: f64,
    empty: f64,
    tool: f64,
    /// Added to the whole machine, the tool's own process included.
    machine: f64,
}

impl Row {
    fn added(&self) -> f64 {
        self.tool - self.nothing
    }

    fn floor(&self) -> f64 {
        self.empty - self.nothing
    }

    fn over_budget(&self) -> bool {
        BUDGET.iter().any(|&(workload, most)| workload == self.workload && self.added() > most)
    }
}

#[derive(Debug)]
struct Table {
    kernel: &'static str,
    rows: Vec<Row>,
}

impl Table {
    fn parse(kernel: &'static str, printed: &str) -> Result<Self> {
        let lines: Vec<Measured> =
            printed.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let rows = BUDGET.iter().map(|&(workload, _)| row(workload, &lines)).collect::<Result<_>>()?;
        Ok(Self { kernel, rows })
    }

    fn json(&self) -> serde_json::Value {
        let rows = self.rows.iter().map(|row| {
            serde_json::json!({
                "workload": row.workload, "nothing": row.nothing, "empty_programs": row.empty,
                "backlog_trace": row.tool, "added": row.added(), "added_by_empty_programs": row.floor(),
                "ratio": row.added() / row.floor(), "added_to_machine": row.machine,
            })
        });
        serde_json::json!({
            "v": 1, "type": "bench", "kernel": self.kernel, "unit": "instructions per connection",
            "workloads": rows.collect::<Vec<_>>(),
        })
    }
}

fn row(workload: &'static str, lines: &[Measured]) -> Result<Row> {
    let find = |with: &str| {
        lines
            .iter()
            .find(|line| line.workload == workload && line.with == with)
            .with_context(|| format!("the workload did not report `{workload}` with {with}"))
    };
    let (first, again) = (find("nothing")?, find("nothing, again")?);
    let tool = find("backlog-trace")?;
    Ok(Row {
        workload,
        // The same thing measured twice: the lesser has met less noise.
        nothing: first.path.min(again.path),
        empty: find("empty programs")?.path,
        tool: tool.path,
        machine: tool.machine - first.machine.min(again.machine),
    })
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "guest instructions per connection on {}, median of 1000", self.kernel)?;
        writeln!(
            f,
            "{:10} {:>10} {:>16} {:>16} {:>7} {:>18}",
            "workload", "nothing", "empty programs", "backlog-trace", "ratio", "whole machine"
        )?;
        for row in &self.rows {
            let with = |total: f64, added: f64| format!("{total:.0} (+{added:.0})");
            writeln!(
                f,
                "{:10} {:>10.0} {:>16} {:>16} {:>7.2} {:>18}",
                row.workload,
                row.nothing,
                with(row.empty, row.floor()),
                with(row.tool, row.added()),
                row.added() / row.floor(),
                format!("+{:.0}", row.machine),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(accepted: f64) -> String {
        let mut lines = Vec::new();
        for (workload, base, tool) in [("accepted", 65_000.0, accepted), ("refused", 24_000.0, 24_700.0)] {
            for (with, path) in [
                ("nothing", base + 10.0),
                ("empty programs", base + 600.0),
                ("backlog-trace", tool),
                ("nothing, again", base),
            ] {
                let line =
                    serde_json::json!({"workload": workload, "with": with, "path": path, "machine": path});
                lines.push(line.to_string() + "\n");
            }
        }
        lines.concat()
    }

    #[test]
    fn the_lesser_baseline_counts_and_the_budget_holds() {
        let table = Table::parse("6.12", &printed(65_900.0)).unwrap();
        assert_eq!(table.rows.iter().map(Row::added).collect::<Vec<_>>(), [900.0, 700.0]);
        assert!(!table.rows.iter().any(Row::over_budget));
        let table = Table::parse("6.12", &printed(65_901.0)).unwrap();
        assert!(table.rows[0].over_budget() && !table.rows[1].over_budget());
    }

    #[test]
    fn a_missing_measurement_is_an_error() {
        let printed = printed(65_900.0);
        let cut: String = printed.lines().take(7).map(|line| format!("{line}\n")).collect();
        assert!(Table::parse("6.12", &cut).is_err());
    }
}
