//! `dist --check`: the same sources built a second time, from nothing, in a
//! copy of the checkout and under another home, give the same bytes.
//!
//! Neither compilers nor machines are compared: both builds are done here.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::Site;
use crate::cargo::cargo;
use crate::step::step;
use crate::{digest, workspace};

/// What cargo's home has that a build without a network needs.
const OF_CARGO: [&str; 3] = ["registry", "git", "config.toml"];

/// Says that both are the same, byte for byte.
pub(super) fn check(package: &str, first: &Path) -> Result<String> {
    let here = Site::here()?;
    let elsewhere = tempfile::tempdir().context("no temporary directory")?;
    let there = Site {
        root: elsewhere.path().join("another/checkout/of/it"),
        cargo_home: elsewhere.path().join("home/cargo"),
        ..here
    };
    step("copy the checkout", || copy(&workspace::root(), &there.root))?;
    fs::create_dir_all(&there.cargo_home)?;
    for name in OF_CARGO {
        let (original, link) = (here.cargo_home.join(name), there.cargo_home.join(name));
        if original.exists() {
            symlink(original, link)?;
        }
    }
    let mut cargo = cargo();
    cargo.current_dir(&there.root).env("CARGO_HOME", &there.cargo_home);
    cargo.args(["--offline", "--locked"]);
    let second = step("build it again elsewhere", || there.build(package, cargo))?;
    let first = fs::read(first).with_context(|| format!("{} cannot be read", first.display()))?;
    if let Some(at) = difference(&first, &second) {
        let kept = workspace::target().join("dist").join(format!("{package}.again"));
        fs::write(&kept, &second)?;
        bail!(
            "the same sources give another binary elsewhere: {at}\n  compare target/dist/{package} with {}",
            kept.display()
        );
    }
    Ok(format!("built elsewhere it is the same byte for byte: sha256 {}", digest::of_bytes(&first)))
}

/// Where two files part, in words.
fn difference(one: &[u8], other: &[u8]) -> Option<String> {
    if one.len() != other.len() {
        return Some(format!("{} bytes and {}", one.len(), other.len()));
    }
    let mut different = one.iter().zip(other).enumerate().filter(|(_, (one, other))| one != other);
    let (first, _) = different.next()?;
    Some(format!("{} of {} bytes differ, the first at {first:#x}", different.count() + 1, one.len()))
}

/// Copies sources: not what was built from them, nor their history.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if kind.is_dir() && name != "target" && name != ".git" {
            copy(&entry.path(), &to.join(name))?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_its_place() {
        assert_eq!(difference(b"same", b"same"), None);
        assert_eq!(difference(b"same", b"some").as_deref(), Some("1 of 4 bytes differ, the first at 0x1"));
        assert_eq!(difference(b"long", b"longer").as_deref(), Some("4 bytes and 6"));
    }

    #[test]
    fn what_was_built_is_not_copied() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("src/target"))?;
        fs::create_dir_all(from.join("target"))?;
        fs::write(from.join("src/main.rs"), "fn main() {}")?;
        fs::write(from.join("target/main"), "")?;
        copy(&from, &to)?;
        assert_eq!(fs::read_to_string(to.join("src/main.rs"))?, "fn main() {}");
        assert!(!to.join("target").exists() && !to.join("src/target").exists());
        Ok(())
    }
}
