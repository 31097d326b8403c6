//! What is printed of scenarios: one line each, or one JSON object each.

use std::io::{Result, Write};

use serde_json::{Map, Value, json};

use super::arena::Kernel;
use super::expectation::{Expectation, Expected};
use super::scenario::Scenario;
use super::seen::Seen;
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
pub(super) fn list(out: &mut dyn Write, table: &[Scenario], format: Format) -> Result<()> {
    let width = table.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    for Scenario { name, shows, .. } in table {
        match format {
            Format::Text => writeln!(out, "{name:width$}  {shows}")?,
            Format::Json => {
                writeln!(out, "{}", json!({"v": 1, "type": "scenario", "name": name, "shows": shows}))?
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
    writeln!(out, "{}  {:34} {}", outcome.word(), outcome.scenario.name, outcome.scenario.shows)?;
    if let Some(expected) = &outcome.expected {
        for listener in &expected.listeners {
            writeln!(out, "        {}", line(listener, expected.at_least, outcome))?;
        }
        let moved: Vec<String> = outcome
            .kernel
            .networks
            .iter()
            .flat_map(|network| network.high.moved())
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        let moved = if moved.is_empty() { "nothing".to_owned() } else { moved.join(", ") };
        writeln!(out, "        kernel counted {moved}")?;
    }
    for sentence in outcome.sentences() {
        writeln!(out, "        {sentence}")?;
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

/// Expected, seen and counted of one listener, beside each other.
fn line(listener: &Expected, at_least: bool, outcome: &Outcome) -> String {
    let least = if at_least { "at least " } else { "" };
    let mut parts: Vec<String> = Vec::new();
    let rows = seen_rows(listener, outcome);
    for (reason, must) in &listener.packets {
        let name = reason.name();
        let seen = rows.as_ref().map(|rows| rows.iter().filter_map(|row| row.packets.get(name)).sum::<u64>());
        let seen = seen.map(|seen| format!(", seen {seen}")).unwrap_or_default();
        parts.push(format!("{name} expected {least}{must}{seen}"));
    }
    if parts.is_empty() {
        parts.push("no loss expected".to_owned());
    }
    if let Some(drops) = outcome.kernel.listeners.iter().find(|row| row.inode == listener.inode) {
        parts.push(format!("sk_drops {}", drops.high));
    }
    format!("{}: {}", listener.address, parts.join("; "))
}

fn seen_rows<'a>(listener: &Expected, outcome: &'a Outcome) -> Option<Vec<&'a super::seen::Row>> {
    let seen = outcome.seen.as_ref()?;
    let is = |row: &&super::seen::Row| {
        row.listener.netns == listener.netns && row.listener.inode == listener.inode
    };
    Some(seen.histogram.listeners.iter().filter(is).collect())
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
        "rung": outcome.rung,
        "verdict": outcome.word(),
        "expected": expected.map(|expected| json!({"at_least": expected.at_least, "listeners": expectations})),
        "seen": seen,
        "kernel": {"namespaces": namespaces.collect::<Vec<_>>(), "listeners": drops.collect::<Vec<_>>()},
        "why": (!outcome.sentences().is_empty()).then(|| outcome.sentences().join("; ")),
    })
}
