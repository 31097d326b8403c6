//! `bench --scale`: what the tool takes on a host with many listeners, in one
//! network namespace and in many, at rest and while listeners come and go.
//!
//! Unlike the instructions, these figures are of the machine they were taken
//! on: natively by the attach method that its kernel allows, or in a guest.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use serde::Deserialize;

use crate::guest::{self, Guest, GuestFile, Qemu};
use crate::kernels::Kernel;
use crate::step::{quiet, step};
use crate::{dist, vm, workspace};

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Extent {
    /// Up to 100,000 listeners: some minutes.
    Full,
    /// 2,000 listeners: seconds.
    Brief,
}

/// Listeners, namespaces, and listeners that are closed and opened again in a
/// second.
type Case = (u32, u32, u32);

const FULL: [Case; 6] =
    [(10, 1, 0), (20_000, 1, 0), (20_000, 1, 200), (20_000, 500, 0), (20_000, 500, 200), (100_000, 1, 0)];
const BRIEF: [Case; 2] = [(2_000, 1, 50), (2_000, 40, 50)];

/// A brief start on a busy machine must not take longer: one that hangs does.
const LONGEST_START: u64 = 60_000;

impl Extent {
    const fn cases(self) -> &'static [Case] {
        match self {
            Self::Full => &FULL,
            Self::Brief => &BRIEF,
        }
    }

    /// Seconds of rest, and as many of measuring.
    const fn seconds(self) -> u32 {
        match self {
            Self::Full => 10,
            Self::Brief => 2,
        }
    }

    /// What bench-guest is told for each case, and the tool's command line.
    fn command(self, case: Case, tool: &str) -> Vec<String> {
        let (listeners, namespaces, churn) = case;
        let figures = [listeners, namespaces, churn, self.seconds()].map(|figure| figure.to_string());
        let tool = [tool, "hist", "--interval", "1s", "--format", "json"].map(str::to_owned);
        std::iter::once("scale".to_owned()).chain(figures).chain(tool).collect()
    }
}

/// One measurement, as bench-guest prints it.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Row {
    listeners: u32,
    namespaces: u32,
    churn: u32,
    start_ms: u64,
    resident_kib: u64,
    most_resident_kib: u64,
    cpu_us_per_second: u64,
}

/// All of them, and where they were taken.
#[derive(Debug)]
pub(crate) struct Table {
    on: String,
    rows: Vec<Row>,
}

/// Measures on this machine, or in a guest of the kernel.
pub(crate) fn run(extent: Extent, kernel: Option<&'static Kernel>) -> Result<Table> {
    let tool = dist::build()?;
    let workload = workspace::target().join("dist/bench-guest");
    step("build the workload", || dist::static_binary("bench-guest", &workload))?;
    let tool = tool.to_str().context("the path of the tool is not UTF-8")?;
    let mut rows = Vec::new();
    for &case in extent.cases() {
        let (listeners, namespaces, churn) = case;
        let what = format!("{listeners} listeners in {namespaces} namespaces, {churn} changes a second");
        rows.push(step(&what, || match kernel {
            None => row(&quiet(Command::new(&workload).args(extent.command(case, tool)))?),
            Some(kernel) => in_guest(kernel, &workload, extent.command(case, "backlog-trace")),
        })?);
    }
    let release = || quiet(Command::new("uname").arg("-r"));
    let on = match kernel {
        None => format!("this machine, {}", release()?.trim()),
        Some(kernel) => format!("a guest, {}", kernel.version),
    };
    Ok(Table { on, rows })
}

fn in_guest(kernel: &'static Kernel, workload: &std::path::Path, arguments: Vec<String>) -> Result<Row> {
    let mut files = vm::tool_files();
    files.push(GuestFile { inside: "/bin/bench-guest".to_owned(), outside: workload.to_path_buf() });
    let guest = Guest {
        kernel: &guest::prepare(kernel)?,
        processors: 2,
        memory: 4096,
        append: "",
        files: &files,
        command: std::iter::once("bench-guest".to_owned()).chain(arguments).collect(),
        limit: Duration::from_secs(600),
        counted: false,
        live: false,
    };
    let outcome = guest::run(&Qemu::find()?, &guest)?;
    if outcome.status != 0 {
        bail!("the workload ended with {}:\n{}{}", outcome.status, outcome.stdout, outcome.console);
    }
    row(&outcome.stdout)
}

fn row(printed: &str) -> Result<Row> {
    printed
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .with_context(|| format!("the workload measured nothing:\n{printed}"))
}

/// The brief form, for `cargo xtask test`.
pub(crate) fn check() -> Result<()> {
    let table = run(Extent::Brief, None)?;
    match table.rows.iter().find(|row| row.start_ms > LONGEST_START) {
        Some(slow) => bail!("a start took {} ms with {} listeners", slow.start_ms, slow.listeners),
        None => Ok(()),
    }
}

impl Table {
    /// The same for programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        let rows = self.rows.iter().map(|row| {
            serde_json::json!({
                "listeners": row.listeners, "namespaces": row.namespaces, "changes_per_second": row.churn,
                "start_ms": row.start_ms, "resident_kib": row.resident_kib,
                "most_resident_kib": row.most_resident_kib, "cpu_us_per_second": row.cpu_us_per_second,
            })
        });
        serde_json::json!({ "v": 1, "type": "scale", "on": self.on, "rows": rows.collect::<Vec<_>>() })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "on {}: start-up, memory, and CPU in a second without losses", self.on)?;
        writeln!(
            f,
            "{:>9} {:>10} {:>9} {:>9} {:>10} {:>10} {:>12}",
            "listeners", "namespaces", "changes/s", "start", "resident", "most", "CPU a second"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:>9} {:>10} {:>9} {:>9} {:>10} {:>10} {:>12}",
                row.listeners,
                row.namespaces,
                row.churn,
                format!("{} ms", row.start_ms),
                format!("{} MiB", row.resident_kib / 1024),
                format!("{} MiB", row.most_resident_kib / 1024),
                format!("{}.{} ms", row.cpu_us_per_second / 1000, row.cpu_us_per_second / 100 % 10),
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_is_found_among_talk() {
        let printed = "something else\n{\"churn\":200,\"cpu_us_per_second\":5999,\"listeners\":10,\
                       \"most_resident_kib\":57924,\"namespaces\":1,\"resident_kib\":40588,\"start_ms\":363}\n";
        let table = Table { on: "here".to_owned(), rows: vec![row(printed).unwrap()] };
        assert!(table.to_string().contains("363 ms"), "{table}");
        assert!(table.to_string().contains("5.9 ms"), "{table}");
        assert!(row("nothing\n").is_err());
    }
}
