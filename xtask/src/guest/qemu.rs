//! Finding a QEMU that runs these guests right, or installing one.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::archive::Archive;
use crate::debian;
use crate::step::{on_path, quiet, step};

/// 7.2 was seen to crash a two-CPU 6.12 guest right after a cmpxchg16b;
/// 10 was not.
const OLDEST: u32 = 10;
const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// A QEMU that is new enough.
#[derive(Debug)]
pub(crate) struct Qemu {
    program: PathBuf,
}

impl Qemu {
    /// Finds or installs it.
    pub(crate) fn find() -> Result<Self> {
        if let Some(found) = installed()? {
            return Ok(found);
        }
        let codename = codename();
        let line = match codename.as_deref() {
            Some("bookworm") => {
                format!("apt-get install -t bookworm-backports --no-install-recommends {PACKAGE}")
            }
            _ => format!("apt-get install --no-install-recommends {PACKAGE}"),
        };
        if !debian::can_install() {
            bail!("{PROGRAM} {OLDEST} or newer is missing\n  run as root: {line}");
        }
        if codename.as_deref() == Some("bookworm") {
            let archive = Archive::open(&["bookworm", "bookworm-backports"])?;
            step(&line, || {
                quiet(
                    archive
                        .apt("apt-get")
                        .args(["install", "-y", "-t", "bookworm-backports", "--no-install-recommends"])
                        .arg(PACKAGE),
                )
            })?;
        } else {
            debian::install(PROGRAM, &[PACKAGE])?;
        }
        installed()?
            .with_context(|| format!("{PACKAGE} is installed, but {PROGRAM} is still older than {OLDEST}"))
    }

    /// QEMU without KVM, disk or network card; what it shows is the caller's choice.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-display", "none", "-no-reboot", "-nic", "none", "-no-user-config"]);
        command
    }
}

fn installed() -> Result<Option<Qemu>> {
    let Some(program) = on_path(PROGRAM) else { return Ok(None) };
    let said = quiet(Command::new(&program).arg("--version"))?;
    Ok(major(&said).is_some_and(|major| major >= OLDEST).then_some(Qemu { program }))
}

/// `QEMU emulator version 10.0.2 (…)`.
fn major(said: &str) -> Option<u32> {
    said.split_once("version ")?.1.split('.').next()?.parse().ok()
}

fn codename() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(major("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\n"), Some(10));
        assert_eq!(major("something else"), None);
    }
}
