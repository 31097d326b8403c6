//! The cgroup of a process or of a cgroup id, as a path below the cgroup root.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::process::read_bounded;

/// Directories that one walk of the hierarchy looks at, at most.
const MOST_DIRECTORIES: usize = 65_536;

/// A walk is not repeated sooner, however many unknown ids are asked for.
const BETWEEN_WALKS: Duration = Duration::from_secs(5);

/// v1 controllers whose path says which service or container it is, the best
/// first: systemd's own hierarchy, then those that container engines always use.
const CONTROLLERS: [&str; 5] = ["name=systemd", "memory", "cpu", "pids", "cpuset"];

/// cgroup path of a process; `None` once it is gone, or where it has none.
pub(super) fn of_process(pid: u32) -> Option<String> {
    let bytes = read_bounded(&format!("/proc/{pid}/cgroup"), 64 * 1024).ok()?;
    parse(&String::from_utf8_lossy(&bytes))
}

/// The path in a `/proc/PID/cgroup`, whose lines are
/// `HIERARCHY:CONTROLLERS:PATH` (man 7 cgroups).
///
/// The v2 line (`0::PATH`) is taken unless it is the root while a v1
/// hierarchy knows better, as on hosts where v2 is mounted but not used.
pub(super) fn parse(text: &str) -> Option<String> {
    let lines: Vec<(&str, &str, &str)> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            Some((fields.next()?, fields.next()?, fields.next()?))
        })
        .filter(|(_, _, path)| path.starts_with('/'))
        .collect();
    let unified = lines.iter().find(|(id, controllers, _)| *id == "0" && controllers.is_empty());
    let (v2, v1) = (unified.map(|(_, _, path)| *path), |controller: &str| {
        lines
            .iter()
            .find(|(_, names, path)| *path != "/" && names.split(',').any(|name| name == controller))
            .map(|(_, _, path)| *path)
    });
    v2.filter(|path| *path != "/")
        .or_else(|| CONTROLLERS.iter().find_map(|controller| v1(controller)))
        .or(v2)
        .or_else(|| lines.first().map(|(_, _, path)| *path))
        .map(str::to_owned)
}

/// cgroup paths by cgroup id, which is the inode number of the directory in
/// the v2 hierarchy.
#[derive(Debug, Default)]
pub(super) struct Ids {
    paths: HashMap<u64, String>,
    walked: Option<Instant>,
}

impl Ids {
    /// The path of an id, from a walk of the hierarchy where it is not known yet.
    pub(super) fn path(&mut self, id: u64) -> Option<String> {
        if !self.paths.contains_key(&id) && self.walked.is_none_or(|at| at.elapsed() > BETWEEN_WALKS) {
            self.walked = Some(Instant::now());
            self.paths = root().map(|root| walk(&root)).unwrap_or_default();
        }
        self.paths.get(&id).cloned()
    }
}

/// Where the v2 hierarchy is mounted: every directory of it has this file.
pub(super) fn root() -> Option<PathBuf> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .into_iter()
        .map(PathBuf::from)
        .find(|root| root.join("cgroup.controllers").exists())
}

fn walk(root: &Path) -> HashMap<u64, String> {
    let mut paths = HashMap::new();
    let mut waiting = VecDeque::from([root.to_owned()]);
    while let Some(directory) = waiting.pop_front() {
        if paths.len() >= MOST_DIRECTORIES {
            break;
        }
        let Ok(metadata) = fs::metadata(&directory) else { continue };
        let below = directory.strip_prefix(root).unwrap_or(Path::new(""));
        paths.insert(metadata.ino(), format!("/{}", below.to_string_lossy()));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        waiting.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
    paths
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(parse(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn which_line_names_the_service() {
        check("0::/system.slice/nginx.service\n", Some("/system.slice/nginx.service"));
        check("0::/\n", Some("/"));
        // A colon is allowed in a path.
        check("0::/a:b/c\n", Some("/a:b/c"));
        // Hybrid: systemd's names stand in the v2 line too.
        check("5:memory:/user.slice\n0::/user.slice/app.scope\n", Some("/user.slice/app.scope"));
        // v2 mounted, not used.
        check("9:name=systemd:/\n4:memory:/docker/abc\n1:cpu,cpuacct:/docker\n0::/\n", Some("/docker/abc"));
        check(
            "9:name=systemd:/system.slice/a.service\n4:memory:/docker/abc\n",
            Some("/system.slice/a.service"),
        );
        check("2:cpu,cpuacct:/x\n", Some("/x"));
        check("2:blkio:/x\n", Some("/x"));
        check("2:memory:/\n", Some("/"));
    }

    #[test]
    fn what_is_no_cgroup_line_is_none() {
        check("", None);
        check("0:\n0::relative\nnonsense\n", None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text: String, lines in "([0-9]:[a-z,=]{0,8}:/?[a-z/]{0,8}\n)*") {
            let _ = parse(&text);
            let _ = parse(&lines);
        }

        #[test]
        fn a_v2_path_comes_back(path in "/[^\n\r]{1,40}") {
            prop_assert_eq!(parse(&format!("0::{path}\n")), Some(path));
        }
    }

    #[test]
    fn an_id_is_the_inode_of_its_directory() {
        let root = tempfile::tempdir().unwrap();
        let service = root.path().join("system.slice/nginx.service");
        fs::create_dir_all(&service).unwrap();
        fs::write(root.path().join("cgroup.controllers"), "").unwrap();
        let paths = walk(root.path());
        assert_eq!(
            paths.get(&fs::metadata(&service).unwrap().ino()).map(String::as_str),
            Some("/system.slice/nginx.service")
        );
        assert_eq!(paths.get(&fs::metadata(root.path()).unwrap().ino()).map(String::as_str), Some("/"));
        assert_eq!(paths.len(), 3);
    }

    #[test]
    fn this_process_has_a_cgroup() {
        assert!(of_process(std::process::id()).is_some_and(|path| path.starts_with('/')));
    }
}
