//! Installing what is missing from the distribution's own packages, when the
//! user is root on a Debian-like machine; otherwise naming the line to run.

use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{on_path, quiet, step};

/// Makes sure that packages are installed because `what` needs them.
///
/// # Errors
/// When they cannot be installed from here, with the line that would.
pub(crate) fn install(what: &str, packages: &[&str]) -> Result<()> {
    let line = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !can_install() {
        bail!("{what} is missing\n  run as root: apt-get update && {line}");
    }
    step(&format!("install {}", packages.join(" ")), || {
        // The lists of a fresh container image are absent or stale, and both
        // end in "unable to locate" or 404; so update before, not after.
        quiet(apt_get().arg("update"))?;
        quiet(apt_get().args(["install", "-y", "--no-install-recommends"]).args(packages))
    })?;
    Ok(())
}

/// Whether `apt-get install` can work: root, and dpkg's world.
pub(crate) fn can_install() -> bool {
    is_root() && is_debian_like()
}

/// Whether packages can be listed, downloaded and unpacked, which needs no root.
pub(crate) fn is_debian_like() -> bool {
    on_path("apt-get").is_some() && on_path("dpkg").is_some()
}

/// `apt-get` that asks no questions.
pub(crate) fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
    command
}

fn is_root() -> bool {
    quiet(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}
