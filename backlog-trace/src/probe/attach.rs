//! Attaching each hook on the best rung that the kernel takes, and saying
//! what became of the others.

use aya::programs::{BtfTracePoint, FEntry, FExit, KProbe, Program, ProgramError};
use aya::{Btf, Ebpf};
use backlog_trace_model::check::{Attempt, Hook, Outcome, Tried, join};
use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::{Exit, Failure, Result};

use super::extents::Extents;
use super::needs;
use super::programs::{Carried, Kind, Part, Programs};
use super::refusal::{self, Answer, Explained};
use super::{load, switch};
use crate::kernel::btf;
use crate::kernel::layout::Layout;
use crate::kernel::preflight::Facts;

/// What is known of the kernel that programs are attached to.
pub(super) struct Kernel<'a> {
    /// Its types, as aya reads them.
    pub(super) btf: Btf,
    /// Its types.
    pub(super) types: &'a btf::Btf,
    /// What follows from them.
    pub(super) layout: &'a Layout,
    /// Where functions of it lie.
    pub(super) extents: Extents,
    /// Who asks it.
    pub(super) facts: &'a Facts,
}

impl<'a> Kernel<'a> {
    /// All that programs of these rungs need to know of it.
    ///
    /// # Errors
    /// Its types are not for aya, or where its functions lie cannot be read.
    pub(super) fn meet(
        rungs: &[Rung],
        facts: &'a Facts,
        types: &'a btf::Btf,
        layout: &'a Layout,
    ) -> Result<Self> {
        let btf = load::types_for_aya(types)?;
        let extents = needs::extents(rungs, types, layout)?;
        Ok(Self { btf, types, layout, extents, facts })
    }
}

/// Loads and attaches every hook on the first of `rungs` that holds; those that
/// wait for a request only with `causes`.
pub(super) fn attach_all(ebpf: &mut Ebpf, kernel: &Kernel<'_>, rungs: &[Rung], causes: bool) -> Vec<Tried> {
    let mut all = Vec::new();
    for hook in Hook::all().filter(|hook| causes || !hook.row().on_request) {
        let tried = attach(ebpf, kernel, rungs, hook, &all);
        all.push(tried);
    }
    all
}

/// Whether what is attached is worth observing with.
///
/// # Errors
/// `KernelUnable` where a hook is missing without which nothing is.
pub(super) fn require(tried: &[Tried]) -> Result<()> {
    let Some(missing) = tried.iter().find(|tried| tried.hook.row().required && tried.rung().is_none()) else {
        return Ok(());
    };
    let (hook, why) = (missing.hook, missing.why().unwrap_or_default());
    let see = "`backlog-trace check` shows what this kernel and this user allow";
    let advice = missing.advice().map_or_else(|| see.to_owned(), |advice| format!("{advice}; {see}"));
    let what = format!("the {} hook ({}) cannot be attached: {why}", hook.name(), hook.row().gives);
    Err(Failure::new(Exit::KernelUnable, what).advise(advice))
}

fn attach(ebpf: &mut Ebpf, kernel: &Kernel<'_>, rungs: &[Rung], hook: Hook, earlier: &[Tried]) -> Tried {
    let programs = Programs::of(hook);
    let mut attempts = Vec::new();
    for rung in worth_trying(rungs, programs, earlier) {
        let attempt = match &programs.carried {
            Some(carried) if carried.rung == rung => carried_by(carried, earlier),
            _ => attach_on(ebpf, kernel, rung, programs),
        };
        let attached = attempt.outcome == Outcome::Attached;
        attempts.push(attempt);
        if attached {
            break;
        }
    }
    Tried { hook, attempts }
}

/// The rungs to try for a hook: all, or that of the hook beside which it stands.
fn worth_trying(rungs: &[Rung], programs: &Programs, earlier: &[Tried]) -> Vec<Rung> {
    let beside = programs.beside.and_then(|hook| earlier.iter().find(|tried| tried.hook == hook)?.rung());
    beside.map_or_else(|| rungs.to_vec(), |rung| vec![rung])
}

/// The bits of the hooks that stand by the programs of another one.
pub(super) fn carried(tried: &[Tried]) -> u32 {
    let stands = |tried: &&Tried| {
        Programs::of(tried.hook).carried.as_ref().filter(|own| tried.rung() == Some(own.rung))
    };
    tried.iter().filter_map(|tried| stands(&tried)).fold(0, |bits, carried| bits | carried.bit)
}

/// Where the programs of another hook show it.
fn carried_by(carried: &Carried, earlier: &[Tried]) -> Attempt {
    let (rung, by) = (carried.rung, carried.by);
    let stands = earlier.iter().any(|tried| tried.hook == by && tried.rung() == Some(rung));
    let why = format!(
        "by {} the programs of the {} hook show this, and they are not attached",
        rung.name(),
        by.name()
    );
    Attempt {
        rung,
        outcome: if stands { Outcome::Attached } else { Outcome::Absent },
        why: (!stands).then_some(why),
        advice: None,
    }
}

/// All programs of one rung, or none of them.
fn attach_on(ebpf: &mut Ebpf, kernel: &Kernel<'_>, rung: Rung, programs: &Programs) -> Attempt {
    let Some(parts) = programs.parts_on(rung) else { return Attempt::without_programs(rung) };
    let mut refusals: Vec<Explained> = Vec::new();
    for part in parts {
        match attach_part(ebpf, kernel, part) {
            Ok(()) => {}
            Err(answer) if part.optional => log::debug!("{}: {answer:?}", part.program),
            Err(answer) => refusals.push(refusal::of_part(part, &answer, kernel.facts)),
        }
    }
    if refusals.is_empty() {
        return Attempt { rung, outcome: Outcome::Attached, why: None, advice: None };
    }
    for part in parts {
        detach_part(ebpf, part);
    }
    explained(rung, &refusals)
}

/// One attempt from what its programs met with.
pub(super) fn explained(rung: Rung, refusals: &[Explained]) -> Attempt {
    let absent = refusals.iter().all(|refusal| refusal.outcome == Outcome::Absent);
    Attempt {
        rung,
        outcome: if absent { Outcome::Absent } else { Outcome::Refused },
        why: join(refusals.iter().map(|refusal| refusal.why.as_str())),
        advice: join(refusals.iter().filter_map(|refusal| refusal.advice.as_deref())),
    }
}

fn attach_part(ebpf: &mut Ebpf, kernel: &Kernel<'_>, part: &Part) -> std::result::Result<(), Answer> {
    let Kernel { types, layout, extents, .. } = kernel;
    if let Some(lack) = needs::lack(&part.needs, part.target, types, layout, extents) {
        return Err(Answer::Lacking(lack));
    }
    let btf = &kernel.btf;
    let program = ebpf
        .program_mut(part.program)
        .ok_or_else(|| Answer::Other(format!("the kernel side has no program {}", part.program)))?;
    let kprobe = matches!(part.kind, Kind::Kprobe | Kind::Kretprobe);
    if kprobe && !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        let why = "the programs for kprobes read the registers of x86-64 and arm64";
        return Err(Answer::Other(why.to_owned()));
    }
    if let Some(switch) = switch::off(part.kind) {
        return Err(Answer::Off(switch));
    }
    let outcome = match part.kind {
        Kind::Fentry => <&mut FEntry>::try_from(program)
            .and_then(|program| program.load(part.target, btf).and_then(|()| program.attach().map(drop))),
        Kind::Fexit => <&mut FExit>::try_from(program)
            .and_then(|program| program.load(part.target, btf).and_then(|()| program.attach().map(drop))),
        Kind::TpBtf => <&mut BtfTracePoint>::try_from(program)
            .and_then(|program| program.load(part.target, btf).and_then(|()| program.attach().map(drop))),
        Kind::Kprobe | Kind::Kretprobe => <&mut KProbe>::try_from(program).and_then(|program| {
            loaded_once(program.load()).and_then(|()| program.attach(part.target, 0).map(drop))
        }),
    };
    outcome.map_err(|error| Answer::of_program(&error))
}

/// One program may serve several functions.
fn loaded_once(loaded: std::result::Result<(), ProgramError>) -> std::result::Result<(), ProgramError> {
    match loaded {
        Err(ProgramError::AlreadyLoaded) => Ok(()),
        other => other,
    }
}

/// Takes a program back, whether or not it came as far as being loaded.
fn detach_part(ebpf: &mut Ebpf, part: &Part) {
    let unloaded = match ebpf.program_mut(part.program) {
        Some(Program::FEntry(program)) => program.unload(),
        Some(Program::FExit(program)) => program.unload(),
        Some(Program::BtfTracePoint(program)) => program.unload(),
        Some(Program::KProbe(program)) => program.unload(),
        _ => return,
    };
    match unloaded {
        Ok(()) | Err(ProgramError::NotLoaded) => {}
        Err(error) => log::warn!("{} stays attached until the end: {error}", part.program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation(outcome: Outcome, why: &str, advice: Option<&str>) -> Explained {
        Explained { outcome, why: why.to_owned(), advice: advice.map(str::to_owned) }
    }

    #[test]
    fn a_rung_is_absent_only_if_nothing_was_refused() {
        let absent = explanation(Outcome::Absent, "no a()", None);
        let refused = explanation(Outcome::Refused, "not allowed", Some("allow it"));
        let attempt = explained(Rung::Fentry, std::slice::from_ref(&absent));
        assert_eq!(
            (attempt.outcome, attempt.why.as_deref(), attempt.advice),
            (Outcome::Absent, Some("no a()"), None)
        );
        let attempt = explained(Rung::Fentry, &[absent, refused.clone(), refused]);
        assert_eq!(
            (attempt.outcome, attempt.why.as_deref()),
            (Outcome::Refused, Some("no a(); not allowed"))
        );
        assert_eq!(attempt.advice.as_deref(), Some("allow it"));
    }

    #[test]
    fn a_hook_stands_where_the_one_that_carries_it_does() {
        let carried = Programs::of(Hook::Request).carried.as_ref().unwrap();
        for (rung, outcome) in [(Rung::Tracepoint, Outcome::Attached), (Rung::Fentry, Outcome::Absent)] {
            let attempt = Attempt { rung, outcome: Outcome::Attached, why: None, advice: None };
            let attempt = carried_by(carried, &[Tried { hook: carried.by, attempts: vec![attempt] }]);
            assert_eq!((attempt.rung, attempt.outcome), (Rung::Tracepoint, outcome));
            assert_eq!(attempt.why.is_none(), outcome == Outcome::Attached);
        }
    }

    #[test]
    fn a_hook_that_is_the_same_on_every_rung_stands_where_its_neighbour_does() {
        let rungs = [Rung::Fentry, Rung::Kprobe, Rung::Tracepoint];
        for (outcome, synack) in [(Outcome::Attached, &[Rung::Kprobe][..]), (Outcome::Refused, &rungs[..])] {
            let attempt = Attempt { rung: Rung::Kprobe, outcome, why: None, advice: None };
            let earlier = [Tried { hook: Hook::Syn, attempts: vec![attempt] }];
            assert_eq!(worth_trying(&rungs, Programs::of(Hook::Synack), &earlier), synack);
            assert_eq!(worth_trying(&rungs, Programs::of(Hook::Ack), &earlier), rungs);
        }
    }

    #[track_caller]
    fn check(missing: &str, exit: Option<Exit>) {
        let tried = |hook: Hook| {
            let outcome = if hook.name() == missing { Outcome::Refused } else { Outcome::Attached };
            let attempt = Attempt { rung: Rung::Fentry, outcome, why: Some("no".to_owned()), advice: None };
            Tried { hook, attempts: vec![attempt] }
        };
        let all: Vec<_> = Hook::all().map(tried).collect();
        assert_eq!(require(&all).err().map(|failure| failure.exit), exit, "{missing}");
    }

    #[test]
    fn nothing_is_worth_observing_without_listen_syn_and_ack() {
        for missing in ["listen", "syn", "ack"] {
            check(missing, Some(Exit::KernelUnable));
        }
        for missing in ["close", "cookie", "synack", "accept", "none"] {
            check(missing, None);
        }
    }
}
