//! Plays scenarios one after another and says what came of them.

use std::io::{Read, Write};

use crate::arena::{Arena, Watch};
use crate::compare;
use crate::expectation::Expectation;
use crate::failure::{Failure, Kind, Result};
use crate::movement::Kernel;
use crate::observer::Observer;
use crate::report::{self, Format, Outcome, Verdict};
use crate::requirements;
use crate::scenario::Scenario;
use crate::seen::Seen;
use crate::settings::Settings;
use crate::table;

/// Lists every scenario.
///
/// # Errors
/// Where the output cannot be written.
pub fn list(format: Format, out: &mut dyn Write) -> Result<()> {
    written(report::list(out, format))
}

/// Plays one scenario without the tool, and prints what the kernel counted;
/// whether that is what the scenario was built to give.
///
/// # Errors
/// Where there is no such scenario, this machine cannot play it, or the output
/// cannot be written.
pub fn play(name: &str, settings: &Settings, format: Format, out: &mut dyn Write) -> Result<bool> {
    let scenario = named(name)?;
    if let Some(why) = scenario.missing(settings) {
        return Err(Failure::new(Kind::KernelUnable, format!("{name} cannot be played: {why}")));
    }
    requirements::place()?;
    let (expected, kernel, _) = perform(scenario, settings, Watch::Nobody, &mut None)?;
    let verdict = Verdict::of(compare::kernel(&expected, &kernel));
    let outcome = Outcome { scenario, rung: None, verdict, expected: Some(expected), kernel, seen: None };
    written(report::scenario(out, &outcome, format))?;
    Ok(!outcome.failed())
}

/// Plays scenarios with the tool watching: all, or those that are named;
/// whether none of them failed.
///
/// # Errors
/// Where there is no such scenario, or the output cannot be written.
pub fn run(names: &[String], settings: &Settings, format: Format, out: &mut dyn Write) -> Result<bool> {
    let chosen = names.iter().map(|name| named(name)).collect::<Result<Vec<_>>>()?;
    let mut chosen = if chosen.is_empty() { table::all().collect() } else { chosen };
    requirements::place()?;
    requirements::say();
    // Those that share an observer come first, and it is gone when the others are played;
    // together those for which it attaches the same.
    chosen.sort_by_key(|scenario| (is_fresh(scenario, settings), scenario.asks_for_causes()));
    let mut outcomes = Vec::with_capacity(chosen.len());
    let mut shared = None;
    for scenario in chosen {
        let outcome = judge(scenario, settings, &mut shared)?;
        written(report::scenario(out, &outcome, format))?;
        outcomes.push(outcome);
    }
    written(report::summary(out, &outcomes, format))?;
    Ok(!outcomes.iter().any(Outcome::failed))
}

/// Keeps what this process holds until its standard input ends: another
/// process of a scenario, which owns a listener or stands in a namespace, is
/// this program started anew with `selftest --hold`.
pub fn hold() {
    // An error ends the wait as well as the end of the input does.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

fn judge(scenario: &'static Scenario, settings: &Settings, shared: &mut Option<Observer>) -> Result<Outcome> {
    let rung = settings.rung.clone();
    let skipped = |verdict| Outcome {
        scenario,
        rung: rung.clone(),
        verdict,
        expected: None,
        kernel: Kernel::default(),
        seen: None,
    };
    if let Some(why) = scenario.missing(settings) {
        return Ok(skipped(Verdict::Skip(why)));
    }
    let live = scenario.live && !settings.counts_only;
    let watch = if live { Watch::Events } else { Watch::Counts };
    let (expected, kernel, seen) = match perform(scenario, settings, watch, shared) {
        Ok(played) => played,
        // No other scenario would come out otherwise.
        Err(failure) if matches!(failure.kind, Kind::NotPermitted | Kind::KernelUnable) => {
            return Err(failure);
        }
        Err(failure) if failure.kind == Kind::ScenarioUnable => {
            return Ok(skipped(Verdict::Skip(failure.what)));
        }
        Err(failure) => return Ok(skipped(Verdict::Fail(vec![failure.what]))),
    };
    let mut why = compare::kernel(&expected, &kernel);
    let unseen = seen.as_ref().and_then(|seen| compare::unseen(scenario.hooks, &expected, &seen.histogram));
    let verdict = match (unseen, &seen) {
        (Some(missing), _) if why.is_empty() => Verdict::Skip(missing),
        (None, Some(seen)) => {
            why.extend(compare::rung(scenario.hooks, settings.rung.as_deref(), &seen.histogram));
            why.extend(compare::tool(&expected, &kernel, seen, live));
            match compare::hidden(&expected, &seen.histogram) {
                Some(lacks) if why.is_empty() => {
                    Verdict::Skip(format!("cannot be compared on this host: {lacks}"))
                }
                _ => Verdict::of(why),
            }
        }
        _ => Verdict::of(why),
    };
    let rung = seen.as_ref().and_then(|seen| seen.histogram.rung().map(str::to_owned)).or(rung);
    Ok(Outcome { scenario, rung, verdict, expected: Some(expected), kernel, seen })
}

/// Whether an observer is started for this scenario alone.
fn is_fresh(scenario: &Scenario, settings: &Settings) -> bool {
    scenario.fresh || settings.fresh
}

fn perform(
    scenario: &Scenario,
    settings: &Settings,
    watch: Watch,
    shared: &mut Option<Observer>,
) -> Result<(Expectation, Kernel, Option<Seen>)> {
    let settings = Settings { causes: scenario.asks_for_causes(), ..settings.clone() };
    // One that failed its scenario is gone.
    let kept = shared.take();
    let observer = if watch == Watch::Nobody || is_fresh(scenario, &settings) {
        drop(kept);
        None
    } else {
        let kept = kept.filter(|observer| observer.causes == settings.causes);
        Some(kept.map_or_else(|| Observer::start(&settings, !settings.counts_only), Ok)?)
    };
    let goes_on = observer.is_some();
    let mut arena = Arena::new(settings, watch, observer)?;
    let expected = (scenario.play)(&mut arena)?;
    let (kernel, seen) = arena.end()?;
    if goes_on {
        *shared = arena.into_observer();
    }
    Ok((expected, kernel, seen))
}

fn named(name: &str) -> Result<&'static Scenario> {
    table::all().find(|scenario| scenario.name == name).ok_or_else(|| {
        Failure::new(Kind::Usage, format!("there is no scenario '{name}'"))
            .advise("backlog-trace selftest --list names them all")
    })
}

/// A reader that went away has read enough: the scenarios go on for the exit code.
fn written(done: std::io::Result<()>) -> Result<()> {
    match done {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Kind::OutputFailed, format!("cannot write to standard output: {why}"))
                .advise("make room where it leads to, or send it elsewhere"))
        }
        _ => Ok(()),
    }
}
