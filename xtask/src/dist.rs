//! `dist`: one static file that runs on any x86-64 Linux from 5.10 on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::cargo::cargo;
use crate::step::{loud, step};
use crate::{guest, workspace};

/// Without an explicit target the flag would reach procedural macros, which
/// cannot be static.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Small before quick to build; one profile, so that dependencies are built once.
const PROFILE: &str = "dist";

/// Builds the static binary target/dist/backlog-trace.
#[derive(Args, Debug)]
pub(crate) struct Arguments {}

/// Runs the command.
pub(crate) fn run(_: &Arguments) -> Result<ExitCode> {
    let file = build()?;
    let size = fs::metadata(&file)?.len();
    println!("{}: {}.{} MB, static", file.display(), size / 1_000_000, size / 100_000 % 10);
    Ok(ExitCode::SUCCESS)
}

/// Builds the tool and puts it in its place.
pub(crate) fn build() -> Result<PathBuf> {
    let place = workspace::dist_binary();
    step("build the static binary", || static_binary("backlog-trace", &place))?;
    Ok(place)
}

/// Builds a package's binary of the same name, without any library beside it.
pub(crate) fn static_binary(package: &str, place: &Path) -> Result<()> {
    let directory = workspace::target().join("static");
    loud(
        cargo()
            .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .args(["build", "--quiet", "--package", package, "--bin", package])
            .args(["--profile", PROFILE, "--target", TARGET, "--target-dir"])
            .arg(&directory),
    )?;
    let built = directory.join(TARGET).join(PROFILE).join(package);
    let bytes = fs::read(&built).with_context(|| format!("{} cannot be read", built.display()))?;
    let needed = guest::needed(&bytes)?;
    if !needed.is_empty() {
        bail!("{} is not static: it needs {}", built.display(), needed.join(", "));
    }
    if let Some(directory) = place.parent() {
        fs::create_dir_all(directory)?;
    }
    // Replaced as a whole: the old file may be running.
    let partial = place.with_extension("partial");
    fs::copy(&built, &partial)?;
    fs::rename(&partial, place).with_context(|| format!("{} cannot be written", place.display()))
}
