//! Tries everything that an observation needs and keeps nothing of it: what
//! this kernel, this user and this machine allow. Never fails: what cannot be
//! tried is part of the answer.

use backlog_trace_model::check::Grade;
use backlog_trace_model::check::{Attempt, Finding, Hook, Outcome, Trial, Tried};
use backlog_trace_model::event::Rung;
use backlog_trace_model::failure::{Exit, Failure, Result};

use super::attach::Kernel;
use super::programs::{Kind, Part, Programs};
use super::settings::Settings;
use super::start::{Counting, Loaded};
use crate::kernel::btf::{self, Btf};
use crate::kernel::layout::Layout;
use crate::kernel::preflight::{self, Facts};
use crate::listener::Book;
use crate::resource_limits;

/// Loads and attaches each program of these rungs for a moment, as far as a
/// better one does not do.
pub(crate) fn trial(rungs: &[Rung]) -> Trial {
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
    let types = resource_limits::memory_for_hooks().and_then(|()| Btf::from_sys_fs());
    let layout = match &types {
        Ok(types) => {
            let layout = Layout::resolve(types).and_then(|layout| layout.check_pairs().map(|()| layout));
            found(&mut findings, "layout", "everything that is read is where the types place it", layout)
        }
        Err(failure) => {
            // What does not exist has been found above, what cannot be read has not.
            if failure.exit == Exit::NoRoom {
                findings.push(Finding::unable("memory", failure.what.clone(), failure.advice.clone()));
            } else if !findings
                .iter()
                .any(|finding| finding.subject == "types" && finding.grade == Grade::Unable)
            {
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
    let mut book = Book::new();
    let listeners = book.refresh().len();
    let prepared = Kernel::meet(rungs, facts, types, layout)
        .and_then(|kernel| Ok((prepare(&kernel, &book, listeners, findings)?, kernel)));
    let (counting, kernel) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return untried(rungs, &failure, Some(types)),
    };
    let attached = counting.attach(&kernel, rungs, true);
    let hooks = attached.hooks.clone();
    let walk = attached.try_walk(&kernel);
    // Its failure is among the findings.
    let walk = found(findings, "walk", "listeners that are open already can be walked over", walk);
    if let Ok(walked) = walk {
        let search = walked.search(&kernel, book.namespaces());
        // Only its failure is worth a line.
        if search.is_err() {
            let _ = found(findings, "search", "", search);
        }
    }
    hooks
}

fn prepare(
    kernel: &Kernel<'_>,
    book: &Book,
    listeners: usize,
    findings: &mut Vec<Finding>,
) -> Result<Counting> {
    let loaded = Loaded::load(kernel, &Settings::default(), book, listeners);
    let loaded = found(findings, "maps", "may create maps", loaded)?;
    let counting = loaded.find_counters(kernel);
    found(findings, "counters", "the kernel's counters can be read on each CPU", counting)
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
    let attempt = |hook: Hook, rung| {
        let programs = Programs::of(hook);
        let carried = programs.carried.as_ref().filter(|carried| carried.rung == rung);
        let carrier = carried.map(|carried| Programs::of(carried.by));
        let Some(parts) = carrier.unwrap_or(programs).parts_on(rung) else {
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
    Hook::all().map(tried).collect()
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
    use crate::probe::RUNGS;

    #[test]
    fn every_hook_is_explained_where_nothing_can_be_tried() {
        let failure = Failure::new(Exit::NotPermitted, "a privilege is missing").advise("be root");
        let hooks = untried(RUNGS, &failure, None);
        assert_eq!(hooks.len(), Hook::all().count());
        for tried in hooks {
            assert_eq!((tried.rung(), tried.state()), (None, "missing"));
            assert_eq!(tried.attempts.len(), RUNGS.len());
            for attempt in &tried.attempts {
                let carried =
                    Programs::of(tried.hook).carried.as_ref().is_some_and(|own| own.rung == attempt.rung);
                let has = carried || Programs::of(tried.hook).parts_on(attempt.rung).is_some();
                assert_eq!(attempt.outcome, if has { Outcome::Untried } else { Outcome::Absent });
            }
            assert!(tried.why().is_some_and(|why| why.starts_with("a privilege is missing")));
            assert_eq!(tried.advice().as_deref(), Some("be root"));
        }
    }
}
