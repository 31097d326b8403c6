//! Playing one run: on this machine, or in a guest.

use std::io::{BufRead as _, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::observed::Observed;
use super::table::Table;
use crate::guest::{self, Guest, GuestFile, Qemu};
use crate::kernels::Kernel;
use crate::step::step;
use crate::{dist, workspace};

/// The program that plays, and its name inside a guest.
const PLAYER: &str = "soak-guest";

/// The tool's name inside a guest.
const TOOL: &str = "backlog-trace";

/// What a guest may take beyond the run: booting, starting, ending, all of it emulated.
const BEYOND: Duration = Duration::from_secs(300);

/// Memory of a guest, in MiB: as the scenarios' have.
const MEMORY: u32 = 1024;

/// What is played.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    /// How long it lasts.
    pub(super) seconds: f64,
    /// Listeners that come and go in a second.
    pub(super) listeners_per_second: f64,
    /// Namespaces that come and go in a second.
    pub(super) namespaces_per_second: f64,
    /// SYNs refused in a second by listeners that stand.
    pub(super) refused_per_second: f64,
    /// Listeners that are open at a time.
    pub(super) open: usize,
    /// The tool's binary.
    pub(super) tool: PathBuf,
    /// The binary of what plays.
    pub(super) player: PathBuf,
    /// Its arguments beside those that make it print intervals.
    pub(super) arguments: Vec<String>,
}

impl Workload {
    /// Seconds at rest before and after the churn.
    fn rest(&self) -> f64 {
        (self.seconds / 6.0).clamp(8.0, 30.0)
    }

    fn command(&self, player: &str, tool: &str) -> Vec<String> {
        let mut command = vec![player.to_owned(), "watch".to_owned()];
        for (name, value) in [
            ("seconds", self.seconds),
            ("rest", self.rest()),
            ("listeners-per-second", self.listeners_per_second),
            ("namespaces-per-second", self.namespaces_per_second),
            ("refused-per-second", self.refused_per_second),
        ] {
            command.push(format!("--{name}={value}"));
        }
        command.push(format!("--open={}", self.open));
        command.extend(["--", tool, "hist", "--interval", "1s", "--format", "json"].map(str::to_owned));
        command.extend(self.arguments.iter().cloned());
        command
    }
}

/// Builds what plays.
pub(super) fn build() -> Result<PathBuf> {
    let player = workspace::target().join("dist").join(PLAYER);
    step("build the workload", || dist::static_binary(PLAYER, &player))?;
    Ok(player)
}

/// Plays it on this machine.
pub(super) fn natively(workload: &Workload, out: &mut dyn Write) -> Result<Observed> {
    let command =
        workload.command(&workload.player.display().to_string(), &workload.tool.display().to_string());
    let (program, arguments) = command.split_first().context("no command")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program} could not be started"))?;
    let output = child.stdout.take().context("the workload has no output")?;
    let mut playing = Playing::begin(workload, out)?;
    for line in BufReader::new(output).lines() {
        playing.take(&line?)?;
    }
    let status = child.wait()?;
    let observed = playing.end()?;
    if !status.success() {
        bail!("the workload ended with {status}");
    }
    Ok(observed)
}

/// Plays it in a guest.
pub(super) fn in_guest(workload: &Workload, kernel: &Kernel, out: &mut dyn Write) -> Result<Observed> {
    let qemu = Qemu::find()?;
    let prepared = guest::prepare(kernel)?;
    let files = [(TOOL, workload.tool.clone()), (PLAYER, workload.player.clone())]
        .map(|(name, outside)| GuestFile { inside: format!("/bin/{name}"), outside });
    let guest = Guest {
        kernel: &prepared,
        processors: 2,
        memory: MEMORY,
        append: "mitigations=off",
        files: &files,
        command: workload.command(PLAYER, TOOL),
        limit: Duration::try_from_secs_f64(workload.seconds)? + BEYOND,
        counted: false,
        live: false,
    };
    let mut playing = Playing::begin(workload, out)?;
    let mut failed = None;
    let outcome = guest::hear(&qemu, &guest, &mut |line| {
        if let Err(error) = playing.take(line) {
            failed.get_or_insert(error);
        }
    })?;
    let observed = playing.end()?;
    if outcome.status != 0 {
        bail!("the workload ended with {}:\n{}", outcome.status, outcome.console.trim_end());
    }
    failed.map_or(Ok(observed), Err)
}

/// A run that goes on: its table is printed as it grows.
struct Playing<'a> {
    observed: Observed,
    table: Table,
    out: &'a mut dyn Write,
}

impl<'a> Playing<'a> {
    fn begin(workload: &Workload, out: &'a mut dyn Write) -> Result<Self> {
        Table::begin(out)?;
        Ok(Self { observed: Observed::default(), table: Table::new(workload.seconds), out })
    }

    fn take(&mut self, line: &str) -> Result<()> {
        // The guest's own last line is none of the player's.
        if !line.starts_with('{') {
            return Ok(());
        }
        if let Some(interval) = self.observed.take(line)? {
            self.table.take(self.out, interval)?;
        }
        Ok(())
    }

    fn end(mut self) -> Result<Observed> {
        self.table.end(self.out)?;
        Ok(self.observed)
    }
}
