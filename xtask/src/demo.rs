//! `demo`: the main job on a fresh machine. Connections are lost on purpose,
//! traced, and shown per port; natively where this kernel and user allow it,
//! otherwise in a guest.

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::guest::{self, Guest, Qemu};
use crate::kernels::{self, Kernel};
use crate::{dist, vm};

/// What is observed: a listener that stalls under load, beside one that does not.
const WORKLOAD: &str = "demo";
/// `backlog-trace check`: every hook, or some of them.
const USABLE: [i32; 2] = [0, 20];

/// Shows the main job: lost connections, traced and explained.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// In a guest with this kernel, whatever this machine could do.
    #[arg(long, value_parser = kernels::parse)]
    kernel: Option<&'static Kernel>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let tool = dist::build()?;
    if arguments.kernel.is_none() {
        eprintln!("what this machine's own kernel allows:");
        let check = Command::new(&tool).arg("check").stdin(Stdio::null()).status();
        let check = check.with_context(|| format!("{} could not be started", tool.display()))?;
        if check.code().is_some_and(|code| USABLE.contains(&code)) {
            eprintln!("observing on this machine's own kernel:");
            let shown = tool.display().to_string();
            let status = Command::new(&tool).args(observe(&shown)).stdin(Stdio::null()).status()?;
            return Ok(status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .map_or(ExitCode::FAILURE, ExitCode::from));
        }
        eprintln!("it cannot be traced from here, so the same is shown in a guest:");
    }
    let kernel = match arguments.kernel {
        Some(kernel) => kernel,
        None => kernels::parse(kernels::DEFAULT).map_err(anyhow::Error::msg)?,
    };
    let qemu = Qemu::find()?;
    let prepared = guest::prepare(kernel)?;
    let mut command = vec!["backlog-trace".to_owned()];
    command.extend(observe("backlog-trace"));
    eprintln!("booting kernel {}", kernel.version);
    let guest = Guest {
        kernel: &prepared,
        processors: 2,
        memory: 1024,
        append: "",
        files: &vm::tool_files(),
        command,
        limit: Duration::from_secs(180),
        counted: false,
        live: true,
    };
    let outcome = guest::run(&qemu, &guest)?;
    Ok(u8::try_from(outcome.status).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn observe(tool: &str) -> Vec<String> {
    ["hist", "--", tool, "selftest", "--play", WORKLOAD].map(str::to_owned).to_vec()
}
