//! A cgroup below this process's own with one limit, of version 1 or 2: gone
//! when it is dropped. Refuses to change what was there before.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::tool::Circumstances;
use crate::tool::skipped::skipped;

pub(super) struct ControlGroup {
    place: PathBuf,
}

impl ControlGroup {
    /// One with this limit; says that this part is skipped where this host has no
    /// place for it.
    #[track_caller]
    pub(super) fn make(controller: &str, limit: &str) -> Option<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (first, second) = match controller {
            "memory" => ("memory.limit_in_bytes", "memory.max"),
            _ => ("pids.max", "pids.max"),
        };
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("backlog-trace-{}-{number}", std::process::id());
        let mounted = Path::new("/sys/fs/cgroup");
        for (parent, file) in [(mounted.join(controller), first), (mounted.to_path_buf(), second)] {
            let place = parent.join(&name);
            if !parent.join("cgroup.procs").exists() || fs::create_dir(&place).is_err() {
                continue;
            }
            let group = Self { place };
            if group.place.join(file).exists() && fs::write(group.place.join(file), limit).is_ok() {
                return Some(group);
            }
        }
        skipped(&format!("needs a cgroup with the controller {controller} that others can be made in"));
        None
    }

    /// The command is started inside.
    pub(super) fn hold(&self, command: &mut Command) {
        let members = File::options().write(true).open(self.place.join("cgroup.procs"));
        let members = Arc::new(members.unwrap());
        // 0 is whoever writes it.
        command.in_child(move || rustix::io::write(&members, b"0").map(drop).map_err(io::Error::from));
    }
}

impl Drop for ControlGroup {
    fn drop(&mut self) {
        // What has just ended in it is still being counted.
        for _ in 0..100 {
            if fs::remove_dir(&self.place).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
