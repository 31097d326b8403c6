//! What `--netns` may say: an inode number, a name under /run/netns, or a path.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use backlog_trace_model::failure::{Exit, Failure, Result};

use super::nsfs::Found;

/// Where `ip netns` and container engines mount namespaces.
const DIRECTORIES: [&str; 3] = ["/run/netns", "/run/docker/netns", "/var/run/docker/netns"];

/// The names that `ip netns` shows, by inode number. Container engines name
/// theirs by numbers that nobody knows; there a process says more.
pub(super) fn names() -> HashMap<u32, String> {
    names_in(Path::new(DIRECTORIES[0]))
}

/// A file that is no namespace, such as one whose mount is gone, may have the number
/// of one in a file system of its own.
fn names_in(directory: &Path) -> HashMap<u32, String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let found = Found::at(&entry.path()).ok()??;
            Some((found.inode(), entry.file_name().to_string_lossy().into_owned()))
        })
        .collect()
}

/// The inode number of a namespace as a person names it.
///
/// A number is taken as it is; whether a namespace has it, the pool knows.
///
/// # Errors
/// `NotFound` for a name or path that leads to no namespace, `NotPermitted`
/// for one that may not be looked at.
pub(crate) fn netns(text: &str) -> Result<u32> {
    if let Ok(inode) = text.parse() {
        return Ok(inode);
    }
    let advice =
        "give its inode number (lsns -t net), its name (ip netns) or a path such as /proc/PID/ns/net";
    let not_found = |what: String| Failure::new(Exit::NotFound, what).advise(advice);
    let candidates: Vec<PathBuf> = if text.contains('/') {
        vec![PathBuf::from(text)]
    } else {
        DIRECTORIES.iter().map(|directory| Path::new(directory).join(text)).collect()
    };
    for path in candidates {
        match Found::at(&path) {
            Ok(Some(found)) => return Ok(found.inode()),
            Ok(None) => return Err(not_found(format!("{} is no network namespace", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(Failure::new(
                    Exit::NotPermitted,
                    format!("cannot look at {}: {error}", path.display()),
                )
                .advise("run as root, or name the namespace by its inode number"));
            }
            Err(_) => {}
        }
    }
    Err(not_found(format!("there is no network namespace '{text}'")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_number_is_taken_as_it_is() {
        assert_eq!(netns("4026531840").unwrap(), 4_026_531_840);
    }

    #[test]
    fn a_path_leads_to_the_inode_number() {
        let own = std::fs::metadata("/proc/self/ns/net").unwrap().ino();
        assert_eq!(u64::from(netns("/proc/self/ns/net").unwrap()), own);
    }

    #[test]
    fn what_is_no_namespace_gives_none_its_name() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("left"), "").unwrap();
        std::os::unix::fs::symlink("/proc/self/ns/net", directory.path().join("blue")).unwrap();
        std::os::unix::fs::symlink("/nowhere", directory.path().join("gone")).unwrap();
        let own = netns("/proc/self/ns/net").unwrap();
        assert_eq!(names_in(directory.path()), HashMap::from([(own, "blue".to_owned())]));
    }

    #[test]
    fn what_is_no_namespace_is_not_found() {
        for text in ["no-such-namespace", "/proc/self/status", "/nowhere", "", "4294967296", "../run", "a\0b"]
        {
            assert_eq!(netns(text).unwrap_err().exit, Exit::NotFound, "{text:?}");
        }
        let failure = netns("/proc/self/ns/mnt").unwrap_err();
        assert!(failure.what.contains("is no network namespace"), "{failure}");
    }
}
