//! Whether a known vulnerability is in what the program is made of: RustSec's
//! database against the lock files of what is shipped.
//!
//! Without a network the database that is there has to do. Where there is none,
//! nothing is checked and that is said: a test must not fail for want of a network.

use std::path::Path;

use anyhow::Result;

use crate::cargo::cargo;
use crate::remap::{cargo_home, list};
use crate::step::quiet;

/// Manifests of what is shipped, below the workspace root.
const SHIPPED: [&str; 2] = ["Cargo.toml", "backlog-trace-ebpf/Cargo.toml"];

/// What came of it; an error where something is known.
#[derive(Debug)]
pub(super) enum Known {
    /// Nothing is known of any of them.
    Nothing,
    /// The same as far as the database goes that was there: no newer one, for this reason.
    NothingSo(String),
    /// There is no database, for this reason.
    Unchecked(String),
}

/// Fetches the database where that can be done, and looks.
pub(super) fn check() -> Result<Known> {
    let fetched = quiet(cargo().args(["deny", "fetch", "db"])).map(drop);
    let is_there = fetched.is_ok() || has_database(&cargo_home()?);
    let look = |manifest: &str| {
        let mut deny = cargo();
        // Offline, or it would fetch again, and fail for that.
        deny.args(["deny", "--offline", "--locked", "--manifest-path", manifest, "--config", "deny.toml"]);
        quiet(deny.args(["check", "advisories"])).map(drop)
    };
    judge(fetched, is_there, || SHIPPED.iter().try_for_each(|manifest| look(manifest)))
}

fn judge(fetched: Result<()>, is_there: bool, look: impl FnOnce() -> Result<()>) -> Result<Known> {
    match fetched {
        Ok(()) => look().map(|()| Known::Nothing),
        Err(error) if is_there => look().map(|()| Known::NothingSo(reason(&error))),
        Err(error) => Ok(Known::Unchecked(reason(&error))),
    }
}

/// A clone of a database, under the name that cargo-deny gives it.
fn has_database(home: &Path) -> bool {
    list(&home.join("advisory-dbs")).iter().any(|database| database.join("crates").is_dir())
}

/// The last line of what git or cargo-deny said.
fn reason(error: &anyhow::Error) -> String {
    let said = format!("{error:#}");
    said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason is known").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    const HIT: &str = "error[vulnerability]: out-of-bounds read";

    #[track_caller]
    fn judged(fetched: bool, is_there: bool, hit: bool) -> Result<Known> {
        let refused = || anyhow!("`git clone` ended with 128:\nCould not resolve host\n\n");
        let fetched = if fetched { Ok(()) } else { Err(refused()) };
        judge(fetched, is_there, || if hit { Err(anyhow!(HIT)) } else { Ok(()) })
    }

    /// A hit fails wherever there is a database, fetched now or before; what
    /// cannot be fetched fails nowhere.
    #[test]
    fn a_hit_fails_and_a_missing_network_does_not() {
        assert!(matches!(judged(true, true, false), Ok(Known::Nothing)));
        assert!(
            matches!(judged(false, true, false), Ok(Known::NothingSo(why)) if why == "Could not resolve host")
        );
        assert!(
            matches!(judged(false, false, true), Ok(Known::Unchecked(why)) if why == "Could not resolve host")
        );
        for fetched in [true, false] {
            assert!(judged(fetched, true, true).is_err_and(|error| error.to_string() == HIT), "{fetched}");
        }
    }

    #[test]
    fn a_database_is_known_by_its_crates() -> Result<()> {
        let home = tempfile::tempdir()?;
        std::fs::create_dir_all(home.path().join("advisory-dbs/half-cloned-1f"))?;
        assert!(!has_database(home.path()));
        std::fs::create_dir_all(home.path().join("advisory-dbs/advisory-db-1f/crates"))?;
        assert!(has_database(home.path()));
        Ok(())
    }
}
