//! Findings as JSON: the same part in every object that has them.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use crate::findings::{Action, Certainty, Fact, Finding, Kind, Severity};
use crate::tally::Who;

/// What is to be said of a listener or of the host.
#[derive(Serialize)]
pub(super) struct FindingPart<'a> {
    kind: Kind,
    severity: Severity,
    certainty: Certainty,
    /// `null`: the host.
    listener: Option<WhichPart<'a>>,
    verdict: &'static str,
    because: &'a str,
    evidence: Evidence<'a>,
    actions: &'a [Action],
}

impl<'a> FindingPart<'a> {
    pub(super) fn of(findings: &'a [Finding]) -> Vec<Self> {
        let part = |finding: &'a Finding| Self {
            kind: finding.kind,
            severity: finding.kind.row().severity,
            certainty: finding.certainty,
            listener: finding.who.as_ref().map(WhichPart::of),
            verdict: finding.kind.row().verdict,
            because: &finding.because,
            evidence: Evidence(&finding.facts),
            actions: &finding.actions,
        };
        findings.iter().map(part).collect()
    }
}

/// Which listener: what tells it apart from others, and no more; its owners stand
/// where its numbers do.
#[derive(Serialize)]
struct WhichPart<'a> {
    netns: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns_name: Option<&'a str>,
    cookie: Option<u64>,
    address: Option<IpAddr>,
    port: u16,
}

impl<'a> WhichPart<'a> {
    fn of(who: &'a Who) -> Self {
        let known = who.known();
        let unknown = if let Who::Unknown { cookie, .. } = who { *cookie } else { None };
        Self {
            netns: who.netns(),
            netns_name: known.and_then(|listener| listener.netns_name.as_deref()),
            cookie: known.and_then(|listener| listener.cookie).or(unknown),
            address: known.map(|listener| listener.address),
            port: who.port(),
        }
    }
}

/// Numbers by their names.
struct Evidence<'a>(&'a [Fact]);

impl Serialize for Evidence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|fact| (fact.name, &fact.number)))
    }
}
