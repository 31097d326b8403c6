//! `dist`: one static file that runs on any x86-64 Linux from 5.10 on, and is
//! the same from any checkout and any home.

mod again;
mod leaks;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::cargo::cargo;
use crate::step::{loud, quiet, step};
use crate::{guest, remap, workspace};

/// Without an explicit target the flag would reach procedural macros, which
/// cannot be static.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Small before quick to build; one profile, so that dependencies are built once.
const PROFILE: &str = "dist";

/// Builds the static binary target/dist/backlog-trace.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Build it a second time, from nothing, in a copy of the checkout and with another home, and compare every byte.
    #[arg(long)]
    check: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let file = build()?;
    let size = fs::metadata(&file)?.len();
    println!("{}: {}.{} MB, static", file.display(), size / 1_000_000, size / 100_000 % 10);
    if arguments.check {
        println!("{}", again::check("backlog-trace", &file)?);
    }
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
    let here = Site::here()?;
    let bytes = here.build(package, cargo())?;
    if let Some(directory) = place.parent() {
        fs::create_dir_all(directory)?;
    }
    // Replaced as a whole: the old file may be running.
    let partial = place.with_extension("partial");
    fs::copy(here.built(package), &partial)?;
    fs::rename(&partial, place).with_context(|| format!("{} cannot be written", place.display()))?;
    let leaks = leaks::of(&bytes, &leaks::telling(&here));
    if !leaks.is_empty() {
        bail!(
            "{} tells where it was built:\n  {}\n  name that directory in xtask/src/remap.rs",
            place.display(),
            leaks.join("\n  ")
        );
    }
    Ok(())
}

/// Where a build finds what it needs and leaves what it makes.
#[derive(Debug)]
struct Site {
    root: PathBuf,
    cargo_home: PathBuf,
    sysroot: PathBuf,
    /// Of the compiler, as its own library calls it.
    commit: String,
}

impl Site {
    /// This checkout, and this user's home.
    fn here() -> Result<Self> {
        let said = quiet(rustc().arg("-vV"))?;
        let commit = said.lines().find_map(|line| line.strip_prefix("commit-hash:")).unwrap_or("unknown");
        Ok(Self {
            root: workspace::root(),
            cargo_home: remap::cargo_home()?,
            sysroot: PathBuf::from(quiet(rustc().args(["--print", "sysroot"]))?.trim()),
            commit: commit.trim().to_owned(),
        })
    }

    fn directory(&self) -> PathBuf {
        self.root.join("target/static")
    }

    /// Where cargo leaves a package's binary.
    fn built(&self, package: &str) -> PathBuf {
        self.directory().join(TARGET).join(PROFILE).join(package)
    }

    fn flags(&self) -> OsString {
        let mut named = remap::of_cargo(&self.cargo_home);
        named.extend(remap::of_compiler(&self.sysroot, &self.commit));
        named.push(remap::of_checkout(&self.root));
        let mut flags = vec![OsString::from("-Ctarget-feature=+crt-static")];
        flags.extend(remap::flags(&named));
        flags.join(OsStr::new("\u{1f}"))
    }

    fn build(&self, package: &str, mut cargo: Command) -> Result<Vec<u8>> {
        loud(
            cargo
                .env("CARGO_ENCODED_RUSTFLAGS", self.flags())
                .env_remove("RUSTFLAGS")
                .args(["build", "--quiet", "--package", package, "--bin", package])
                .args(["--profile", PROFILE, "--target", TARGET, "--target-dir"])
                .arg(self.directory()),
        )?;
        let built = self.built(package);
        let bytes = fs::read(&built).with_context(|| format!("{} cannot be read", built.display()))?;
        let needed = guest::needed(&bytes)?;
        if !needed.is_empty() {
            bail!("{} is not static: it needs {}", built.display(), needed.join(", "));
        }
        Ok(bytes)
    }
}

/// The compiler that cargo would take.
fn rustc() -> Command {
    let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    command.current_dir(workspace::root());
    command
}
