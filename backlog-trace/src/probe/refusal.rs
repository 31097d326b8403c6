//! Why the kernel does not take a program: from its answer to a sentence.
//! Pure but for taking aya's errors apart.
//!
//! The kernel answers with an errno and, where the verifier came to run, with
//! its log. What an errno means depends on who asks, so the facts about user
//! and machine decide between the readings of EPERM.

use std::error::Error;
use std::io;

use aya::programs::ProgramError;
use backlog_trace_model::check::Outcome;
use backlog_trace_model::failure::{Exit, Failure};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use super::load::chain;
use super::needs::Lack;
use super::programs::{Kind, Part};
use super::switch::Switch;
use crate::kernel::preflight::{Facts, Lockdown, privileges};
use crate::resource_limits::{MORE_DESCRIPTORS, MORE_MEMORY};

/// What the kernel answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The kernel's types have no such function or tracepoint.
    NoTarget,
    /// The kernel has no interface by which kprobes are made.
    NoKprobes,
    /// The kernel would attach the program and never run it.
    Off(&'static Switch),
    /// What a kprobe at a function failed with.
    Probing(Errno),
    /// What the program needs beside its target.
    Lacking(Lack),
    /// An errno, with the verifier's log where there is one.
    Errno(Errno, String),
    /// Not the kernel's: the library's own words.
    Other(String),
}

/// A refusal in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Explained {
    pub(super) outcome: Outcome,
    /// A sentence without a full stop.
    pub(super) why: String,
    pub(super) advice: Option<String>,
}

impl Answer {
    /// Takes apart what loading or attaching a program failed with.
    pub(super) fn of_program(error: &ProgramError) -> Self {
        match error {
            // Before the kernel is asked, the target is looked up in its types.
            ProgramError::Btf(_) => Self::NoTarget,
            // perf's directory for kprobes in /sys/bus/event_source.
            ProgramError::KProbeError(_) => Self::NoKprobes,
            ProgramError::SyscallError(error) if error.call == "perf_event_open" => {
                Errno::from_io_error(&error.io_error).map_or_else(|| Self::Other(chain(error)), Self::Probing)
            }
            ProgramError::LoadError { io_error, verifier_log } => {
                Self::of(io_error, verifier_log.to_string())
            }
            other => Self::of(other, String::new()),
        }
    }

    /// Takes apart any other error: the errno is that of the first cause that has one.
    pub(super) fn of(error: &(dyn Error + 'static), log: String) -> Self {
        let mut causes = std::iter::successors(Some(error), |&error| error.source());
        let errno = causes.find_map(|cause| {
            let error = cause.downcast_ref::<io::Error>()?;
            Errno::from_io_error(error)
        });
        errno.map_or_else(|| Self::Other(chain(error)), |errno| Self::Errno(errno, log))
    }
}

/// Why one program of a hook is refused.
pub(super) fn of_part(part: &Part, answer: &Answer, facts: &Facts) -> Explained {
    let target = match part.kind {
        Kind::TpBtf => format!("tracepoint {}", part.target),
        _ => format!("function {}", part.target),
    };
    let (means, option) = match part.kind {
        Kind::Fentry | Kind::Fexit => ("fentry trampolines", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"),
        Kind::TpBtf => ("programs on tracepoints with types", "CONFIG_BPF_EVENTS"),
        Kind::Kprobe | Kind::Kretprobe => ("kprobes", "CONFIG_KPROBE_EVENTS"),
    };
    if is_locked_out(answer, facts) {
        return locked_out();
    }
    if let Some(explained) = anywhere(means, answer) {
        return explained;
    }
    match answer {
        Answer::NoTarget | Answer::Errno(Errno::NOENT, _) | Answer::Probing(Errno::NOENT) => {
            Explained { outcome: Outcome::Absent, why: format!("this kernel has no {target}"), advice: None }
        }
        Answer::NoKprobes => refused(
            format!("this kernel was built without {means}"),
            Some(format!("use a kernel with {option}")),
        ),
        Answer::Lacking(Lack::Argument(saying)) => Explained {
            outcome: Outcome::Absent,
            why: format!("the {target} of this kernel does not say {saying}"),
            advice: None,
        },
        Answer::Lacking(Lack::Fact(fact)) => {
            refused(format!("this kernel's types are not as expected: no {fact}"), Some(report()))
        }
        Answer::Lacking(Lack::Place(function)) => refused(
            format!("/proc/kallsyms does not show where the kernel function {function} is"),
            Some("add the capability CAP_SYSLOG, or set kernel.kptr_restrict to 1 or 0".to_owned()),
        ),
        Answer::Off(Switch { path, what, .. }) => refused(
            format!("switched off: {what} ({path} is 0)"),
            Some(format!("switch it on: echo 1 > {path}")),
        ),
        // Debian's perf_event_open() asks for it where kernel.perf_event_paranoid
        // is 3, which it is unless changed; others take CAP_PERFMON.
        Answer::Probing(errno)
            if no_permission(*errno)
                && privileges(facts).is_ok()
                && !facts.capabilities.contains(CapabilitySet::SYS_ADMIN) =>
        {
            refused(
                format!("the kernel refuses {means} ({errno}) without CAP_SYS_ADMIN"),
                Some("run it with CAP_SYS_ADMIN too, or lower kernel.perf_event_paranoid to 2".to_owned()),
            )
        }
        Answer::Probing(errno) if no_permission(*errno) => not_permitted(means, *errno, facts),
        // check_kprobe_address_safe() and within_notrace_func(), 5.10 to 7.2.
        Answer::Probing(Errno::INVAL) => Explained {
            outcome: Outcome::Absent,
            why: format!(
                "the kernel allows no probe on {target} (EINVAL): it is on the list of functions that kprobes must not touch"
            ),
            advice: None,
        },
        // More than one symbol of this name, since 6.6.
        Answer::Probing(Errno::ADDRNOTAVAIL) => Explained {
            outcome: Outcome::Absent,
            why: format!("this kernel has more than one {target}"),
            advice: None,
        },
        Answer::Errno(errno, log) if last_words(log).is_none() && no_permission(*errno) => {
            not_permitted(means, *errno, facts)
        }
        // ENOTSUPP, of no C library, is what the trampoline code itself gives.
        Answer::Errno(errno, log)
            if last_words(log).is_none() && (*errno == Errno::OPNOTSUPP || errno.raw_os_error() == 524) =>
        {
            refused(
                format!("this kernel was built without {means}"),
                Some(format!("use a kernel with {option}")),
            )
        }
        other => refused(format!("{target}: {}", said(other)), Some(report())),
    }
}

/// Why something that no hook can do without is refused; `what` is its name.
pub(super) fn of_preparation(what: &str, answer: &Answer, facts: &Facts) -> Explained {
    if is_locked_out(answer, facts) {
        return locked_out();
    }
    if let Some(explained) = anywhere(what, answer) {
        return explained;
    }
    match answer {
        Answer::Errno(errno, log) if last_words(log).is_none() && no_permission(*errno) => {
            let mut explained = not_permitted(what, *errno, facts);
            if explained.advice.is_some() && privileges(facts).is_ok() {
                explained.advice = Some(
                    "in a container, allow bpf(): --privileged, or a seccomp profile that lets it pass"
                        .to_owned(),
                );
            }
            explained
        }
        other => refused(format!("the kernel refused {what}: {}", said(other)), Some(report())),
    }
}

/// What an errno means whatever was asked for.
fn anywhere(what: &str, answer: &Answer) -> Option<Explained> {
    let (call, errno) = match answer {
        Answer::Probing(errno) => ("perf_event_open()", *errno),
        Answer::Errno(errno, log) if last_words(log).is_none() => ("bpf()", *errno),
        _ => return None,
    };
    let (why, advice) = match errno {
        Errno::NOMEM => (
            format!("the kernel has no memory for {what} (ENOMEM)"),
            format!("{MORE_MEMORY}; before 5.11 also the limit on locked memory (ulimit -l)"),
        ),
        Errno::MFILE => (
            format!("the limit on open files (ulimit -n) leaves no room for {what} (EMFILE)"),
            MORE_DESCRIPTORS.to_owned(),
        ),
        // sys_ni.c where it is not built in; seccomp profiles answer so too.
        Errno::NOSYS => (
            format!(
                "{call} is refused as if this kernel had no such call (ENOSYS), so there are no {what}: a sandbox forbids it, or the kernel was built without"
            ),
            format!(
                "in a container, allow {call}: --privileged, or a seccomp profile that lets it pass; else use a kernel with CONFIG_BPF_SYSCALL and CONFIG_PERF_EVENTS"
            ),
        ),
        _ => return None,
    };
    Some(refused(why, Some(advice)))
}

/// That there is no room for something, where that is what it failed with.
pub(super) fn shortage(what: &str, error: &(dyn Error + 'static)) -> Option<Failure> {
    let Explained { why, advice, .. } = anywhere(what, &Answer::of(error, String::new()))?;
    Some(Failure::new(Exit::NoRoom, why).advise(advice.unwrap_or_else(report)))
}

/// What a command ends with where the kernel refuses a program that every
/// observation needs.
pub(super) fn program_failure(what: &str, error: &ProgramError, facts: &Facts) -> Failure {
    failed(what, &Answer::of_program(error), facts)
}

/// What a command ends with where the kernel refuses anything else, such as a map.
pub(super) fn failure(what: &str, error: &(dyn Error + 'static), facts: &Facts) -> Failure {
    failed(what, &Answer::of(error, String::new()), facts)
}

fn failed(what: &str, answer: &Answer, facts: &Facts) -> Failure {
    let explained = of_preparation(what, answer, facts);
    let exit = match answer {
        Answer::Errno(Errno::NOMEM | Errno::MFILE, _) => Exit::NoRoom,
        _ => Exit::KernelUnable,
    };
    Failure::new(exit, explained.why).advise(explained.advice.unwrap_or_else(report))
}

fn refused(why: String, advice: Option<String>) -> Explained {
    Explained { outcome: Outcome::Refused, why, advice }
}

fn no_permission(errno: Errno) -> bool {
    errno == Errno::PERM || errno == Errno::ACCESS
}

/// The helper that reads memory is one that the verifier does not know then.
fn is_locked_out(answer: &Answer, facts: &Facts) -> bool {
    let Answer::Errno(_, log) = answer else { return false };
    facts.lockdown == Lockdown::Confidentiality
        && last_words(log).is_some_and(|words| words.contains("bpf_probe_read"))
}

fn locked_out() -> Explained {
    refused(
        "the kernel is locked down (confidentiality): programs may not read its memory".to_owned(),
        Some("boot without lockdown=confidentiality".to_owned()),
    )
}

/// A refusal before the verifier was asked: a privilege, lockdown, or a policy.
fn not_permitted(what: &str, errno: Errno, facts: &Facts) -> Explained {
    if let Err(failure) = privileges(facts) {
        return refused(failure.what, failure.advice);
    }
    let name = if errno == Errno::PERM { "EPERM" } else { "EACCES" };
    if facts.lockdown == Lockdown::Confidentiality {
        return refused(
            format!("the kernel refuses {what} ({name}): it is locked down (confidentiality)"),
            Some("boot without lockdown=confidentiality".to_owned()),
        );
    }
    refused(
        format!(
            "the kernel refuses {what} ({name}), although this process has every privilege that takes: the policy of a hardened kernel or of a security module"
        ),
        Some(
            "use a kernel whose policy allows it, as those of the distributions do; `backlog-trace listeners` works without"
                .to_owned(),
        ),
    )
}

fn said(answer: &Answer) -> String {
    match answer {
        Answer::NoTarget => "the kernel's types do not have it".to_owned(),
        Answer::Lacking(lack) => format!("it lacks {lack:?}"),
        Answer::NoKprobes => "this kernel has no kprobes".to_owned(),
        Answer::Off(switch) => format!("switched off: {}", switch.what),
        Answer::Probing(errno) => errno.to_string(),
        Answer::Errno(errno, log) => match last_words(log) {
            Some(words) => format!("the verifier rejects the program: {words} ({errno})"),
            None => errno.to_string(),
        },
        Answer::Other(text) => text.clone(),
    }
}

/// The verifier ends with what it did not like, then with statistics.
fn last_words(log: &str) -> Option<&str> {
    let statistics = ["processed ", "insns processed ", "verification time ", "stack depth ", "peak_states "];
    let lines = log.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.rev().find(|line| !statistics.iter().any(|start| line.starts_with(start)))
}

fn report() -> String {
    "please report this together with the output of `uname -a`".to_owned()
}

#[cfg(test)]
mod tests;
