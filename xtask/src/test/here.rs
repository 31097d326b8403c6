//! Every scenario on this machine's own kernel, on the best rung of each hook
//! that it allows. In private network namespaces: the machine's own traffic
//! is not touched. Attaching is quick here, so the tool starts anew for each.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::matrix::Matrix;
use super::skips::Skips;
use super::stage::Stage;
use crate::cargo::cargo;
use crate::kernels::NATIVE;
use crate::soak::short;
use crate::step::{quiet, step};
use crate::workspace;

/// `backlog-trace check`: every hook, or all that is needed.
const USABLE: [i32; 2] = [0, 20];

/// `selftest`: all passed, or a scenario failed, which it says itself.
const PLAYED: [i32; 2] = [0, 9];

/// How `check` begins what the verifier did not like about a program.
const REJECTED: &str = "the verifier rejects the program";

/// Whether this kernel and this user let the tool observe anything; where not, the
/// stage is skipped.
///
/// # Errors
/// Where the verifier rejects a program of the kernel side: that is a mistake in
/// the program, and must not pass for something that the kernel lacks.
pub(super) fn is_observable(stage: Stage, skips: &mut Skips) -> Result<bool> {
    let tool = built()?;
    let checked = started(&tool, &["check"])?;
    if let Some(rejected) = rejected(&String::from_utf8_lossy(&checked.stdout)) {
        bail!(
            "this machine's own kernel does not take the kernel side: {rejected}\n  \
             read the verifier's log: BACKLOG_TRACE_LOG=debug {} check",
            tool.display()
        );
    }
    let usable = checked.status.code().is_some_and(|code| USABLE.contains(&code));
    if !usable {
        let why = format!("nothing can be observed here, as `{} check` says", tool.display());
        skips.add(&format!("the stage {}", stage.name()), &why);
    }
    Ok(usable)
}

/// The first line of what `check` said that is about such a program.
fn rejected(said: &str) -> Option<&str> {
    said.lines().map(str::trim).find(|line| line.contains(REJECTED))
}

/// Plays them; `None` where the kernel or the user cannot.
pub(super) fn run(skips: &mut Skips) -> Result<Option<Matrix>> {
    if !is_observable(Stage::Here, skips)? {
        return Ok(None);
    }
    let tool = built()?;
    let played = step("scenarios on this machine's own kernel", || {
        started(&tool, &["selftest", "--fresh", "--format", "json"])
    })?;
    let said = String::from_utf8_lossy(&played.stdout);
    if !played.status.code().is_some_and(|code| PLAYED.contains(&code)) {
        bail!(
            "selftest ended with {}: {}",
            played.status,
            String::from_utf8_lossy(&played.stderr).trim_end()
        );
    }
    let mut matrix = Matrix::default();
    matrix.add(&NATIVE, &said);
    step("build the soak's workload", || {
        quiet(cargo().args(["build", "--quiet", "--locked", "-p", "soak-guest"]))
    })?;
    let faults = step("a short soak", short::natively).unwrap_or_else(|error| vec![format!("{error:#}")]);
    matrix.record(&NATIVE, short::NAME, faults.is_empty(), &faults.join("; "));
    Ok(Some(matrix))
}

fn built() -> Result<PathBuf> {
    step("build the tool", || quiet(cargo().args(["build", "--quiet", "--locked", "-p", "backlog-trace"])))?;
    Ok(workspace::target().join("debug/backlog-trace"))
}

fn started(tool: &Path, arguments: &[&str]) -> Result<std::process::Output> {
    let output = Command::new(tool).args(arguments).stdin(Stdio::null()).output();
    output.with_context(|| format!("{} could not be started", tool.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_the_verifier_rejects_is_told_from_a_rung_that_the_kernel_lacks() {
        let lacking = "accept by kprobe:\n  this kernel was built without kprobes\n";
        let mistaken = "tracepoint sk_data_ready: the verifier rejects the program: R1 !read_ok";
        assert_eq!(rejected(lacking), None);
        assert_eq!(rejected(&format!("{lacking}ack by tracepoint:\n  {mistaken}\n")), Some(mistaken));
    }
}
