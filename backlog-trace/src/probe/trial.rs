//! Tries everything that an observation needs and keeps nothing of it: what
//! this kernel, this user and this machine allow. Never fails: what cannot be
//! tried is part of the answer.

use aya::Ebpf;
use serde::Serialize;

use super::attach::Kernel;
use super::extents::Extents;
use super::hook::{HOOKS, Hook, Kind, Part};
use super::ladder::{Attempt, Outcome, Tried};
use super::load::Sizes;
use super::settings::Settings;
use super::{attach, baselines, load, search};
use crate::event::{Reach, Rung, SourceState};
use crate::failure::{Exit, Failure, Result};
use crate::kernel::btf::{self, Btf};
use crate::kernel::layout::Layout;
use crate::kernel::possible_cpus::CpuList;
use crate::kernel::preflight::{self, Facts, Finding, Grade};
use crate::listener::Book;

/// How much can be observed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything.
    Full,
    /// What the missing hooks and sources give is not.
    Reduced,
    /// Nothing by eBPF: something is missing that every observation needs.
    Nothing,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Kernel release, as in `uname -r`.
    pub kernel: String,
    /// What was looked at beside the hooks.
    pub findings: Vec<Finding>,
    /// Every hook.
    pub hooks: Vec<Tried>,
    /// What figures are read from beside the hooks.
    pub sources: Vec<SourceState>,
}

impl Trial {
    /// What follows from it.
    pub fn verdict(&self) -> Verdict {
        let missing = || self.hooks.iter().filter(|tried| tried.rung().is_none() && !tried.hook.on_request);
        if self.findings.iter().any(|finding| finding.grade == Grade::Unable)
            || missing().any(|tried| tried.hook.required)
        {
            Verdict::Nothing
        } else if missing().next().is_some() || self.sources.iter().any(|state| state.state != Reach::Whole) {
            Verdict::Reduced
        } else {
            Verdict::Full
        }
    }
}

/// Loads and attaches each program of these rungs for a moment, as far as a
/// better one does not do.
pub fn trial(rungs: &[Rung]) -> Trial {
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let (mut findings, able) = match Facts::gather() {
        Ok(facts) => {
            let able = preflight::require();
            (preflight::findings(&facts), able)
        }
        Err(failure) => {
            (vec![Finding::unable("facts", failure.what.clone(), failure.advice.clone())], Err(failure))
        }
    };
    let types = Btf::from_sys_fs();
    let layout = match &types {
        Ok(types) => {
            let layout = Layout::resolve(types).and_then(|layout| layout.check_pairs().map(|()| layout));
            found(&mut findings, "layout", "everything that is read is where the types place it", layout)
        }
        Err(failure) => {
            // What does not exist has been found above, what cannot be read has not.
            if !findings.iter().any(|finding| finding.subject == "types" && finding.grade == Grade::Unable) {
                findings.push(Finding::unable("types", failure.what.clone(), failure.advice.clone()));
            }
            Err(Failure { what: failure.what.clone(), advice: failure.advice.clone(), ..*failure })
        }
    };
    let ready = able.and_then(|facts| layout.map(|layout| (facts, layout)));
    let hooks = match (ready, types.as_ref().ok()) {
        (Ok((facts, layout)), Some(types)) => try_all(rungs, &facts, types, &layout, &mut findings),
        (Err(failure), types) => untried(rungs, &failure, types),
        // A layout comes of types.
        (Ok(_), None) => untried(rungs, &btf::absent(), None),
    };
    let mut book = Book::new();
    book.refresh();
    Trial { kernel, findings, hooks, sources: book.sources() }
}

/// Goes through the steps of an observation, as far as they go.
fn try_all(
    rungs: &[Rung],
    facts: &Facts,
    types: &Btf,
    layout: &Layout,
    findings: &mut Vec<Finding>,
) -> Vec<Tried> {
    let extents = match Extents::find() {
        Ok(extents) => extents,
        Err(failure) => return untried(rungs, &failure, Some(types)),
    };
    let mut book = Book::new();
    let mut ebpf = match prepare(facts, layout, &extents, &mut book, findings) {
        Ok(ebpf) => ebpf,
        Err(failure) => return untried(rungs, &failure, Some(types)),
    };
    let btf = match aya::Btf::from_sys_fs() {
        Ok(btf) => btf,
        Err(error) => {
            let failure = Failure::new(Exit::KernelUnable, format!("the kernel's types: {error}"));
            return untried(rungs, &failure, Some(types));
        }
    };
    let kernel = Kernel { btf: &btf, types, layout, extents: &extents, facts };
    let hooks = attach::attach_all(&mut ebpf, &kernel, rungs, true);
    let walk = baselines::try_walk(&mut ebpf, &btf, facts);
    // Failures are in the findings.
    let walk = found(findings, "walk", "listeners that are open already can be walked over", walk);
    if walk.is_ok() {
        let search = search::check(&mut ebpf, &btf, book.namespaces(), facts, &hooks);
        // Only its failure is worth a line.
        if search.is_err() {
            let _ = found(findings, "search", "", search);
        }
    }
    hooks
}

fn prepare(
    facts: &Facts,
    layout: &Layout,
    extents: &Extents,
    book: &mut Book,
    findings: &mut Vec<Finding>,
) -> Result<Ebpf> {
    let listeners = book.refresh().len();
    let ebpf = Sizes::now(book, listeners, None)
        .and_then(|sizes| load::load(layout, extents, &Settings::default(), sizes, facts));
    let mut ebpf = found(findings, "maps", "may create maps", ebpf)?;
    let offsets =
        CpuList::online().and_then(|online| baselines::record_cpu_offsets(&mut ebpf, &online, facts));
    found(findings, "counters", "the kernel's counters can be read on each CPU", offsets)?;
    Ok(ebpf)
}

/// Notes how a step came out and passes it on.
fn found<T>(findings: &mut Vec<Finding>, subject: &'static str, good: &str, result: Result<T>) -> Result<T> {
    findings.push(match &result {
        Ok(_) => Finding::fine(subject, good),
        Err(failure) => Finding::unable(subject, failure.what.clone(), failure.advice.clone()),
    });
    result
}

/// What can be said of the hooks where nothing can be tried: whether the
/// kernel has their targets.
fn untried(rungs: &[Rung], failure: &Failure, types: Option<&Btf>) -> Vec<Tried> {
    let attempt = |hook: &Hook, rung| {
        let carried = hook.carried.as_ref().filter(|carried| carried.rung == rung);
        let carrier = carried.and_then(|carried| HOOKS.iter().find(|other| other.name == carried.by));
        let Some(parts) = carrier.unwrap_or(hook).parts_on(rung) else {
            return Attempt::without_programs(rung);
        };
        match absent(parts, types) {
            Some(why) => Attempt { rung, outcome: Outcome::Absent, why: Some(why), advice: None },
            None => Attempt {
                rung,
                outcome: Outcome::Untried,
                why: Some(failure.what.clone()),
                advice: failure.advice.clone(),
            },
        }
    };
    let tried = |hook| Tried { hook, attempts: rungs.iter().map(|rung| attempt(hook, *rung)).collect() };
    HOOKS.iter().map(tried).collect()
}

fn absent(parts: &[Part], types: Option<&Btf>) -> Option<String> {
    let types = types?;
    let part = parts.iter().filter(|part| !part.optional).find(|part| match part.kind {
        Kind::Fentry | Kind::Fexit => types.function(part.target).is_none(),
        Kind::TpBtf => types.tracepoint(part.target).is_none(),
        // They are found by symbol: a function without a type can be probed.
        Kind::Kprobe | Kind::Kretprobe => false,
    })?;
    Some(format!("this kernel has no {}", part.target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Source;
    use crate::probe::RUNGS;

    fn trial(missing: &[&str], grade: Grade) -> Trial {
        let tried = |hook: &'static Hook| {
            let outcome = if missing.contains(&hook.name) { Outcome::Refused } else { Outcome::Attached };
            let attempt = Attempt { rung: Rung::Fentry, outcome, why: None, advice: None };
            Tried { hook, attempts: vec![attempt] }
        };
        Trial {
            kernel: "6.1.0".to_owned(),
            findings: vec![Finding { subject: "maps", grade, what: String::new(), advice: None }],
            hooks: HOOKS.iter().map(tried).collect(),
            sources: vec![SourceState::whole(Source::Netstat)],
        }
    }

    #[test]
    fn a_source_that_is_missing_reduces_what_can_be_observed() {
        let mut trial = trial(&[], Grade::Fine);
        trial.sources.push(SourceState::partial(Source::SockDiag, String::new()));
        assert_eq!(trial.verdict(), Verdict::Reduced);
    }

    #[test]
    fn the_verdict() {
        for (missing, grade, verdict) in [
            (&[][..], Grade::Fine, Verdict::Full),
            (&[], Grade::Reduced, Verdict::Full),
            (&["accept"], Grade::Fine, Verdict::Reduced),
            (&["accept", "cookie", "close", "synack"], Grade::Reduced, Verdict::Reduced),
            (&["syn"], Grade::Fine, Verdict::Nothing),
            (&["ack"], Grade::Fine, Verdict::Nothing),
            (&["listen", "accept"], Grade::Fine, Verdict::Nothing),
            (&[], Grade::Unable, Verdict::Nothing),
        ] {
            assert_eq!(trial(missing, grade).verdict(), verdict, "{missing:?} {grade:?}");
        }
    }

    #[test]
    fn every_hook_is_explained_where_nothing_can_be_tried() {
        let failure = Failure::new(Exit::NotPermitted, "a privilege is missing").advise("be root");
        let hooks = untried(RUNGS, &failure, None);
        assert_eq!(hooks.len(), HOOKS.len());
        for tried in hooks {
            assert_eq!((tried.rung(), tried.state()), (None, "missing"));
            assert_eq!(tried.attempts.len(), RUNGS.len());
            for attempt in &tried.attempts {
                let carried = tried.hook.carried.as_ref().is_some_and(|own| own.rung == attempt.rung);
                let has = carried || tried.hook.parts_on(attempt.rung).is_some();
                assert_eq!(attempt.outcome, if has { Outcome::Untried } else { Outcome::Absent });
            }
            assert!(tried.why().is_some_and(|why| why.starts_with("a privilege is missing")));
            assert_eq!(tried.advice().as_deref(), Some("be root"));
        }
    }
}
