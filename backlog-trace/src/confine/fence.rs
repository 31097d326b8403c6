//! The fence around the file system and the network (Landlock): as far as the
//! kernel has one, and no failure where it has none.

use std::path::PathBuf;
use std::thread;

use backlog_trace_model::check::{Finding, Grade};
use backlog_trace_model::failure::{Failure, Result};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
};

use crate::resource_limits;

/// What is fenced off where the kernel knows of it.
const VERSION: ABI = ABI::V5;

/// Where the local time is looked up.
const TIME_ZONES: [&str; 2] = ["/usr/share/zoneinfo", "/etc/localtime"];

/// What this kernel has of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fence {
    /// Everything that is asked for.
    Whole,
    /// Some of it: an older version.
    Partial,
    /// It is built in and switched off.
    Off,
    /// Nothing.
    None,
}

/// Fences the calling thread in: it may open these files for reading and
/// nothing else.
pub(super) fn raise(files: &[PathBuf]) -> Fence {
    match restrict(files) {
        Ok(status) => judged(&status),
        Err(error) => {
            log::debug!("no fence: {error}");
            Fence::None
        }
    }
}

/// What the calling process would get, tried on a thread that ends with it.
///
/// # Errors
/// `NoRoom` where there is no thread to be had.
pub fn fence_of_this_kernel() -> Result<Fence> {
    let thread = thread::Builder::new()
        .spawn(|| raise(&[]))
        .map_err(|error| resource_limits::not_made("the thread that tries Landlock", &error))?;
    Ok(thread.join().unwrap_or(Fence::None))
}

/// What `check` says of it. It takes nothing away from an observation.
pub(crate) fn finding() -> Finding {
    let subject = "fence";
    let without = "after attaching, what prints and records could still open files; its capabilities are gone all the same";
    let fence = match fence_of_this_kernel() {
        Ok(fence) => fence,
        Err(Failure { what, advice, .. }) => return Finding { subject, grade: Grade::Reduced, what, advice },
    };
    let (what, advice) = match fence {
        Fence::Whole => {
            let what = "after attaching, what prints and records may open nothing more (Landlock)";
            return Finding::fine(subject, what);
        }
        Fence::Partial => {
            let what = "after attaching, what prints and records may open nothing more, as far as this kernel's Landlock goes";
            return Finding::fine(subject, what);
        }
        Fence::Off => (format!("Landlock is switched off: {without}"), "boot with landlock in lsm="),
        Fence::None => (
            format!("this kernel has no Landlock: {without}"),
            "use 5.13 or newer with CONFIG_SECURITY_LANDLOCK",
        ),
    };
    Finding { subject, grade: Grade::Reduced, what, advice: Some(advice.to_owned()) }
}

fn restrict(files: &[PathBuf]) -> std::result::Result<RestrictionStatus, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(VERSION))?
        .handle_access(AccessNet::from_all(VERSION))?
        .create()?;
    if !files.is_empty() {
        for place in TIME_ZONES {
            if let Ok(place) = PathFd::new(place) {
                rules = rules.add_rule(PathBeneath::new(place, AccessFs::ReadFile))?;
            }
        }
    }
    // What is no file of any file system, such as a pipe, has no rule and needs
    // none; its path leads nowhere. /dev/null is a file, if no regular one.
    for file in files.iter().filter(|file| file.canonicalize().is_ok()) {
        // A directory that is named by mistake may be opened, so that what is
        // said of it is that it is one; what is in it may not.
        let access = if file.is_dir() { AccessFs::ReadDir } else { AccessFs::ReadFile };
        if let Ok(file) = PathFd::new(file) {
            rules = rules.add_rule(PathBeneath::new(file, access))?;
        }
    }
    rules.restrict_self()
}

fn judged(status: &RestrictionStatus) -> Fence {
    match (&status.ruleset, &status.landlock) {
        (RulesetStatus::FullyEnforced, _) => Fence::Whole,
        (RulesetStatus::PartiallyEnforced, _) => Fence::Partial,
        (RulesetStatus::NotEnforced, LandlockStatus::NotEnabled) => Fence::Off,
        (RulesetStatus::NotEnforced, _) => Fence::None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::ErrorKind;

    use super::*;
    use crate::skipped::{NEEDS_LANDLOCK, skipped};

    /// On a thread of its own, since there is no way out.
    #[track_caller]
    fn inside(files: &[PathBuf], test: impl FnOnce() + Send) {
        let fenced = || {
            let is_fenced = matches!(raise(files), Fence::Whole | Fence::Partial);
            if is_fenced {
                test();
            }
            is_fenced
        };
        if !thread::scope(|scope| scope.spawn(fenced).join().unwrap()) {
            skipped(NEEDS_LANDLOCK);
        }
    }

    #[track_caller]
    fn check_denied<T>(result: std::io::Result<T>) {
        assert_eq!(result.map(drop).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn nothing_can_be_opened_made_or_removed_inside() {
        let directory = tempfile::tempdir().unwrap();
        let (kept, new) = (directory.path().join("kept"), directory.path().join("new"));
        fs::write(&kept, "precious").unwrap();
        let mut open = File::options().append(true).open(&kept).unwrap();
        inside(&[], || {
            check_denied(File::open(&kept));
            check_denied(File::create(&kept));
            check_denied(File::create(&new));
            check_denied(fs::remove_file(&kept));
            check_denied(fs::read_dir("/proc"));
            // What was open stays so.
            std::io::Write::write_all(&mut open, b"!").unwrap();
        });
        let text = fs::read_to_string(&kept).unwrap();
        assert!(["precious", "precious!"].contains(&text.as_str()) && !new.exists());
    }

    #[test]
    fn recordings_can_be_read_inside_and_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let (named, other) = (directory.path().join("named"), directory.path().join("other"));
        fs::write(&named, "recording").unwrap();
        fs::write(&other, "precious").unwrap();
        let files = [named.clone(), directory.path().join("absent"), PathBuf::from("/dev/null")];
        inside(&files, || {
            assert_eq!(fs::read_to_string("/dev/null").unwrap(), "");
            assert_eq!(fs::read_to_string(&named).unwrap(), "recording");
            check_denied(File::options().append(true).open(&named));
            check_denied(fs::read_to_string(&other));
            assert_eq!(File::open(directory.path().join("absent")).unwrap_err().kind(), ErrorKind::NotFound);
        });
    }
}
