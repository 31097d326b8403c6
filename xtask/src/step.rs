//! Running other programs, and one line of progress per step on stderr.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// Does one step of the work, and says what it is and how long it took.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let result = work();
    let verdict = if result.is_ok() { "" } else { " (failed)" };
    eprintln!("{:7.1} s  {what}{verdict}", started.elapsed().as_secs_f64());
    result
}

/// Runs a program whose talk is only of interest when it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("`{shown}` could not be started"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` ended with {}:\n{}{}", output.status, stdout.trim_end(), stderr.trim_end());
    }
    Ok(stdout)
}

/// Runs a program whose talk is the result: it goes straight to the terminal.
pub(crate) fn loud(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("`{shown}` could not be started"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// The command line as a person would type it.
fn show(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args().map(OsStr::to_string_lossy) {
        shown.push(' ');
        shown.push_str(&argument);
    }
    shown
}

/// A program on PATH.
pub(crate) fn on_path(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}
