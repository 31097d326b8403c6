//! What a machine allows, as text and as JSON. It knows no kernel: everything
//! was tried before.

use std::io::{self, Write};

use serde::Serialize;

use super::json::VERSION;
use super::paint::{ALARM, FAINT, HEADING, painted};
use crate::check::sources::SOURCES;
use crate::check::{Attempt, Finding, Grade, Outcome, Trial, Tried, Verdict};
use crate::escape::{Sanitized, write_json_line};
use crate::event::{Reach, Rung, SourceState};

/// Findings and hooks as lines, the verdict first; a reason that several hooks
/// share is said once.
///
/// # Errors
/// Those of the output.
pub fn text(trial: &Trial, mut out: impl Write) -> io::Result<()> {
    let (style, sentence) = match trial.verdict() {
        Verdict::Full => (HEADING, "everything can be observed"),
        Verdict::Reduced => (HEADING, "reduced: some hooks or sources are missing"),
        Verdict::Nothing => (ALARM, "nothing can be observed by eBPF: live, hist and record poll counters"),
    };
    let kernel = Sanitized(&trial.kernel);
    writeln!(out, "kernel {kernel}: {}", painted(style, sentence))?;
    writeln!(out)?;
    let width = trial.findings.iter().map(|finding| finding.subject.len()).max().unwrap_or(0);
    for finding in &trial.findings {
        self::finding(finding, width, &mut out)?;
    }
    // The longest name of a hook sets its column.
    writeln!(out, "\n{}", painted(HEADING, "HOOK     METHOD      GIVES"))?;
    for tried in &trial.hooks {
        let rung = match tried.rung() {
            Some(rung) => format!("{:10}", rung.name()),
            None => painted(ALARM, "missing   "),
        };
        let required = if tried.hook.row().required { " (required)" } else { "" };
        writeln!(out, "{:7}  {rung}  {}{required}", tried.hook.name(), tried.hook.row().gives)?;
    }
    sources(&trial.sources, &mut out)?;
    for (attempt, hooks) in reasons(&trial.hooks) {
        writeln!(out, "\n{} by {}:", hooks.join(", "), attempt.rung.name())?;
        writeln!(out, "  {}", Sanitized(attempt.why.as_deref().unwrap_or("no reason is known")))?;
        if let Some(advice) = &attempt.advice {
            writeln!(out, "  -> {}", Sanitized(advice))?;
        }
    }
    Ok(())
}

/// What figures are read from, and which; what is missing with what that costs.
fn sources(states: &[SourceState], out: &mut impl Write) -> io::Result<()> {
    let width = SOURCES.iter().map(|row| row.name.len()).max().unwrap_or(0);
    writeln!(out, "\n{}", painted(HEADING, &format!("{:width$}  STATE    FEEDS", "SOURCE")))?;
    for (state, row) in states.iter().filter_map(|state| Some((state, state.source.row()?))) {
        let name = format!("{:7}", state.state.name());
        let name = if state.state == Reach::Whole { name } else { painted(ALARM, &name) };
        writeln!(out, "{:width$}  {name}  {}", row.name, row.feeds.join(", "))?;
    }
    for (state, row) in states.iter().filter_map(|state| Some((state, state.source.row()?))) {
        if let Some(sentence) = state.sentence() {
            writeln!(out, "\n{} is {}:", row.name, state.state.name())?;
            writeln!(out, "  {}", Sanitized(&sentence))?;
            writeln!(out, "  -> {}", row.advice)?;
        }
    }
    Ok(())
}

fn finding(finding: &Finding, width: usize, out: &mut impl Write) -> io::Result<()> {
    let grade = match finding.grade {
        Grade::Fine => painted(FAINT, "fine   "),
        Grade::Reduced => "reduced".to_owned(),
        Grade::Unable => painted(ALARM, "unable "),
    };
    writeln!(out, "{grade}  {:width$}  {}", finding.subject, Sanitized(&finding.what))?;
    if let Some(advice) = &finding.advice {
        writeln!(out, "{:9}{:width$}  -> {}", "", "", Sanitized(advice))?;
    }
    Ok(())
}

/// Each rung that was not attached, with the hooks that share its reason.
fn reasons(hooks: &[Tried]) -> Vec<(&Attempt, Vec<&'static str>)> {
    let mut reasons: Vec<(&Attempt, Vec<&'static str>)> = Vec::new();
    for tried in hooks {
        for attempt in tried.attempts.iter().filter(|attempt| attempt.outcome != Outcome::Attached) {
            match reasons.iter_mut().find(|(known, _)| *known == attempt) {
                Some((_, hooks)) => hooks.push(tried.hook.name()),
                None => reasons.push((attempt, vec![tried.hook.name()])),
            }
        }
    }
    reasons
}

#[derive(Serialize)]
struct Object<'a> {
    v: u8,
    r#type: &'static str,
    verdict: Verdict,
    kernel: &'a str,
    findings: &'a [Finding],
    hooks: Vec<HookPart<'a>>,
    sources: Vec<CheckedSource<'a>>,
}

#[derive(Serialize)]
struct CheckedSource<'a> {
    source: &'static str,
    state: Reach,
    what: &'static str,
    feeds: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

impl<'a> CheckedSource<'a> {
    fn of(state: &'a SourceState) -> Option<Self> {
        let row = state.source.row()?;
        let lost = state.lost();
        Some(Self {
            source: row.name,
            state: state.state,
            what: row.what,
            feeds: row.feeds,
            why: state.why.as_deref(),
            lost,
            advice: lost.map(|_| row.advice),
        })
    }
}

#[derive(Serialize)]
struct HookPart<'a> {
    hook: &'static str,
    rung: Option<Rung>,
    state: &'static str,
    gives: &'static str,
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    tried: &'a [Attempt],
}

impl<'a> From<&'a Tried> for HookPart<'a> {
    fn from(tried: &'a Tried) -> Self {
        Self {
            hook: tried.hook.name(),
            rung: tried.rung(),
            state: tried.state(),
            gives: tried.hook.row().gives,
            required: tried.hook.row().required,
            why: tried.why(),
            advice: tried.advice(),
            tried: &tried.attempts,
        }
    }
}

/// One object (docs/json.md).
///
/// # Errors
/// Those of the output.
pub fn json(trial: &Trial, out: impl Write) -> io::Result<()> {
    let object = Object {
        v: VERSION,
        r#type: "check",
        verdict: trial.verdict(),
        kernel: &trial.kernel,
        findings: &trial.findings,
        hooks: trial.hooks.iter().map(HookPart::from).collect(),
        sources: trial.sources.iter().filter_map(CheckedSource::of).collect(),
    };
    write_json_line(out, &object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Hook;
    use crate::event::Source;

    /// listen and syn are refused alike, accept is absent; the others are attached.
    fn trial() -> Trial {
        let attempt = |outcome, why: Option<&str>, advice: Option<&str>| Attempt {
            rung: Rung::Fentry,
            outcome,
            why: why.map(str::to_owned),
            advice: advice.map(str::to_owned),
        };
        let tried = |hook: Hook| {
            let attempt = match hook.name() {
                "listen" | "syn" => attempt(Outcome::Refused, Some("not \u{1b}allowed"), Some("allow it")),
                "accept" => attempt(Outcome::Absent, Some("this kernel has no accept"), None),
                _ => attempt(Outcome::Attached, None, None),
            };
            Tried { hook, attempts: vec![attempt] }
        };
        Trial {
            kernel: "6.1.0-50".to_owned(),
            findings: vec![
                Finding::fine("kernel", "kernel 6.1.0-50"),
                Finding::unable("maps", "no maps", Some("raise it".to_owned())),
            ],
            hooks: Hook::all().map(tried).collect(),
            sources: vec![
                SourceState::whole(Source::Netstat),
                SourceState::partial(Source::Cgroups, "no \u{1b}cgroup2".to_owned()),
            ],
        }
    }

    #[test]
    fn text_says_each_reason_once() {
        let mut out = anstream::StripStream::new(Vec::new());
        text(&trial(), &mut out).unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        let expected = "\
kernel 6.1.0-50: nothing can be observed by eBPF: live, hist and record poll counters

fine     kernel  kernel 6.1.0-50
unable   maps    no maps
                 -> raise it

HOOK     METHOD      GIVES
listen   missing     who called listen(), also for listeners that close at once (required)
close    fentry      connections lost in the queues of a listener that closed
syn      missing     SYNs refused and cookies sent (required)
ack      fentry      final ACKs dropped, half-open requests reset by their client (required)
cookie   fentry      final ACKs with a cookie dropped or refused
synack   fentry      SYN+ACKs sent again
expiry   fentry      half-open requests given up
request  fentry      half-open requests removed by an ICMP error or an unreachable neighbour
accept   missing     connections accepted and how long they waited
causes   fentry      why other SYNs were refused, and SYNs lost to an identical one (on request: --causes)

SOURCE         STATE    FEEDS
netstat        whole    audit.kernel, audit.unaccounted
cgroups        partial  listener.cgroup

cgroups is partial:
  no \\u{1b}cgroup2: the cgroups of listeners are not known
  -> use a kernel with CONFIG_CGROUPS, and mount cgroup2 on /sys/fs/cgroup

listen, syn by fentry:
  not \\u{1b}allowed
  -> allow it

accept by fentry:
  this kernel has no accept
";
        assert_eq!(text, expected);
    }

    #[test]
    fn json_is_the_contract() {
        let mut out = Vec::new();
        json(&trial(), &mut out).unwrap();
        let line = String::from_utf8(out).unwrap();
        let start = concat!(
            r#"{"v":1,"type":"check","verdict":"nothing","kernel":"6.1.0-50","findings":["#,
            r#"{"subject":"kernel","grade":"fine","what":"kernel 6.1.0-50"},"#,
            r#"{"subject":"maps","grade":"unable","what":"no maps","advice":"raise it"}],"hooks":["#,
            r#"{"hook":"listen","rung":null,"state":"missing","gives":"who called listen(), also for listeners that close at once","#,
            r#""required":true,"why":"not \u001ballowed","advice":"allow it","#,
            r#""tried":[{"rung":"fentry","outcome":"refused","why":"not \u001ballowed","advice":"allow it"}]},"#,
            r#"{"hook":"close","rung":"fentry","state":"attached","gives":"connections lost in the queues of a listener that closed","#,
            r#""required":false,"tried":[{"rung":"fentry","outcome":"attached"}]},"#,
        );
        assert!(line.starts_with(start), "{line}");
        let end = concat!(
            r#""sources":[{"source":"netstat","state":"whole","what":"the kernel's counters (/proc/PID/net/netstat)","#,
            r#""feeds":["audit.kernel","audit.unaccounted"]},"#,
            r#"{"source":"cgroups","state":"partial","what":"cgroups (/proc/PID/cgroup and the cgroup2 hierarchy)","#,
            r#""feeds":["listener.cgroup"],"why":"no \u001bcgroup2","lost":"the cgroups of listeners are not known","#,
            r#""advice":"use a kernel with CONFIG_CGROUPS, and mount cgroup2 on /sys/fs/cgroup"}]}"#,
            "\n"
        );
        assert!(line.ends_with(end), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
