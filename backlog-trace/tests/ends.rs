//! However an observation ends, its result and its recording are there: by
//! signals, with readers that died or stopped, with streams that are full,
//! closed or limited. Each is the real program; it polls, so that every kernel
//! and every user can run it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use backlog_trace::recording_file;
use backlog_trace_model::failure::Exit;
use backlog_trace_model::trace::Reader;
use rustix::fs::OFlags;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, kill_process_group, setrlimit};
use serde_json::Value;
use tool::{Circumstances, tool};

/// How long anything here may take on a busy machine. What is bounded by the
/// program itself (5 s for a reader that has stopped) is far below.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every text result ends with.
const RESULT: &str = "kernel counters";

struct Observation {
    child: Child,
    directory: tempfile::TempDir,
}

impl Observation {
    /// Starts one and waits until it observes. `arguments` may name `FILE`, a
    /// recording in a directory of its own.
    fn start(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name).to_str().unwrap().to_owned();
        let (file, ready) = (path("FILE"), path("ready"));
        let (before, after): (Vec<&str>, Vec<&str>) = match arguments.iter().position(|one| *one == "--") {
            Some(at) => (arguments[..at].to_vec(), arguments[at..].to_vec()),
            None => (arguments.to_vec(), Vec::new()),
        };
        let mut command = tool(&[]);
        command.args(before.iter().map(|one| if *one == "FILE" { file.as_str() } else { one }));
        command.args(["--rung", "counters", "--ready-file", &ready]).args(after);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        change(&mut command);
        let child = command.spawn().unwrap();
        let observation = Self { child, directory };
        wait_until(|| Path::new(&ready).exists());
        observation
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap()).unwrap()
    }

    fn ended(self) -> Ended {
        let Self { mut child, directory } = self;
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("it did not end");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { status, stdout: text(stdout), stderr: text(stderr), directory }
    }
}

struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    directory: tempfile::TempDir,
}

impl Ended {
    #[track_caller]
    fn check(&self, exit: Exit) {
        let Self { status, stdout, stderr, .. } = self;
        assert_eq!(status.code(), Some(exit as i32), "{status}\n{stdout}\n{stderr}");
    }

    /// The result is on standard error, and why is said after it.
    #[track_caller]
    fn check_rescued(&self, why: &str) {
        self.check(Exit::OutputFailed);
        let at = |word| self.stderr.find(word).unwrap_or_else(|| panic!("no {word:?} in {}", self.stderr));
        assert!(at(RESULT) < at(why), "{}", self.stderr);
        assert!(self.stderr.contains("the result is printed above instead"), "{}", self.stderr);
    }

    /// The recording can be read and lacks nothing.
    #[track_caller]
    fn check_recording(&self) {
        let mut reader = recording_file::open(&self.directory.path().join("FILE")).unwrap();
        assert!(reader.by_ref().count() > 2);
        assert!(reader.damage().is_none(), "{:?}", reader.damage());
    }
}

#[track_caller]
fn wait_until(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "it does not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A pipe with no room left.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
    rustix::fs::fcntl_setfl(&writer, flags | OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'.'; 4096]).is_ok() {}
    while writer.write(b".").is_ok() {}
    rustix::fs::fcntl_setfl(&writer, flags).unwrap();
    (reader, writer)
}

fn limit_files(command: &mut Command, bytes: u64) {
    command.in_child(move || {
        let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
        setrlimit(Resource::Fsize, limit).map_err(std::io::Error::from)
    });
}

#[test]
fn each_signal_that_asks_for_it_ends_it_with_its_result_and_recording() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let record = Observation::start(&["record", "-o", "FILE"], |_| {});
        let live = Observation::start(&["live"], |_| {});
        record.signal(signal);
        live.signal(signal);
        for ended in [record.ended(), live.ended()] {
            ended.check(Exit::Success);
            assert!(ended.stdout.contains(RESULT), "{signal:?}: {}", ended.stdout);
            if ended.directory.path().join("FILE").exists() {
                ended.check_recording();
            }
        }
    }
}

/// nohup says that a closed terminal is no reason to end.
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let mut nohup = Command::new("/bin/sh");
    let directory = tempfile::tempdir().unwrap();
    let (ready, out) = (directory.path().join("ready"), directory.path().join("out"));
    nohup.arg("-c").arg(format!(
        "trap '' HUP; exec {} hist --rung counters --ready-file {} >{}",
        tool(&[]).get_program().display(),
        ready.display(),
        out.display()
    ));
    let mut child = nohup.stderr(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    wait_until(|| ready.exists());
    kill_process(pid, Signal::HUP).unwrap();
    // Were it taken, it would be the first of two.
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(fs::read_to_string(out).unwrap().contains(RESULT));
}

/// Ctrl-C reaches every program of a pipeline, and tee dies of it first.
#[test]
fn ctrl_c_in_a_pipeline_keeps_the_result() {
    for (tee, rescued) in [("tee", true), ("tee -i", false)] {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        let script = format!(
            "(trap : INT; {} hist --rung counters --ready-file {}; echo $? >{}) 2>{} | {tee} {} >/dev/null",
            tool(&[]).get_program().display(),
            path("ready").display(),
            path("code").display(),
            path("talk").display(),
            path("out").display()
        );
        let mut shell = Command::new("/bin/sh");
        shell.with_default_signals();
        // Both shells wait for their pipeline; only what they run is to end of it.
        let mut child =
            shell.args(["-c", &format!("trap : INT; {script}")]).process_group(0).spawn().unwrap();
        wait_until(|| path("ready").exists());
        kill_process_group(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), Signal::INT).unwrap();
        child.wait().unwrap();
        wait_until(|| fs::read_to_string(path("code")).is_ok_and(|code| code.ends_with('\n')));
        let read = |name| fs::read_to_string(path(name)).unwrap_or_default();
        let (code, kept) = if rescued { ("5\n", read("talk")) } else { ("0\n", read("out")) };
        assert_eq!(read("code"), code, "{tee}: {}", read("talk"));
        assert!(kept.contains(RESULT), "{tee}: {kept}");
        assert_eq!(read("talk").contains("whoever read it ended first"), rescued, "{tee}");
    }
}

#[test]
fn a_reader_that_goes_away_by_itself_is_success_in_silence() {
    let mut observation = Observation::start(&["hist"], |_| {});
    drop(observation.child.stdout.take());
    let ended = observation.ended();
    ended.check(Exit::Success);
    assert!(!ended.stderr.contains(RESULT), "{}", ended.stderr);
}

/// Neither a stopped `less` nor a hung ssh holds it up.
#[test]
fn a_first_signal_ends_it_though_nobody_reads() {
    for signal in [Signal::TERM, Signal::HUP] {
        let (_reader, writer) = full_pipe();
        let record = Observation::start(&["record", "-o", "FILE"], |command| {
            command.stdout(writer.try_clone().unwrap());
        });
        let hist = Observation::start(&["hist", "--interval", "100ms"], |command| {
            command.stdout(writer.try_clone().unwrap());
        });
        std::thread::sleep(Duration::from_millis(300));
        record.signal(signal);
        hist.signal(signal);
        let ended = record.ended();
        ended.check_rescued("nobody reads it");
        ended.check_recording();
        hist.ended().check_rescued("nobody reads it");
    }
}

#[test]
fn it_ends_though_nobody_takes_its_result_nor_its_talk() {
    let (_reader, writer) = full_pipe();
    let observation = Observation::start(&["record", "-o", "FILE"], |command| {
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
    });
    observation.signal(Signal::TERM);
    let ended = observation.ended();
    ended.check(Exit::OutputFailed);
    ended.check_recording();
}

/// Where standard output takes nothing, a person still gets the result.
#[test]
fn a_result_that_finds_no_room_is_printed_on_standard_error() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let hist = Observation::start(&["hist", "--duration", "200ms"], |command| {
        command.stdout(full());
    });
    hist.ended().check_rescued("No space left on device");
}

#[test]
fn talk_that_nobody_takes_changes_nothing() {
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for stderr in [full, gone] {
        for arguments in [
            &["listeners", "--port", "0-65535"][..],
            &["hist", "--rung", "counters", "--duration", "200ms", "--port", "0"],
            &["live", "--rung", "counters", "--duration", "200ms", "--", "sh", "-c", "exit 3"],
        ] {
            let mut command = tool(arguments);
            // Something to say, and a record of what is not said.
            let output = command.env("BACKLOG_TRACE_LOG", "trace").stderr(stderr()).output().unwrap();
            let expected = [Some(Exit::Success as i32), Some(Exit::NotFound as i32)];
            assert!(expected.contains(&output.status.code()), "{arguments:?}: {}", output.status);
        }
        let failed = tool(&["report", "/no/such/file"]).stderr(stderr()).status().unwrap();
        assert_eq!(failed.code(), Some(Exit::BadInput as i32));
        let usage = tool(&["hist", "--no-such"]).stderr(stderr()).status().unwrap();
        assert_eq!(usage.code(), Some(Exit::Usage as i32));
    }
}

#[test]
fn a_standard_output_that_is_closed_is_told_by_the_exit_code() {
    for arguments in [
        "listeners",
        "check",
        "selftest --list",
        "hist --duration 1s",
        "live",
        "record -o /nonexistent/new",
        "--help",
    ] {
        let mut command = tool(&arguments.split(' ').collect::<Vec<_>>());
        command.in_child(|| {
            #[expect(unsafe_code, reason = "a standard stream is closed by its number")]
            // SAFETY: between fork and exec nothing else uses it.
            unsafe {
                rustix::io::close(1);
            }
            Ok(())
        });
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(Exit::OutputFailed as i32), "{arguments}: {said}");
        assert!(said.contains("standard output is closed"), "{arguments}: {said}");
    }
    // What leads to /dev/null is not closed.
    let quiet = tool(&["selftest", "--list"]).stdout(Stdio::null()).status().unwrap();
    assert_eq!(quiet.code(), Some(0));
}

/// The limit on the size of a file is met in the middle of a frame.
#[test]
fn a_recording_that_meets_the_limit_on_file_sizes_holds_whole_frames() {
    for bytes in [40, 900, 1500, 2500] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("FILE");
        let mut command = tool(&["record", "--rung", "counters", "--duration", "60s", "-o"]);
        limit_files(command.arg(&path), bytes);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            output.status.code(),
            Some(Exit::OutputFailed as i32),
            "{bytes}: {}: {said}",
            output.status
        );
        assert!(said.contains("File too large") && said.contains("ulimit -f"), "{said}");
        if let Ok(mut reader) = recording_file::open(&path) {
            assert!(reader.by_ref().count() > 0);
            let damage = reader.damage();
            assert_eq!((damage.cut_bytes, damage.unread_bytes), (0, 0), "{bytes}: {damage:?}");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["check"][..], &["--help"], &["selftest", "--list"]] {
        let mut command = tool(arguments);
        limit_files(&mut command, 100);
        let out = File::create(directory.path().join("out")).unwrap();
        let output = command.stdout(out).output().unwrap();
        assert_eq!(output.status.code(), Some(Exit::OutputFailed as i32), "{arguments:?}: {}", output.status);
    }
}

#[test]
fn a_stretch_of_time_that_no_clock_holds_is_a_usage_error() {
    for option in ["--duration", "--interval"] {
        for time in ["999999999999h", "2562047788015215h", "9223372036854775807s", "101y", "1000000h"] {
            let arguments = ["hist", "--rung", "counters", option, time, "--", "true"];
            let output = tool(&arguments).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(Exit::Usage as i32), "{option} {time}: {said}");
            assert!(said.contains(time) && !said.contains("panicked"), "{said}");
        }
    }
}

/// The masks of the command after `--`, as /proc tells them.
#[test]
fn the_command_finds_its_signals_as_a_shell_would_give_them() {
    // No shell between: dash blocks signals while it starts a program.
    let arguments = ["hist", "--rung", "counters", "--", "grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"];
    let output = tool(&arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for name in ["SigIgn:", "SigBlk:"] {
        let mask = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
        for signal in [Signal::PIPE, Signal::XFSZ, Signal::INT, Signal::TERM, Signal::HUP] {
            assert_eq!(mask >> (signal.as_raw() - 1) & 1, 0, "{signal:?} of {name}");
        }
    }
}

fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.starts_with(" Z"))
}

/// README: the observation ends with the command, and lets alone what that has
/// left behind.
#[test]
fn what_the_command_leaves_behind_goes_on_and_is_not_waited_for() {
    let script = "sleep 300 >/dev/null 2>&1 & echo $!";
    let begun = Instant::now();
    let output = tool(&["hist", "--rung", "counters", "--", "sh", "-c", script]).output().unwrap();
    assert!(begun.elapsed() < PATIENCE && output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let pid: i32 = text.lines().next().unwrap().parse().unwrap();
    assert!(is_running(pid));
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// README: a command that outlives the observation is sent SIGTERM, it alone;
/// by Ctrl-C and SIGHUP the terminal has told the others.
#[test]
fn a_command_that_outlives_the_observation_is_ended_and_its_children_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let pids = directory.path().join("pids");
    let script = format!("sleep 300 >/dev/null 2>&1 & echo $$ $! >{}; wait", pids.display());
    let arguments = ["hist", "--rung", "counters", "--duration", "1s", "--", "sh", "-c", &script];
    let status = tool(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let pids = fs::read_to_string(pids).unwrap();
    let [command, left] = pids.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<i32>>()[..]
    else {
        panic!("{pids}")
    };
    assert!(!is_running(command) && is_running(left));
    kill_process(Pid::from_raw(left).unwrap(), Signal::KILL).unwrap();
}

/// The whole foreground gets Ctrl-C: no process of the command is left.
#[test]
fn ctrl_c_at_a_terminal_reaches_the_command_and_its_children() {
    // In the foreground: what a script puts into the background ignores Ctrl-C.
    let script = "sh -c 'echo $$ >&2; exec sleep 300'; true";
    let mut observation = Observation::start(&["hist", "--", "sh", "-c", script], |_| {});
    let mut stderr = observation.child.stderr.take().unwrap();
    let mut said = String::new();
    // What the tool itself says comes first.
    let left: i32 = loop {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        if byte != *b"\n" {
            said.push(char::from(byte[0]));
        } else if let Ok(number) = said.parse() {
            break number;
        } else {
            said.clear();
        }
    };
    kill_process_group(observation.pid(), Signal::INT).unwrap();
    observation.ended().check(Exit::Success);
    wait_until(|| !is_running(left));
}

#[test]
fn a_recording_can_be_piped() {
    let directory = tempfile::tempdir().unwrap();
    let mut record = tool(&["record", "--rung", "counters", "--duration", "300ms", "-o", "-"]);
    let output = record.current_dir(directory.path()).args(["--", "echo", "loud"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "a file is left");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(RESULT) && said.contains("loud"), "{said}");
    let mut reader = Reader::from_bytes(&output.stdout).unwrap();
    assert!(reader.by_ref().count() > 2 && reader.damage().is_none(), "{:?}", reader.damage());

    let path = directory.path().join("recording");
    fs::write(&path, &output.stdout).unwrap();
    let mut report = tool(&["report", "-", "--format", "json"]);
    let report = report.stdin(File::open(&path).unwrap()).output().unwrap();
    let object: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!((&object["complete"], &object["recording"]), (&true.into(), &"-".into()), "{object}");
}
