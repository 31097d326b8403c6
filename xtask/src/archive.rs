//! Packages of other releases of the distribution, without touching this
//! machine's own package state: one private apt state per release, under
//! `target/vm/apt`.
//!
//! The archive's address is that of this machine's own apt sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::step::{quiet, step};
use crate::{debian, workspace};

/// Names the archive where this machine's sources name none.
const ARCHIVE: &str = "BACKLOG_TRACE_DEBIAN_ARCHIVE";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The private apt state of one or more releases.
#[derive(Debug)]
pub(crate) struct Archive {
    directory: PathBuf,
}

impl Archive {
    /// Opens the state for these releases and fetches their package lists
    /// unless that was done in the last day.
    pub(crate) fn open(suites: &[&str]) -> Result<Self> {
        let directory = workspace::target().join("vm/apt").join(suites.join("+"));
        let archive = Self { directory };
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(archive.directory.join(part))?;
        }
        let stamp = archive.directory.join("updated");
        let fresh = fs::metadata(&stamp)
            .and_then(|data| data.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|age| age.as_secs() < 24 * 3600));
        if !fresh {
            let address = address()?;
            let lines: Vec<String> = suites
                .iter()
                .map(|suite| format!("deb [signed-by={KEYRING}] {address} {suite} main\n"))
                .collect();
            fs::write(archive.directory.join("sources.list"), lines.concat())?;
            step(&format!("fetch the package lists of {}", suites.join(", ")), || {
                quiet(archive.apt("apt-get").arg("update"))
            })?;
            fs::write(stamp, "")?;
        }
        Ok(archive)
    }

    /// apt on this state alone. `_apt` may not be able to enter this
    /// directory, so downloads are not handed to it.
    pub(crate) fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let place = |name: &str| self.directory.join(name).display().to_string();
        for setting in [
            format!("Dir::Etc::sourcelist={}", place("sources.list")),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::Lists={}", place("lists")),
            format!("Dir::Cache={}", place("cache")),
            "APT::Sandbox::User=".to_owned(),
            "Acquire::Languages=none".to_owned(),
            // Descriptions for graphical shops: larger than the package lists.
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled=false".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled=false".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11-icons-large::DefaultEnabled=false".to_owned(),
            // Container images switch the cache off, which costs seconds per call.
            "Dir::Cache::pkgcache=pkgcache.bin".to_owned(),
            "Dir::Cache::srcpkgcache=srcpkgcache.bin".to_owned(),
        ] {
            command.arg("-o").arg(setting);
        }
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    /// The newest package whose name matches.
    pub(crate) fn newest(&self, pattern: &str) -> Result<String> {
        let listed = quiet(self.apt("apt-cache").args(["search", "--names-only", pattern]))?;
        let names = listed.lines().filter_map(|line| line.split_whitespace().next());
        let newest = names.max_by_key(|name| natural(name));
        newest
            .map(str::to_owned)
            .with_context(|| format!("the archive has no package that matches {pattern}"))
    }

    /// Downloads packages, without what they depend on, and unpacks them below `to`.
    pub(crate) fn unpack(&self, packages: &[String], to: &Path) -> Result<()> {
        let scratch = tempfile::tempdir_in(&self.directory)?;
        quiet(self.apt("apt-get").current_dir(scratch.path()).arg("download").args(packages))?;
        unpack_all(scratch.path(), to)
    }

    /// Downloads packages with all they depend on, as if nothing were
    /// installed, and unpacks them below `to`.
    pub(crate) fn unpack_closure(&self, packages: &[&str], to: &Path) -> Result<()> {
        let status = self.directory.join("nothing-installed");
        fs::write(&status, "")?;
        let scratch = tempfile::tempdir_in(&self.directory)?;
        fs::create_dir_all(scratch.path().join("partial"))?;
        quiet(
            self.apt("apt-get")
                .arg("-o")
                .arg(format!("Dir::State::status={}", status.display()))
                .arg("-o")
                .arg(format!("Dir::Cache::archives={}", scratch.path().display()))
                .args(["-o", "Debug::NoLocking=1", "-y", "--no-install-recommends", "--download-only"])
                .arg("install")
                .args(packages),
        )?;
        unpack_all(scratch.path(), to)
    }
}

fn unpack_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            quiet(Command::new("dpkg").arg("-x").arg(path).arg(to))?;
        }
    }
    Ok(())
}

/// Numbers compare as numbers: 5.10.0-32 is newer than 5.10.0-4.
fn natural(name: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut word = String::new();
    let mut number: Option<u64> = None;
    for character in name.chars() {
        if let Some(digit) = character.to_digit(10) {
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(u64::from(digit)));
        } else {
            if let Some(number) = number.take() {
                parts.push((number, std::mem::take(&mut word)));
            }
            word.push(character);
        }
    }
    parts.push((number.unwrap_or(0), word));
    parts
}

fn address() -> Result<String> {
    if let Ok(address) = std::env::var(ARCHIVE) {
        return Ok(address);
    }
    if !debian::is_debian_like() {
        bail!("kernels and their programs come as Debian packages, and this machine has no dpkg and apt");
    }
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    for entry in fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten() {
        files.push(entry.path());
    }
    files.sort();
    let texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.into_iter().find_map(|text| archive_in(&text)).with_context(|| {
        format!("this machine's apt sources name no Debian archive\n  name one: {ARCHIVE}=http://…/debian")
    })
}

/// The first address in an apt source, of either syntax, whose last part is
/// `debian`: the layout of every mirror of the main archive.
fn archive_in(text: &str) -> Option<String> {
    let lines = text.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("deb ") || line.starts_with("URIs:")
    });
    lines
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.contains("://") && word.ends_with("/debian"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_found_in_both_syntaxes() {
        for (text, expected) in [
            (
                "Types: deb\nURIs: http://mirror.test/debian\nSuites: bookworm\n",
                Some("http://mirror.test/debian"),
            ),
            ("deb http://mirror.test/debian/ bookworm main\n", Some("http://mirror.test/debian")),
            ("deb [signed-by=/k] https://mirror.test/debian sid main\n", Some("https://mirror.test/debian")),
            ("# deb http://mirror.test/debian sid main\n", None),
            ("deb http://mirror.test/debian-security bookworm-security main\n", None),
            ("URIs: http://mirror.test/other http://mirror.test/debian\n", Some("http://mirror.test/debian")),
            ("", None),
        ] {
            assert_eq!(archive_in(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        for (older, newer) in [
            ("linux-image-5.10.0-4-cloud-amd64", "linux-image-5.10.0-32-cloud-amd64"),
            ("linux-image-6.12.94+deb13-cloud-amd64", "linux-image-6.12.107+deb13-cloud-amd64"),
        ] {
            assert!(natural(older) < natural(newer), "{older} {newer}");
        }
    }
}
