//! The command after `--`: found before anything is attached, run after it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use backlog_trace_model::failure::{Exit, Failure, Result};
use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::time::timeout;

use super::descriptors::Inherited;

/// How long a command has to end by itself after Ctrl-C or SIGHUP, which it got too.
const AFTER_INT: Duration = Duration::from_secs(2);

/// How long it has after SIGTERM.
const AFTER_TERM: Duration = Duration::from_secs(5);

/// A command that exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Prepared {
    path: PathBuf,
    name: OsString,
    arguments: Vec<OsString>,
}

/// Finds the command's program; `None` where there is no command.
///
/// # Errors
/// [`Exit::CommandFailed`]: there is no such program, or it cannot be run.
pub(super) fn find(command: &[OsString], search: Option<&OsStr>) -> Result<Option<Prepared>> {
    let Some((name, arguments)) = command.split_first() else { return Ok(None) };
    let candidates: Vec<PathBuf> = if name.as_encoded_bytes().contains(&b'/') {
        vec![PathBuf::from(name)]
    } else {
        search
            .map(std::env::split_paths)
            .into_iter()
            .flatten()
            .map(|directory| directory.join(name))
            .collect()
    };
    match candidates.iter().find(|path| is_program(path)) {
        Some(path) => {
            Ok(Some(Prepared { path: path.clone(), name: name.clone(), arguments: arguments.to_vec() }))
        }
        None => Err(not_found(name, candidates.iter().any(|path| path.exists()))),
    }
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}

fn not_found(name: &OsStr, exists: bool) -> Failure {
    let (why, advice) = if exists {
        ("is not executable", "make it executable, or name the program that runs it")
    } else {
        ("does not exist", "check its name, or give its path")
    };
    Failure::new(Exit::CommandFailed, format!("the command {name:?} {why}")).advise(advice)
}

impl Prepared {
    /// Starts it, in this process's group: Ctrl-C and a closed terminal reach it
    /// too. Its signals are as this process found them: Rust gives it back
    /// SIGPIPE, and what is caught here is not there after exec. So is its limit
    /// on open files.
    ///
    /// Where standard output is for programs (JSON, a recording), its own goes
    /// to standard error.
    ///
    /// # Errors
    /// [`Exit::CommandFailed`]: the kernel refuses to run it.
    pub(super) fn start(&self, is_output_for_programs: bool, limit: &Inherited) -> Result<Child> {
        let mut command = tokio::process::Command::new(&self.path);
        command.as_std_mut().args(&self.arguments);
        std::os::unix::process::CommandExt::arg0(command.as_std_mut(), &self.name);
        limit.pass_on(command.as_std_mut());
        if is_output_for_programs {
            command.stdout(Stdio::from(std::io::stderr()));
        }
        command.spawn().map_err(|error| {
            Failure::new(Exit::CommandFailed, format!("cannot start the command {:?}: {error}", self.name))
                .advise("run it by itself to see what is wrong with it")
        })
    }
}

/// How a command ended, where that is worth a word.
pub(super) fn describe(status: std::io::Result<ExitStatus>) -> Option<String> {
    match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("the command ended with {status}")),
        Err(error) => Some(format!("cannot wait for the command: {error}")),
    }
}

/// Ends a command that outlived the observation: it alone. What it has started
/// may be a service that is meant to stay.
pub(super) async fn end(mut child: Child, had_signal: bool) {
    if had_signal && timeout(AFTER_INT, child.wait()).await.is_ok() {
        return;
    }
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself just now.
        let _ = kill_process(pid, Signal::TERM);
    }
    if timeout(AFTER_TERM, child.wait()).await.is_err() {
        // As above.
        let _ = child.kill().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[track_caller]
    fn check(command: &str, search: &Path, expected: std::result::Result<&Path, &str>) {
        let found = find(&[command.into(), "argument".into()], Some(search.as_os_str()));
        match (found, expected) {
            (Ok(Some(prepared)), Ok(path)) => assert_eq!(prepared.path, path),
            (Err(failure), Err(why)) => {
                assert_eq!(failure.exit, Exit::CommandFailed);
                assert!(failure.what.contains(why), "{failure}");
            }
            (found, _) => panic!("{command}: {found:?}"),
        }
    }

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name| directory.path().join(name);
        std::fs::write(path("runs"), "#!/bin/sh\n").expect("a file");
        std::fs::set_permissions(path("runs"), PermissionsExt::from_mode(0o755)).expect("a mode");
        std::fs::write(path("text"), "").expect("a file");
        std::fs::create_dir(path("folder")).expect("a directory");
        let search = directory.path();
        check("runs", search, Ok(&path("runs")));
        check(path("runs").to_str().expect("UTF-8"), Path::new(""), Ok(&path("runs")));
        check("absent", search, Err("does not exist"));
        check("./absent", search, Err("does not exist"));
        check("text", search, Err("is not executable"));
        check("folder", search, Err("is not executable"));
        check("", search, Err("\"\""));
        assert_eq!(find(&[], None).expect("no command"), None);
        assert!(find(&["runs".into()], None).is_err());
    }
}
