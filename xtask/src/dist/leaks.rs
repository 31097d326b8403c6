//! What a binary tells of the machine that has built it: directories by their
//! paths. Which bytes differ between two builds is not asked here.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::Site;
use crate::remap;

/// As many are shown: one missing name makes hundreds.
const SHOWN: usize = 10;

/// Directories that no string may hold. What is in the home directory is named
/// one by one: that of root alone begins strings that speak of a container's root.
pub(super) fn telling(site: &Site) -> BTreeSet<PathBuf> {
    let home = env::var_os("HOME").map(PathBuf::from);
    // Containers have been seen whose home is /: everything there is in any program.
    let home = home.filter(|home| home.is_absolute() && home.parent().is_some());
    // A distribution's compiler is in /usr, of which the program speaks too.
    let library = site.sysroot.join("lib/rustlib");
    let ours = [site.root.clone(), site.cargo_home.clone(), library];
    let real: Vec<PathBuf> = ours.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let mut telling: BTreeSet<PathBuf> = home.iter().flat_map(|home| remap::list(home)).collect();
    telling.extend(ours.into_iter().chain(real));
    // A checkout may lie where all are said to.
    let said = [remap::of_checkout(&site.root).1, "/cargo".to_owned()];
    telling.retain(|path| path.is_absolute() && !said.iter().any(|name| Path::new(name) == path));
    telling
}

/// The strings that begin with one of these directories, each once.
pub(super) fn of(bytes: &[u8], telling: &BTreeSet<PathBuf>) -> Vec<String> {
    let mut found = BTreeSet::new();
    for directory in telling {
        let directory = directory.as_os_str().as_encoded_bytes();
        for begin in memmem::find_iter(bytes, directory) {
            let string = bytes.get(begin..).unwrap_or_default();
            let end = string.iter().position(|byte| !byte.is_ascii_graphic()).unwrap_or(string.len());
            let string = string.get(..end.min(120)).unwrap_or_default();
            if matches!(string.get(directory.len()), None | Some(b'/')) {
                found.insert(String::from_utf8_lossy(string).into_owned());
            }
        }
    }
    let more = found.len().saturating_sub(SHOWN);
    let mut shown: Vec<String> = found.into_iter().take(SHOWN).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, expected: &[&str]) {
        let telling = ["/users/ann/.cargo", "/srv/tool"].map(PathBuf::from).into();
        assert_eq!(of(bytes.as_bytes(), &telling), expected, "{bytes:?}");
    }

    #[test]
    fn paths_of_the_machine_are_found_where_they_stand() {
        check("\0/src/main.rs\0/cargo/registry/src/a-1.0/lib.rs/rustc/59/library", &[]);
        check("a/users/ann/.cargo/registry/src/x/lib.rs\0b", &["/users/ann/.cargo/registry/src/x/lib.rs"]);
        check("/srv/tool/src/a.rs\0/srv/tool/src/a.rs\0/srv/tool", &["/srv/tool", "/srv/tool/src/a.rs"]);
        check("/srv/toolbox /users/ann /users/ann/.cargo-not", &[]);
    }

    #[test]
    fn many_are_not_shown_one_by_one() {
        let many: String = (0..30).map(|number| format!("/srv/tool/{number}\0")).collect();
        let telling = [PathBuf::from("/srv/tool")].into();
        assert_eq!(of(many.as_bytes(), &telling).last().map(String::as_str), Some("and 20 more"));
    }
}
