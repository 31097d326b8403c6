//! What is printed of scenarios: one line each, or one JSON object each.

mod object;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Result, Write};

use serde_json::json;

use crate::compare;
use crate::escape;
use crate::expectation::{Expectation, Expected};
use crate::movement::Kernel;
use crate::reason::Reason;
use crate::scenario::Scenario;
use crate::seen::{Row, Seen};
use crate::table;

/// How results are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A line per scenario, for a person.
    Text,
    /// One JSON object a line.
    Json,
}

/// What came of a scenario.
pub(crate) enum Verdict {
    /// All agree.
    Pass,
    /// They do not, and these are the sentences that say where.
    Fail(Vec<String>),
    /// It could not be played or seen here, for this reason.
    Skip(String),
}

impl Verdict {
    /// Pass, unless there is a complaint.
    pub(crate) fn of(complaints: Vec<String>) -> Self {
        if complaints.is_empty() { Self::Pass } else { Self::Fail(complaints) }
    }
}

/// A scenario that was played or skipped.
pub(crate) struct Outcome {
    pub(crate) scenario: &'static Scenario,
    /// The rung that verdicts were taken on; `None` where the tool did not run.
    pub(crate) rung: Option<String>,
    pub(crate) verdict: Verdict,
    pub(crate) expected: Option<Expectation>,
    pub(crate) kernel: Kernel,
    pub(crate) seen: Option<Seen>,
}

impl Outcome {
    /// Whether it must fail the command.
    pub(crate) fn failed(&self) -> bool {
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
pub(crate) fn list(out: &mut dyn Write, format: Format) -> Result<()> {
    let width = table::all().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    for Scenario { name, shows, .. } in table::all() {
        match format {
            Format::Text => writeln!(out, "{name:width$}  {shows}")?,
            Format::Json => {
                let object = json!({"v": 1, "type": "scenario", "name": name, "shows": shows});
                writeln!(out, "{}", escape::json(&object))?;
            }
        }
    }
    Ok(())
}

/// One scenario.
pub(crate) fn scenario(out: &mut dyn Write, outcome: &Outcome, format: Format) -> Result<()> {
    if format == Format::Json {
        return writeln!(out, "{}", escape::json(&object::of(outcome)));
    }
    let width = table::all().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    write!(out, "{}  {:width$}", outcome.word(), outcome.scenario.name)?;
    match &outcome.expected {
        Some(expected) => writeln!(out, "  {}", line(expected, outcome))?,
        None => writeln!(out)?,
    }
    for sentence in outcome.sentences() {
        // It may quote what a program said that the scenario started.
        writeln!(out, "      {}", escape::text(sentence))?;
    }
    out.flush()
}

/// All of them in one line.
pub(crate) fn summary(out: &mut dyn Write, outcomes: &[Outcome], format: Format) -> Result<()> {
    let count = |word| outcomes.iter().filter(|outcome| outcome.word() == word).count();
    let (pass, fail, skip) = (count("pass"), count("fail"), count("skip"));
    match format {
        Format::Text => writeln!(out, "{pass} passed, {fail} failed, {skip} skipped"),
        Format::Json => {
            let object = json!({"v": 1, "type": "summary", "pass": pass, "fail": fail, "skip": skip});
            writeln!(out, "{}", escape::json(&object))
        }
    }
}

/// Expected, seen and counted, beside each other.
fn line(expected: &Expectation, outcome: &Outcome) -> String {
    let each = expected.listeners.iter().flat_map(|listener| fates(listener, expected.at_least, outcome));
    let mut parts: Vec<String> =
        if expected.seed.is_some() { together(expected, outcome) } else { each.collect() };
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
    let seed = expected.seed.map_or(String::new(), |seed| format!("; seed {seed}"));
    format!("{}; kernel counted {counted}{seed}{}", parts.join("; "), promise(expected, outcome))
}

/// What was seen on all listeners together, where they are too many for a line.
fn together(expected: &Expectation, outcome: &Outcome) -> Vec<String> {
    let rows: Vec<&Row> =
        expected.listeners.iter().filter_map(|listener| seen_rows(listener, outcome)).flatten().collect();
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, count) in rows.iter().flat_map(|row| &row.packets) {
        *sums.entry(name).or_default() += count;
    }
    let seen = sums.into_iter().filter(|(_, count)| *count > 0);
    [format!("{} listeners", expected.listeners.len())]
        .into_iter()
        .chain(seen.map(|(name, count)| format!("{name} seen {count}")))
        .collect()
}

/// What was promised of the scenario, where that is not everything.
fn promise(expected: &Expectation, outcome: &Outcome) -> &'static str {
    match &outcome.seen {
        Some(seen) if seen.histogram.polled => {
            if compare::promises_all(expected, &outcome.kernel) {
                "; polled: every loss, few reasons"
            } else {
                "; polled: no loss too many, the rest said"
            }
        }
        _ => "",
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict) -> Outcome {
        let expected = Expected::at(1, 2, "0.0.0.0:8080".parse().unwrap())
            .packets(Reason::SynAcceptQueueFull, 4)
            .sk_drops(4);
        Outcome {
            scenario: table::all().find(|scenario| scenario.name == "syn_accept_queue_full").unwrap(),
            rung: None,
            verdict,
            expected: Some(Expectation::exactly([expected])),
            kernel: Kernel::default(),
            seen: Some(Seen::default()),
        }
    }

    #[track_caller]
    fn check(outcome: &Outcome, format: Format, parts: &[&str]) {
        let mut out = Vec::new();
        scenario(&mut out, outcome, format).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(parts.iter().all(|part| out.contains(part)), "{out}");
    }

    #[test]
    fn a_scenario_is_one_line_and_its_complaints_follow() {
        let line = ":8080 syn/accept_queue_full expected 4, seen 0; kernel counted nothing";
        check(&outcome(Verdict::Pass), Format::Text, &["pass  syn_accept_queue_full ", line]);
        let complaints = vec!["one".to_owned(), "two".to_owned()];
        check(&outcome(Verdict::Fail(complaints)), Format::Text, &["fail  ", "\n      one\n      two\n"]);
    }

    #[test]
    fn the_fields_of_json_are_a_contract() {
        let fields = [
            r#""v":1"#,
            r#""type":"scenario""#,
            r#""name":"syn_accept_queue_full""#,
            r#""rung":"""#,
            r#""verdict":"skip""#,
            r#""packets":{"syn/accept_queue_full":4}"#,
            r#""seen":{"listeners":[]}"#,
            r#""kernel":{"listeners":[],"namespaces":[]}"#,
            r#""why":"no TUN""#,
        ];
        check(&outcome(Verdict::Skip("no TUN".to_owned())), Format::Json, &fields);
        check(&outcome(Verdict::Pass), Format::Json, &[r#""why":null"#]);
    }
}
