//! Who called, where root was lent by sudo: files are made as that user, who
//! can then read them, and who cannot have files written that he could not
//! write himself.

use std::ffi::OsStr;
use std::thread;

use backlog_trace_model::failure::{Exit, Failure, Result};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::resource_limits;

/// The user who called sudo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Invoker {
    /// User id; never 0.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Invoker {
    /// Who is behind this process; `None` where it is nobody else.
    ///
    /// # Errors
    /// What stands in SUDO_UID or SUDO_GID is no id.
    pub(super) fn of_this_process() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let variable = |name: &str| std::env::var_os(name);
        Self::parse(variable("SUDO_UID").as_deref(), variable("SUDO_GID").as_deref())
    }

    fn parse(uid: Option<&OsStr>, gid: Option<&OsStr>) -> Result<Option<Self>> {
        let Some(uid) = uid else { return Ok(None) };
        let uid = id(uid).ok_or_else(|| unusable("SUDO_UID"))?;
        if uid == 0 {
            return Ok(None);
        }
        let gid = gid.and_then(id).ok_or_else(|| unusable("SUDO_GID"))?;
        Ok(Some(Self { uid, gid }))
    }
}

/// Digits only, and not the id that stands for "unchanged".
fn id(text: &OsStr) -> Option<u32> {
    let text = text.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().filter(|id| *id != u32::MAX)
}

fn unusable(name: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{name} is not the id that sudo puts there"))
        .advise("unset SUDO_UID to make files as root")
}

/// Runs `work` as the invoking user, on a thread of its own that is nobody
/// else any more; as ever where there is none. Of the user's groups it has
/// the first only: what he may write by another one is refused.
///
/// # Errors
/// That of `work`, or it is not known as whom to run it.
pub(crate) fn as_invoker<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let Some(invoker) = Invoker::of_this_process()? else { return work() };
    run_as(invoker, work).map_err(|failure| Failure {
        advice: Some(match failure.advice {
            Some(advice) => format!("{advice}; it is made as user {} who called sudo", invoker.uid),
            None => format!("it is made as user {} who called sudo", invoker.uid),
        }),
        ..failure
    })
}

fn run_as<T: Send>(invoker: Invoker, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, || {
            become_user(invoker).map_err(|error| {
                Failure::internal(format!("cannot be user {} for a moment", invoker.uid), error)
            })?;
            // As another user's thread it is what fs.suid_dumpable says
            // (`commit_creds()`, kernel/cred.c), and 1 would open it to him.
            super::close_to_others()?;
            work()
        });
        thread
            .map_err(|error| resource_limits::not_made("the thread that makes a file", &error))?
            .join()
            .unwrap_or_else(|_| Err(Failure::new(Exit::Internal, "the thread that makes a file panicked")))
    })
}

/// The calling thread alone; its capabilities go with the last user id that is 0.
fn become_user(invoker: Invoker) -> rustix::io::Result<()> {
    let (uid, gid) = (Uid::from_raw(invoker.uid), Gid::from_raw(invoker.gid));
    set_thread_groups(&[gid])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::skipped::{NEEDS_ROOT, is_root, skipped};

    #[track_caller]
    fn check(uid: Option<&str>, gid: Option<&str>, expected: Option<Option<(u32, u32)>>) {
        let parsed = Invoker::parse(uid.map(OsStr::new), gid.map(OsStr::new));
        let found = parsed.as_ref().ok().map(|invoker| invoker.map(|of| (of.uid, of.gid)));
        assert_eq!(found, expected, "{uid:?} {gid:?}");
        if let Err(failure) = parsed {
            assert_eq!(failure.exit, Exit::Usage);
        }
    }

    #[test]
    fn only_ids_are_taken() {
        check(None, None, Some(None));
        check(None, Some("1000"), Some(None));
        check(Some("0"), Some("0"), Some(None));
        check(Some("1000"), Some("1001"), Some(Some((1000, 1001))));
        check(Some("1000"), Some("0"), Some(Some((1000, 0))));
        for bad in ["", "-1", "+1000", "1000 ", "root", "4294967295", "4294967296", "0x3e8"] {
            check(Some(bad), Some("1000"), None);
            check(Some("1000"), Some(bad), None);
        }
        check(Some("1000"), None, None);
    }

    /// Of root's groups none is left, and no way back to root is.
    #[test]
    fn who_is_the_user_has_none_of_roots_groups() {
        if !is_root() {
            return skipped(NEEDS_ROOT);
        }
        thread::scope(|scope| {
            let on_its_own = || {
                // A group that it is in before, as root's shells are in some.
                set_thread_groups(&[Gid::from_raw(0), Gid::from_raw(4)]).unwrap();
                let status = run_as(Invoker { uid: 65_533, gid: 65_532 }, || {
                    let status = fs::read_to_string("/proc/thread-self/status");
                    status.map_err(|error| Failure::internal("no", error))
                });
                status.unwrap()
            };
            let status = scope.spawn(on_its_own).join().unwrap();
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
                line.unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
            };
            assert_eq!(field("Groups"), "65532");
            assert_eq!(field("Uid"), "65533 65533 65533 65533");
            assert_eq!(field("Gid"), "65532 65532 65532 65532");
            assert_eq!((field("CapPrm"), field("CapEff")), ("0".repeat(16), "0".repeat(16)));
        });
    }

    #[test]
    fn a_file_is_the_users_and_what_he_may_not_write_is_not_written() {
        if !is_root() {
            return skipped(NEEDS_ROOT);
        }
        let directory = tempfile::tempdir().unwrap();
        let (own, roots) = (directory.path().join("own"), directory.path().join("roots"));
        for place in [&own, &roots] {
            fs::create_dir(place).unwrap();
        }
        let mode = |place: &std::path::Path, mode| {
            fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(directory.path(), 0o755);
        mode(&own, 0o777);
        mode(&roots, 0o755);
        let make = |path: std::path::PathBuf| {
            let invoker = Invoker { uid: 65_533, gid: 65_532 };
            run_as(invoker, move || fs::write(path, "").map_err(|error| Failure::internal("no", error)))
        };
        make(own.join("file")).unwrap();
        let metadata = fs::metadata(own.join("file")).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (65_533, 65_532));
        assert!(make(roots.join("file")).is_err());
        // This thread is root as before.
        assert!(is_root());
        fs::write(roots.join("file"), "").unwrap();
    }
}
