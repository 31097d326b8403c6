//! What scenarios need of the host, asked once before any is played: so that
//! what is missing is one sentence, and not wrong numbers in all of them.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use rustix::thread::CapabilitySet;
use serde::Deserialize;

use crate::failure::{Failure, Kind, Result};

/// What makes a private network.
const NEEDED: [(CapabilitySet, &str); 2] =
    [(CapabilitySet::SYS_ADMIN, "CAP_SYS_ADMIN"), (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN")];

/// Descriptors that the scenario with the most of them holds, the tool's not
/// counted, and some to spare.
const DESCRIPTORS: u64 = 256;

/// Whether a private network can be made here.
///
/// # Errors
/// What is missing, with what to do: a capability, /proc, a module, a limit.
pub(crate) fn place() -> Result<()> {
    let limits = std::fs::read_to_string("/proc/thread-self/limits").map_err(|why| {
        Failure::new(Kind::KernelUnable, format!("no scenario can be played: /proc is not mounted ({why})"))
            .advise("mount proc on /proc")
    })?;
    let own = rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    privileges(own)?;
    tun(OpenOptions::new().read(true).write(true).open("/dev/net/tun").err())?;
    descriptors(open_files(&limits))
}

fn privileges(own: CapabilitySet) -> Result<()> {
    let lacking: Vec<_> =
        NEEDED.iter().filter(|(needed, _)| !own.contains(*needed)).map(|(_, name)| *name).collect();
    if lacking.is_empty() {
        return Ok(());
    }
    let what = format!("no scenario can be played: no private network without {}", lacking.join(" and "));
    Err(Failure::new(Kind::NotPermitted, what).advise("run selftest as root"))
}

fn tun(refusal: Option<std::io::Error>) -> Result<()> {
    let Some(why) = refusal else { return Ok(()) };
    Err(Failure::new(
        Kind::KernelUnable,
        format!("no scenario can be played: /dev/net/tun cannot be opened ({why})"),
    )
    .advise("load the module tun (modprobe tun); in a container, give it the device /dev/net/tun"))
}

/// The soft limit on open files, where there is one. Read as text, because
/// rustix's `getrlimit()` panics where a sandbox does not tell.
fn open_files(limits: &str) -> Option<u64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn descriptors(limit: Option<u64>) -> Result<()> {
    match limit {
        Some(limit) if limit < DESCRIPTORS => {
            let what = format!(
                "no scenario can be played: {limit} open files are allowed, and {DESCRIPTORS} are needed"
            );
            Err(Failure::new(Kind::NotPermitted, what)
                .advise(format!("raise the limit: ulimit -n {DESCRIPTORS}")))
        }
        _ => Ok(()),
    }
}

/// The tool's own word on what it can read of this host.
#[derive(Deserialize)]
struct Check {
    #[serde(default)]
    sources: Vec<Source>,
}

#[derive(Deserialize)]
struct Source {
    why: Option<String>,
    lost: Option<String>,
    advice: Option<String>,
}

/// Says what the tool cannot read on this host, a sentence each: what comes of
/// the scenarios depends on it.
pub(crate) fn say() {
    let mut command = Command::new("/proc/self/exe");
    command.args(["check", "--rung", "counters", "--format", "json"]);
    // Where it does not even run, the scenarios will say so.
    let Ok(output) = command.stdin(Stdio::null()).stderr(Stdio::null()).output() else { return };
    for (sentence, advice) in sentences(&output.stdout) {
        log::warn!("{sentence}\n  {advice}");
    }
}

fn sentences(check: &[u8]) -> Vec<(String, String)> {
    let check = serde_json::from_slice(check).unwrap_or(Check { sources: Vec::new() });
    let missing = check.sources.into_iter();
    missing
        .filter_map(|source| Some((format!("{}: {}", source.why?, source.lost?), source.advice?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(outcome: Result<()>, kind: Kind, words: &[&str]) {
        let failure = outcome.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        let said = format!("{} {}", failure.what, failure.advice.unwrap());
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }

    #[test]
    fn what_is_missing_is_one_sentence_with_what_to_do() {
        let (none, one) = (CapabilitySet::empty(), CapabilitySet::SYS_ADMIN);
        check(privileges(none), Kind::NotPermitted, &["CAP_SYS_ADMIN and CAP_NET_ADMIN", "root"]);
        check(privileges(one), Kind::NotPermitted, &["without CAP_NET_ADMIN"]);
        let absent = std::io::Error::from_raw_os_error(2);
        check(tun(Some(absent)), Kind::KernelUnable, &["/dev/net/tun", "No such file", "modprobe tun"]);
        check(descriptors(Some(64)), Kind::NotPermitted, &["64 open files", "ulimit -n 256"]);
    }

    #[test]
    fn a_host_that_has_it_all_is_not_talked_about() {
        privileges(CapabilitySet::all()).unwrap();
        tun(None).unwrap();
        descriptors(None).unwrap();
        descriptors(Some(DESCRIPTORS)).unwrap();
    }

    #[test]
    fn the_soft_limit_is_the_first_number() {
        let limits = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max processes             7                    7                    processes \n\
                 Max open files            {soft:21}524288               files     \n"
            )
        };
        assert_eq!(open_files(&limits("1024")), Some(1024));
        assert_eq!(open_files(&limits("unlimited")), None);
        assert_eq!(open_files(""), None);
        let own = std::fs::read_to_string("/proc/thread-self/limits").unwrap();
        assert_eq!(open_files(&own), rustix::process::getrlimit(rustix::process::Resource::Nofile).current);
    }

    #[test]
    fn the_tools_word_is_read_by_its_json() {
        let json = br#"{"sources":[{"source":"proc","state":"whole"},{"source":"sock_diag","state":"missing","why":"no module tcp_diag","lost":"drops are not known","advice":"load it"}]}"#;
        let sentence = ("no module tcp_diag: drops are not known".to_owned(), "load it".to_owned());
        assert_eq!(sentences(json), [sentence]);
        assert!(sentences(b"").is_empty());
    }
}
