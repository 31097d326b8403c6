//! How much memory the cgroup of this process may take: the lowest limit from
//! there to the root, by the files of version 2 or of version 1.
//!
//! It refuses to look for hierarchies that are mounted elsewhere: then nothing
//! is known beforehand.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// A limit, and the file that has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Limit {
    pub(super) bytes: u64,
    pub(super) file: PathBuf,
}

/// The lowest of them, from a /proc/PID/cgroup (cgroups(7)) and the place where
/// hierarchies are mounted.
pub(super) fn memory(of_process: &Path, mounted: &Path) -> Option<Limit> {
    let text = fs::read_to_string(of_process).ok()?;
    text.lines().filter_map(|line| along(line, mounted)).min_by_key(|limit| limit.bytes)
}

/// The lowest along one line's path. A container may see a path that leads
/// nowhere in its own mounts; the root of those is its cgroup then.
fn along(line: &str, mounted: &Path) -> Option<Limit> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let (root, name) = match controllers {
        "" => (mounted.to_path_buf(), "memory.max"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            (mounted.join("memory"), "memory.limit_in_bytes")
        }
        _ => return None,
    };
    // Outside of the namespace's own root it begins with "..".
    let below: PathBuf =
        Path::new(path).components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let limit = |place: &Path| {
        let file = root.join(place).join(name);
        let bytes = fs::read_to_string(&file).ok()?.trim_end().parse().ok()?;
        Some(Limit { bytes, file })
    };
    below.ancestors().filter_map(limit).min_by_key(|limit| limit.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process whose /proc/PID/cgroup says this, where these files are.
    #[track_caller]
    fn check(lines: &str, files: &[(&str, &str)], expected: Option<(u64, &str)>) {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let process = directory.path().join("process");
        fs::write(&process, lines).unwrap();
        let expected = expected.map(|(bytes, file)| Limit { bytes, file: directory.path().join(file) });
        assert_eq!(memory(&process, directory.path()), expected, "{lines}");
    }

    #[test]
    fn the_lowest_limit_on_the_way_up_holds() {
        let inner = ("a/b/memory.max", "50000000\n");
        check("0::/a/b\n", &[inner], Some((50_000_000, "a/b/memory.max")));
        check("0::/a/b\n", &[inner, ("a/memory.max", "4096\n")], Some((4096, "a/memory.max")));
        check("0::/a/b\n", &[inner, ("a/memory.max", "max\n")], Some((50_000_000, "a/b/memory.max")));
        check("0::/a/b\n", &[("a/b/memory.max", "max\n")], None);
    }

    #[test]
    fn a_container_finds_its_own_at_the_root() {
        check("0::/\n", &[("memory.max", "4096\n")], Some((4096, "memory.max")));
        check("0::/../../x\n", &[("memory.max", "4096\n")], Some((4096, "memory.max")));
    }

    #[test]
    fn version_1_has_a_hierarchy_for_it() {
        let files = [("memory/x/memory.limit_in_bytes", "4096\n"), ("x/memory.max", "1\n")];
        check("4:cpu,memory:/x\n3:pids:/x\n", &files, Some((4096, "memory/x/memory.limit_in_bytes")));
        check("3:pids:/x\n", &files, None);
    }

    #[test]
    fn what_is_no_line_of_it_is_passed_over() {
        for lines in ["", "\n", "x", "0:", "0::", "::::", "4:memory"] {
            check(lines, &[], None);
        }
    }
}
