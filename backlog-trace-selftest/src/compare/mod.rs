//! The verdict on a scenario: what it was built to give, what the tool said,
//! and what the kernel counted, held against each other.
//!
//! Pure: every complaint is a sentence, no complaint means that all agree.

mod built;
mod counts;
mod events;
mod findings;
mod polled;

use crate::expectation::Expectation;
use crate::movement::Kernel;
use crate::seen::{Histogram, Seen};
use crate::sight;

pub(crate) use polled::promises_all;

/// What the kernel counted against how the scenario was built: a complaint
/// here is about the scenario, the reasons' table or the kernel, not the tool.
pub(crate) fn kernel(expected: &Expectation, kernel: &Kernel) -> Vec<String> {
    let mut why = Vec::new();
    built::counters(expected, kernel, &mut why);
    built::drops(expected, kernel, &mut why);
    why
}

/// What the tool said against both.
pub(crate) fn tool(expected: &Expectation, kernel: &Kernel, seen: &Seen, live: bool) -> Vec<String> {
    if seen.histogram.polled && seen.histogram.lacks().is_some() {
        return Vec::new();
    }
    if seen.histogram.polled {
        return polled::tool(expected, kernel, seen, live);
    }
    let mut why = Vec::new();
    let histogram = &seen.histogram;
    counts::packets(expected, histogram, &mut why);
    counts::against_kernel(kernel, histogram, &mut why);
    counts::audit(kernel, histogram, &mut why);
    counts::drops(expected, kernel, histogram, &mut why);
    counts::facts(expected, kernel, histogram, &mut why);
    findings::found(expected, histogram, &mut why);
    findings::acquittal(expected, histogram, &mut why);
    if !expected.at_least {
        counts::retransmits(kernel, histogram, &mut why);
        counts::retransmits_audited(kernel, histogram, &mut why);
    }
    if live {
        events::told(expected, &seen.events, &mut why);
        events::retransmits(expected, histogram, &seen.events, &mut why);
    }
    why
}

/// Why the host does not let everything be compared that the scenario says
/// something of; `None` where it does.
pub(crate) fn hidden(expected: &Expectation, seen: &Histogram) -> Option<String> {
    // A loss that was polled is known by the drops of its socket alone.
    let lacks = seen.lacks()?;
    (seen.polled || counts::asks_for_unknown(expected, seen)).then_some(lacks)
}

/// Hooks that are not on the rung that the tool was told to take.
pub(crate) fn rung(hooks: &[&str], forced: Option<&str>, histogram: &Histogram) -> Vec<String> {
    let Some(forced) = forced else { return Vec::new() };
    let attached = hooks.iter().filter_map(|hook| histogram.attached(hook));
    let elsewhere = attached.filter(|row| row.rung.as_deref() != Some(forced));
    elsewhere
        .map(|row| {
            let is = row.rung.as_deref().unwrap_or("none");
            format!("the hook {} is on the rung {is} although {forced} was asked for", row.hook)
        })
        .collect()
}

/// Why the tool could not see what was made: a hook that this kernel did not
/// let it have, or not on a rung that shows it; `None` where it could.
pub(crate) fn unseen(hooks: &[&str], expected: &Expectation, histogram: &Histogram) -> Option<String> {
    if histogram.polled {
        // What is promised then needs no hook.
        return None;
    }
    if let Some(row) = expected.sight.and_then(|sight| sight::hidden(sight, histogram)) {
        let (hook, rung) = (&row.hook, row.rung.as_deref().unwrap_or("none"));
        return Some(format!("the hook {hook} does not see it on the rung {rung}"));
    }
    let missing = hooks.iter().find(|hook| histogram.attached(hook).is_none())?;
    let row = histogram.hooks.iter().find(|row| row.hook == *missing);
    let why = row.and_then(|row| row.why.as_deref()).unwrap_or("the tool does not say why");
    Some(format!("the hook {missing} is not attached: {why}"))
}

#[cfg(test)]
mod tests;
