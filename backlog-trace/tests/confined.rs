//! What the real program has left while it observes or reads: that each of its
//! threads has confined itself, seen from outside. It polls, so that every
//! kernel and every user can run it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the scene")]
#[path = "../../backlog-trace-model/tests/scene/mod.rs"]
mod scene;
#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use backlog_trace::recording_file::{self, Overwrite};
use backlog_trace::{Fence, fence_of_this_kernel};
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::CapabilitySet;
use tool::skipped::{NEEDS_LANDLOCK, skipped};
use tool::tool;

/// How long anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ended, should the test not come to its end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until(done: impl Fn() -> bool) -> bool {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > PATIENCE {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// A thread: its name, its permitted and effective capabilities, and whether
/// there is a way back to more.
#[derive(Debug)]
struct Thread {
    name: String,
    permitted: CapabilitySet,
    effective: CapabilitySet,
    no_way_back: bool,
}

impl Thread {
    /// `None`: it has ended meanwhile.
    fn read(task: &Path) -> Option<Self> {
        let status = fs::read_to_string(task.join("status")).ok()?;
        let field = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap().trim().to_owned()
        };
        let set = |name| CapabilitySet::from_bits_retain(u64::from_str_radix(&field(name), 16).unwrap());
        Some(Self {
            name: field("Name:"),
            permitted: set("CapPrm:"),
            effective: set("CapEff:"),
            no_way_back: field("NoNewPrivs:") == "1",
        })
    }

    fn all_of(process: u32) -> Vec<Self> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        tasks.filter_map(|task| Self::read(&task.ok()?.path())).collect()
    }

    /// Whether it has no more left than it needs: who names sockets enters
    /// namespaces and looks at other users' processes, the others need nothing.
    fn is_confined(&self, own: CapabilitySet) -> bool {
        let names_sockets = ["observe", "netns"].contains(&self.name.as_str());
        let naming = CapabilitySet::SYS_ADMIN | CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
        let kept = if names_sockets { own & naming } else { CapabilitySet::empty() };
        self.no_way_back && self.permitted == kept && self.effective == kept
    }
}

#[test]
fn each_thread_of_an_observation_has_given_up_what_it_does_not_need() {
    let own = rustix::thread::capabilities(None).unwrap().permitted;
    let mut command = tool(&["hist", "--rung", "counters"]);
    let running = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let process = running.0.id();
    let are_confined = || {
        let threads = Thread::all_of(process);
        threads.iter().any(|thread| thread.name == "observe")
            && threads.iter().all(|thread| thread.is_confined(own))
    };
    assert!(wait_until(are_confined), "{:#?}", Thread::all_of(process));
    kill_process(Pid::from_raw(process.try_into().unwrap()).unwrap(), Signal::INT).unwrap();
}

/// A recording is read from a pipe, and what shall be read after it is
/// another file by then: the fence is around the files that were there.
#[test]
fn what_reads_recordings_is_fenced_in_before_it_reads_any() {
    if !matches!(fence_of_this_kernel(), Ok(Fence::Whole | Fence::Partial)) {
        return skipped(NEEDS_LANDLOCK);
    }
    let directory = tempfile::tempdir().unwrap();
    let [named, other] = ["named", "other"].map(|name| directory.path().join(name));
    for path in [&named, &other] {
        let mut writer = recording_file::begin(path, Overwrite::Refuse).unwrap();
        scene::overload().iter().for_each(|event| writer.write(event).unwrap());
        writer.finish().unwrap();
    }
    let mut command = tool(&["report", "-", named.to_str().unwrap()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut input = running.0.stdin.take().unwrap();
    input.write_all(&fs::read(&named).unwrap()).unwrap();
    assert!(wait_until(|| ioctl_fionread(&input).unwrap() == 0), "it does not read");
    fs::rename(&other, &named).unwrap();
    drop(input);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut running.0.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("Permission denied"), "{said}");
    assert!(!running.0.wait().unwrap().success());
}
