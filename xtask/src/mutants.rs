//! `mutants`: breaks the pure code in small ways, one at a time, and says which
//! breaks no test notices (cargo-mutants does the breaking, in a copy).
//!
//! Refuses to touch what reaches kernels, files or processes, whose mutants a
//! test of this machine cannot judge, and to install anything. What has been
//! judged to need no test stands in `.cargo/mutants.toml`, with its reason.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::cargo::cargo;
use crate::step::{on_path, quiet};
use crate::workspace;

/// A part of the code that does no I/O.
#[derive(PartialEq)]
struct Room {
    name: &'static str,
    package: &'static str,
    /// Where its files lie.
    place: &'static str,
    /// Which of them; all, where none is named.
    files: &'static [&'static str],
    /// Integration tests that judge it beside the unit tests of its package.
    beside: &'static [&'static str],
}

const TOOL: Room =
    Room { name: "", package: "backlog-trace", place: "backlog-trace/src", files: &[], beside: &[] };

const MODEL: Room = Room { package: "backlog-trace-model", place: "backlog-trace-model/src", ..TOOL };

const ROOMS: [Room; 12] = [
    Room { name: "common", package: "backlog-trace-common", place: "backlog-trace-common/src", ..TOOL },
    Room { name: "check", place: "backlog-trace-model/src/check", ..MODEL },
    Room { name: "event", place: "backlog-trace-model/src/event", ..MODEL },
    Room { name: "findings", place: "backlog-trace-model/src/findings", ..MODEL },
    Room { name: "listener", place: "backlog-trace-model/src/listener", ..MODEL },
    Room { name: "output", place: "backlog-trace-model/src/output", ..MODEL },
    Room { name: "tally", place: "backlog-trace-model/src/tally", ..MODEL },
    Room { name: "trace", place: "backlog-trace-model/src/trace", ..MODEL },
    Room {
        name: "view",
        place: "backlog-trace-model/src/view",
        beside: &["golden", "json_contract", "intervals", "clients"],
        ..MODEL
    },
    // What decodes and joins, of the room that asks the kernel.
    Room {
        name: "book",
        place: "backlog-trace/src/listener",
        files: &["half_open", "message", "mountinfo", "rows", "sources"],
        ..TOOL
    },
    Room {
        name: "polled",
        place: "backlog-trace/src/polled",
        files: &["account", "details", "ledger", "pace", "reading", "share"],
        ..TOOL
    },
    // What holds the tool against the kernel, and not what plays.
    Room {
        name: "selftest",
        package: "backlog-trace-selftest",
        place: "backlog-trace-selftest/src",
        files: &[
            "compare/built",
            "compare/counts",
            "compare/events",
            "compare/mod",
            "compare/polled",
            "counters",
            "movement",
            "reason",
            "seen",
            "sight",
        ],
        ..TOOL
    },
];

/// Their names.
const NAMES: [&str; ROOMS.len()] = [
    "common", "check", "event", "findings", "listener", "output", "tally", "trace", "view", "book", "polled",
    "selftest",
];

/// How long the tests of one mutant may take, in seconds: what loops for ever
/// is noticed by that. Ten times what they take on two cores.
const TIMEOUT: u32 = 120;

/// Breaks the pure code in small ways and prints what no test notices.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Parts of the code that do no I/O (default: all of them).
    #[arg(value_name = "ROOM", value_parser = NAMES)]
    rooms: Vec<String>,
    /// These files instead, as paths from here or as globs; may be given several times.
    #[arg(long = "file", value_name = "FILE", conflicts_with = "rooms")]
    files: Vec<String>,
    /// Only lines that differ from this revision, e.g. main.
    #[arg(long, value_name = "REVISION")]
    in_diff: Option<String>,
    /// How many at a time; each has a copy of the sources and a build of its own.
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: u32,
    /// Name them and test none.
    #[arg(long)]
    list: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if on_path("cargo-mutants").is_none() {
        bail!("cargo-mutants is not installed; install it by `cargo install --locked cargo-mutants`");
    }
    let output = workspace::target().join("mutants");
    std::fs::create_dir_all(&output).with_context(|| format!("cannot make {}", output.display()))?;
    let difference = output.join("changed.diff");
    if let Some(revision) = &arguments.in_diff {
        let mut git = Command::new("git");
        let changed = quiet(git.current_dir(workspace::root()).args(["diff", revision]))?;
        std::fs::write(&difference, changed)
            .with_context(|| format!("cannot write {}", difference.display()))?;
    }
    let mut survived = Vec::new();
    for job in jobs(arguments)? {
        let mut command = cargo();
        command.args(command_line(&job, arguments, &output, &difference)).stdin(Stdio::null());
        let status = command.status().context("cargo could not be started")?;
        match status.code() {
            Some(0) => {}
            // Some were missed, or took too long.
            Some(2 | 3) => survived.extend(survivors(&output.join("mutants.out"))),
            _ => bail!("cargo mutants ended with {status}; what it did is in {}", output.display()),
        }
    }
    if arguments.list {
        return Ok(ExitCode::SUCCESS);
    }
    if survived.is_empty() {
        println!("no mutant survived");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} survived; write a test for each, or say in .cargo/mutants.toml why not:", survived.len());
    survived.iter().for_each(|survivor| println!("  {survivor}"));
    Ok(ExitCode::FAILURE)
}

/// One run of cargo-mutants: files that the same tests judge.
#[derive(Debug, PartialEq)]
struct Job {
    package: &'static str,
    beside: &'static [&'static str],
    globs: Vec<String>,
}

/// What is asked for, by the tests that judge it.
fn jobs(arguments: &Arguments) -> Result<Vec<Job>> {
    let asked: Vec<(&Room, Vec<String>)> = if arguments.files.is_empty() {
        let is_named =
            |room: &&Room| arguments.rooms.is_empty() || arguments.rooms.iter().any(|name| name == room.name);
        ROOMS.iter().filter(is_named).map(|room| (room, globs(room))).collect()
    } else {
        arguments.files.iter().map(|file| Ok((room_of(file)?, vec![file.clone()]))).collect::<Result<_>>()?
    };
    let mut jobs: Vec<Job> = Vec::new();
    for (Room { package, beside, .. }, globs) in asked {
        match jobs.iter_mut().find(|job| (job.package, job.beside) == (*package, *beside)) {
            Some(job) => job.globs.extend(globs),
            None => jobs.push(Job { package, beside, globs }),
        }
    }
    Ok(jobs)
}

/// Where a file lies: by that it is known which tests judge it.
fn room_of(file: &str) -> Result<&'static Room> {
    let lies_in = |room: &&Room| Path::new(file).starts_with(room.place);
    ROOMS.iter().chain([&MODEL, &TOOL]).find(lies_in).with_context(|| {
        format!(
            "{file} is not below the src of backlog-trace or of its -common, -model and -selftest, whose tests judge mutants"
        )
    })
}

fn globs(room: &Room) -> Vec<String> {
    let Room { place, files, .. } = room;
    if files.is_empty() {
        return vec![format!("{place}/**")];
    }
    files.iter().map(|file| format!("{place}/{file}.rs")).collect()
}

/// What cargo is called with.
fn command_line(job: &Job, arguments: &Arguments, output: &Path, difference: &Path) -> Vec<String> {
    let mut line = vec!["mutants".to_owned(), format!("--package={}", job.package)];
    line.extend([format!("--output={}", output.display()), format!("--timeout={TIMEOUT}")]);
    line.push(format!("--jobs={}", arguments.jobs));
    if arguments.list {
        line.push("--list".to_owned());
    }
    if arguments.in_diff.is_some() {
        line.push(format!("--in-diff={}", difference.display()));
    }
    line.extend(job.globs.iter().map(|glob| format!("--file={glob}")));
    line.extend(["--".to_owned(), "--lib".to_owned()]);
    line.extend(job.beside.iter().map(|test| format!("--test={test}")));
    line
}

/// Mutants that no test noticed, as cargo-mutants has written them down.
fn survivors(output: &Path) -> Vec<String> {
    let lines = |name: &str| std::fs::read_to_string(output.join(name)).unwrap_or_default();
    let missed = lines("missed.txt").lines().map(str::to_owned).collect::<Vec<_>>();
    let late =
        lines("timeout.txt").lines().map(|line| format!("{line} (no end within {TIMEOUT} s)")).collect();
    [missed, late].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(rooms: &[&str], files: &[&str]) -> Arguments {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Arguments { rooms: owned(rooms), files: owned(files), in_diff: None, jobs: 1, list: false }
    }

    fn lines(arguments: &Arguments) -> Vec<String> {
        let jobs = jobs(arguments).unwrap();
        jobs.iter()
            .map(|job| command_line(job, arguments, Path::new("out"), Path::new("diff")).join(" "))
            .collect()
    }

    #[test]
    fn every_room_has_its_files() {
        assert_eq!(ROOMS.each_ref().map(|room| room.name), NAMES);
        for Room { place, files, beside, .. } in &ROOMS {
            assert!(workspace::root().join(place).is_dir(), "{place}");
            let files = files.iter().map(|file| format!("{place}/{file}.rs"));
            for path in files.chain(beside.iter().map(|test| format!("backlog-trace-model/tests/{test}.rs")))
            {
                assert!(workspace::root().join(&path).is_file(), "{path}");
            }
        }
    }

    #[test]
    fn what_cargo_is_called_with() {
        let [common, model, view, tool, selftest] = lines(&arguments(&[], &[])).try_into().unwrap();
        let options = "--output=out --timeout=120 --jobs=1";
        let of_common = format!(
            "mutants --package=backlog-trace-common {options} --file=backlog-trace-common/src/** -- --lib"
        );
        assert_eq!(common, of_common);
        assert!(model.contains("/tally/** ") && !model.contains("/view/"), "{model}");
        assert!(tool.contains("/polled/account.rs ") && tool.ends_with(" -- --lib"), "{tool}");
        assert!(view.contains("/view/** -- --lib --test=golden"), "{view}");
        assert!(
            selftest.contains("--package=backlog-trace-selftest ") && !selftest.contains("scenarios"),
            "{selftest}"
        );
        let file = lines(&arguments(&[], &["backlog-trace-model/src/view/wrap.rs"]));
        assert!(
            file[0].contains("--file=backlog-trace-model/src/view/wrap.rs -- --lib --test=golden"),
            "{file:?}"
        );
        let changed =
            Arguments { in_diff: Some("main".to_owned()), list: true, ..arguments(&["event"], &[]) };
        let changed = lines(&changed);
        let expected = "--list --in-diff=diff --file=backlog-trace-model/src/event/** -- --lib";
        assert!(changed.len() == 1 && changed[0].ends_with(expected), "{changed:?}");
        let elsewhere = jobs(&arguments(&[], &["xtask/src/main.rs"])).unwrap_err().to_string();
        assert!(elsewhere.contains("xtask/src/main.rs is not below"), "{elsewhere}");
    }

    #[test]
    fn survivors_are_what_was_missed_and_what_found_no_end() {
        let directory = tempfile::tempdir().unwrap();
        assert!(survivors(directory.path()).is_empty());
        std::fs::write(directory.path().join("missed.txt"), "a.rs:1:2: replace f\n").unwrap();
        std::fs::write(directory.path().join("timeout.txt"), "a.rs:3:4: replace g\n").unwrap();
        let found = survivors(directory.path());
        assert_eq!(found, ["a.rs:1:2: replace f", "a.rs:3:4: replace g (no end within 120 s)"]);
    }
}
