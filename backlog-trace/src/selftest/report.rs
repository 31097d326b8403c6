//! What is printed of scenarios: one line each, or one JSON object each.

use std::collections::BTreeSet;
use std::io::{Result, Write};

use backlog_trace_common::reason::Reason;
use serde_json::{Map, Value, json};

use super::expectation::{Expectation, Expected};
use super::movement::Kernel;
use super::scenario::Scenario;
use super::seen::{Row, Seen};
use super::table::TABLE;
use crate::cli::Format;

/// What came of a scenario.
pub(super) enum Verdict {
    /// All agree.
    Pass,
    /// They do not, and these are the sentences that say where.
    Fail(Vec<String>),
    /// It could not be played or seen here, for this reason.
    Skip(String),
}

impl Verdict {
    /// Pass, unless there is a complaint.
    pub(super) fn of(complaints: Vec<String>) -> Self {
        if complaints.is_empty() { Self::Pass } else { Self::Fail(complaints) }
    }
}

/// A scenario that was played or skipped.
pub(super) struct Outcome {
    pub(super) scenario: &'static Scenario,
    /// The rung that verdicts were taken on; `None` where the tool did not run.
    pub(super) rung: Option<String>,
    pub(super) verdict: Verdict,
    pub(super) expected: Option<Expectation>,
    pub(super) kernel: Kernel,
    pub(super) seen: Option<Seen>,
}

impl Outcome {
    /// Whether it must fail the command.
    pub(super) fn failed(&self) -> bool {
        matches!(self.verdict, Verdict::Fail(_))
    }

    fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail(_) => "fail",
            Verdict::Skip(_) => "skip",
        }
    }

    fn sentences(&self) -> Vec<&str> {
        match &self.verdict {
            Verdict::Pass => Vec::new(),
            Verdict::Fail(why) => why.iter().map(String::as_str).collect(),
            Verdict::Skip(why) => vec![why],
        }
    }
}

/// The table of scenarios.
pub(super) fn list(out: &mut dyn Write, format: Format) -> Result<()> {
    let width = TABLE.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    for Scenario { name, shows, .. } in TABLE {
        match format {
            Format::Text => writeln!(out, "{name:width$}  {shows}")?,
            Format::Json => {
                writeln!(out, "{}", json!({"v": 1, "type": "scenario", "name": name, "shows": shows}))?;
            }
        }
    }
    Ok(())
}

/// One scenario.
pub(super) fn scenario(out: &mut dyn Write, outcome: &Outcome, format: Format) -> Result<()> {
    if format == Format::Json {
        return writeln!(out, "{}", object(outcome));
    }
    let width = TABLE.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    write!(out, "{}  {:width$}", outcome.word(), outcome.scenario.name)?;
    match &outcome.expected {
        Some(expected) => writeln!(out, "  {}", line(expected, outcome))?,
        None => writeln!(out)?,
    }
    for sentence in outcome.sentences() {
        writeln!(out, "      {sentence}")?;
    }
    out.flush()
}

/// All of them in one line.
pub(super) fn summary(out: &mut dyn Write, outcomes: &[Outcome], format: Format) -> Result<()> {
    let count = |word| outcomes.iter().filter(|outcome| outcome.word() == word).count();
    let (pass, fail, skip) = (count("pass"), count("fail"), count("skip"));
    match format {
        Format::Text => writeln!(out, "{pass} passed, {fail} failed, {skip} skipped"),
        Format::Json => {
            writeln!(out, "{}", json!({"v": 1, "type": "summary", "pass": pass, "fail": fail, "skip": skip}))
        }
    }
}

/// Expected, seen and counted, beside each other.
fn line(expected: &Expectation, outcome: &Outcome) -> String {
    let mut parts: Vec<String> =
        expected.listeners.iter().flat_map(|listener| fates(listener, expected.at_least, outcome)).collect();
    if parts.is_empty() {
        let what = if expected.at_least { "as many losses as the kernel counts" } else { "no loss" };
        parts.push(format!("expected {what}"));
    }
    let kernel = &outcome.kernel;
    let drops = kernel.listeners.iter().map(|row| row.high).sum::<u64>();
    let counted: Vec<String> = kernel
        .networks
        .iter()
        .flat_map(|network| network.high.moved())
        .chain((drops > 0).then_some(("sk_drops", drops)))
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let counted = if counted.is_empty() { "nothing".to_owned() } else { counted.join(", ") };
    format!("{}; kernel counted {counted}", parts.join("; "))
}

/// What packets met on one listener: expected, and seen where the tool ran.
fn fates(listener: &Expected, at_least: bool, outcome: &Outcome) -> Vec<String> {
    let rows = seen_rows(listener, outcome);
    let seen = |name: &str| rows.iter().flatten().filter_map(|row| row.packets.get(name)).sum::<u64>();
    let expected = listener.packets.keys().map(|reason| reason.name());
    let surprises = rows.iter().flatten().flat_map(|row| &row.packets).filter(|(_, count)| **count > 0);
    let names: BTreeSet<&str> = expected.chain(surprises.map(|(name, _)| name.as_str())).collect();
    let port = listener.address.port();
    let least = if at_least { "at least " } else { "" };
    names
        .into_iter()
        .map(|name| {
            let must = Reason::from_name(name).and_then(|reason| listener.packets.get(&reason));
            let must = must.map(|must| format!("expected {least}{must}"));
            let seen = rows.as_ref().map(|_| format!("seen {}", seen(name)));
            let both: Vec<String> = must.into_iter().chain(seen).collect();
            format!(":{port} {name} {}", both.join(", "))
        })
        .collect()
}

fn seen_rows<'a>(listener: &Expected, outcome: &'a Outcome) -> Option<Vec<&'a Row>> {
    let seen = outcome.seen.as_ref()?;
    Some(seen.histogram.listeners.iter().filter(|row| listener.is(&row.listener)).collect())
}

fn object(outcome: &Outcome) -> Value {
    let expected = outcome.expected.as_ref();
    let listeners = expected.map(|expected| &expected.listeners[..]).unwrap_or_default();
    let expectations: Vec<Value> = listeners
        .iter()
        .map(|listener| {
            let packets =
                listener.packets.iter().map(|(reason, count)| (reason.name().to_owned(), json!(count)));
            json!({
                "netns": listener.netns,
                "inode": listener.inode,
                "port": listener.address.port(),
                "packets": packets.collect::<Map<_, _>>(),
                "sk_drops": listener.sk_drops,
                "syns": listener.syns,
                "established": listener.established,
                "accepted": listener.accepted,
            })
        })
        .collect();
    let seen = outcome.seen.as_ref().map(|_| {
        let rows = listeners.iter().flat_map(|listener| seen_rows(listener, outcome).unwrap_or_default());
        let rows: Vec<Value> = rows
            .map(|row| {
                json!({
                    "netns": row.listener.netns,
                    "inode": row.listener.inode,
                    "port": row.listener.port,
                    "packets": row.packets,
                    "sk_drops": row.sk_drops.attributed + row.sk_drops.explained,
                    "syns": row.syns,
                    "established": row.established,
                    "accepted": row.accepted,
                })
            })
            .collect();
        json!({ "listeners": rows })
    });
    let namespaces = outcome.kernel.networks.iter().map(|network| {
        let counters = network.high.moved().map(|(name, count)| (name.to_owned(), json!(count)));
        json!({"netns": network.netns, "counters": counters.collect::<Map<_, _>>()})
    });
    let drops = outcome.kernel.listeners.iter().map(|row| json!({"inode": row.inode, "sk_drops": row.high}));
    json!({
        "v": 1,
        "type": "scenario",
        "name": outcome.scenario.name,
        "rung": outcome.rung.as_deref().unwrap_or_default(),
        "verdict": outcome.word(),
        "expected": expected.map(|expected| json!({"at_least": expected.at_least, "listeners": expectations})),
        "seen": seen,
        "kernel": {"namespaces": namespaces.collect::<Vec<_>>(), "listeners": drops.collect::<Vec<_>>()},
        "why": (!outcome.sentences().is_empty()).then(|| outcome.sentences().join("; ")),
    })
}
