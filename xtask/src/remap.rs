//! Names in the place of this machine's paths, so that what is built is the
//! same wherever the sources, cargo's home and the compiler are, and says
//! nothing of who has built it.
//!
//! rustc takes the last prefix that matches, so the widest comes first.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A directory and the name that stands for it.
pub(crate) type Named = (PathBuf, String);

/// What `flags` of the recorded toolchain says of the directories below.
pub(crate) const RECORDED: &str = "--remap-path-prefix={SOURCE=/src,CARGO=/cargo,RUST=/rust}";

/// Cargo's home, where the sources of dependencies are.
pub(crate) fn of_cargo(home: &Path) -> Vec<Named> {
    let mut named = vec![(home.to_path_buf(), "/cargo".to_owned())];
    // The directory of a registry is named after the mirror it was reached by.
    named.extend(
        list(&home.join("registry/src"))
            .into_iter()
            .map(|registry| (registry, "/cargo/registry/src".to_owned())),
    );
    named
}

/// A checkout: what is built there, too.
pub(crate) fn of_checkout(root: &Path) -> Named {
    (root.to_path_buf(), "/src".to_owned())
}

/// The compiler, with the library's source where that is installed: it goes by
/// the name that it has inside the compiled library.
pub(crate) fn of_compiler(sysroot: &Path, commit: &str) -> Vec<Named> {
    vec![
        (sysroot.to_path_buf(), "/rust".to_owned()),
        (sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{commit}")),
    ]
}

/// rustc's flags; a directory that symbolic links lead to goes by both its paths.
pub(crate) fn flags(named: &[Named]) -> Vec<OsString> {
    let mut flags = Vec::new();
    for (directory, name) in named {
        let real = fs::canonicalize(directory).ok().filter(|real| real != directory);
        for path in [Some(directory.clone()), real].into_iter().flatten() {
            let mut flag = OsString::from("--remap-path-prefix=");
            flag.push(path);
            flag.push("=");
            flag.push(name);
            flags.push(flag);
        }
    }
    flags
}

/// `$CARGO_HOME`, or where it is by default.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")
}

/// What is in a directory, in order; nothing where it cannot be read.
pub(crate) fn list(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registry after cargo's home, which it is in; a link and what it leads to.
    #[test]
    fn the_narrowest_comes_last() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let real = directory.path().canonicalize()?;
        let home = real.join("home");
        fs::create_dir_all(real.join("elsewhere/src/mirror-1f"))?;
        fs::create_dir(&home)?;
        std::os::unix::fs::symlink(real.join("elsewhere"), home.join("registry"))?;
        let place = |path: &str, name: &str| format!("--remap-path-prefix={}/{path}={name}", real.display());
        let expected = [
            place("home", "/cargo"),
            place("home/registry/src/mirror-1f", "/cargo/registry/src"),
            place("elsewhere/src/mirror-1f", "/cargo/registry/src"),
        ];
        assert_eq!(flags(&of_cargo(&home)), expected.map(OsString::from));
        Ok(())
    }
}
