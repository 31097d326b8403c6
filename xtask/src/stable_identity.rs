//! Makes the identity of our own crates independent of where they lie.
//!
//! Cargo hashes the absolute path of a path dependency outside the workspace
//! into `-C metadata`, rustc puts that into symbol names, and the BTF of the
//! object carries those of every static subprogram. So the object would differ
//! from one checkout to the next. As `RUSTC_WRAPPER` of the kernel side's
//! build, this tool replaces that one argument for crates below the workspace
//! root, and passes everything else on unchanged.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::digest;

/// Set for the build of the kernel side: the workspace root, and the sign that
/// this process was started in rustc's place.
const ROOT: &str = "BACKLOG_TRACE_STABLE_ROOT";

/// Makes a cargo call rustc through this program.
pub(crate) fn wrap(cargo: &mut Command, root: &Path) -> Result<()> {
    let this = env::current_exe().context("this program's own path cannot be found")?;
    cargo.env("RUSTC_WRAPPER", this).env(ROOT, root);
    Ok(())
}

/// If this process was started in rustc's place: runs rustc and does not
/// return, except with the reason why that failed.
pub(crate) fn act_as_wrapper() -> Option<anyhow::Error> {
    let root = env::var_os(ROOT)?;
    let mut arguments = env::args_os().skip(1);
    let rustc = arguments.next()?;
    let ours = env::var_os("CARGO_MANIFEST_DIR").is_some_and(|place| Path::new(&place).starts_with(&root));
    let identity = ours.then(|| {
        let name = env::var("CARGO_PKG_NAME").unwrap_or_default();
        digest::of_bytes(name.as_bytes()).chars().take(16).collect::<String>()
    });
    let arguments = arguments.map(|argument| renamed(argument, identity.as_deref()));
    Some(
        anyhow::Error::from(Command::new(rustc).args(arguments).exec()).context("rustc could not be started"),
    )
}

fn renamed(argument: OsString, identity: Option<&str>) -> OsString {
    match identity {
        Some(identity) if argument.to_str().is_some_and(|text| text.starts_with("metadata=")) => {
            format!("metadata={identity}").into()
        }
        _ => argument,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_metadata_of_our_own_crates_is_replaced() {
        for (argument, identity, expected) in [
            ("metadata=9f", Some("aa"), "metadata=aa"),
            ("metadata=9f", None, "metadata=9f"),
            ("extra-filename=-9f", Some("aa"), "extra-filename=-9f"),
            ("src/main.rs", Some("aa"), "src/main.rs"),
        ] {
            assert_eq!(renamed(argument.into(), identity), OsString::from(expected), "{argument}");
        }
    }
}
