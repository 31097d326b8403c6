//! What is tested on this machine's own kernel: format, lints, licences, known
//! vulnerabilities, and the test programs of the workspace.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::advisories::{self, Known};
use super::matrix::Count;
use super::skips::Skips;
use crate::cargo::cargo;
use crate::step::{on_path, quiet, step};
use crate::workspace;

/// A test program that is for guests: its tests are `#[ignore]`d here and run
/// there with `--ignored`.
pub(super) const GUEST_PREFIX: &str = "guest_";

/// A compiled test program.
#[derive(Debug)]
pub(super) struct Program {
    /// Name of the test target.
    pub(super) name: String,
    /// The executable.
    pub(super) file: PathBuf,
    /// Where cargo would start it.
    directory: PathBuf,
}

/// What is checked of the sources. A check that fails counts as one failed
/// test, and the rest still runs.
pub(super) fn sources(skips: &mut Skips) -> Count {
    let mut count = Count::default();
    count.check("cargo fmt --check", step("format", || quiet(cargo().args(["fmt", "--all", "--check"]))));
    count.check(
        "cargo clippy",
        step("lints", || {
            quiet(cargo().args([
                "clippy",
                "--quiet",
                "--locked",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]))
        }),
    );
    if on_path("cargo-deny").is_some() {
        count.check(
            "cargo deny",
            step("licences, bans and sources", || {
                quiet(cargo().args(["deny", "check", "licenses", "bans", "sources"]))
            }),
        );
        advisories(&mut count, skips);
    } else {
        skips.add(
            "licences, bans, sources and advisories",
            "cargo-deny is not installed: cargo install cargo-deny --locked",
        );
    }
    if on_path("c++").is_some() {
        let mut check = cargo();
        check
            .args(["check", "--quiet", "--manifest-path"])
            .arg(workspace::root().join("backlog-trace/fuzz/Cargo.toml"));
        check.env("RUSTFLAGS", "--cfg fuzzing");
        count.check("the fuzz targets", step("check the fuzz targets", || quiet(&mut check)));
    } else {
        skips.add("the fuzz targets", "there is no C++ compiler (c++)");
    }
    count
}

/// Runs the workspace's test programs, but for those that are for guests.
pub(super) fn programs(skips: &mut Skips) -> Result<Count> {
    let mut count = Count::default();
    let programs = step("build the test programs", build)?;
    for program in programs.iter().filter(|program| !program.name.starts_with(GUEST_PREFIX)) {
        count.add(step(&format!("test {}", program.name), || execute(program, skips))?);
    }
    let examples = step("test the documentation's examples", || {
        tally("examples", cargo().args(["test", "--quiet", "--workspace", "--doc"]), skips)
    })?;
    count.add(examples);
    Ok(count)
}

fn advisories(count: &mut Count, skips: &mut Skips) {
    let known = step("advisories", advisories::check);
    match &known {
        Ok(Known::Nothing) | Err(_) => {}
        Ok(Known::NothingSo(why)) => eprintln!("           advisories: by the database that is here: {why}"),
        Ok(Known::Unchecked(why)) => {
            return skips.add("advisories", &format!("no database of advisories: {why}"));
        }
    }
    count.check("cargo deny check advisories", known);
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Profile {
    /// Built as a test: the programs that tests start are built beside them.
    test: bool,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the workspace's test programs.
pub(super) fn build() -> Result<Vec<Program>> {
    let said = quiet(cargo().args(["test", "--workspace", "--no-run", "--message-format=json", "--quiet"]))?;
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    Ok(messages.filter_map(program).collect())
}

fn program(message: Message) -> Option<Program> {
    if message.reason != "compiler-artifact" || !message.profile.is_some_and(|profile| profile.test) {
        return None;
    }
    let directory = message.manifest_path?.parent()?.to_path_buf();
    Some(Program { name: message.target?.name, file: message.executable?, directory })
}

fn execute(program: &Program, skips: &mut Skips) -> Result<Count> {
    let mut command = Command::new(&program.file);
    command.current_dir(&program.directory).env("CARGO_MANIFEST_DIR", &program.directory);
    tally(&program.name, &mut command, skips)
}

/// Runs a test program and reads its summary; shows its output if it failed.
fn tally(name: &str, command: &mut Command, skips: &mut Skips) -> Result<Count> {
    let output = command.stdin(Stdio::null()).output().context("a test program could not be started")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut count = summary(&said);
    let skipped = skips.read(name, &String::from_utf8_lossy(&output.stderr));
    count.passed = count.passed.saturating_sub(skipped);
    if !output.status.success() {
        eprintln!("{said}{}", String::from_utf8_lossy(&output.stderr));
        // One that died without a summary has failed all the same.
        count.failed = count.failed.max(1);
    }
    Ok(count)
}

/// Adds up libtest's lines `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
/// An ignored test outside the guests' programs runs nowhere: a failure.
pub(super) fn summary(said: &str) -> Count {
    let mut count = Count::default();
    for line in said.lines().filter(|line| line.starts_with("test result:")) {
        let number = |what: &str| -> u32 {
            let words: Vec<&str> = line.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
            words
                .windows(2)
                .find_map(|pair| match pair {
                    [number, word] if *word == what => number.parse().ok(),
                    _ => None,
                })
                .unwrap_or(0)
        };
        count.passed += number("passed");
        count.failed += number("failed") + number("ignored");
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_add_up() {
        let said = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
                    test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        assert_eq!(summary(said), Count { passed: 5, failed: 5, skipped: 0 });
        assert_eq!(summary("running 0 tests\n"), Count::default());
    }
}
