//! What the tool said: its JSON, read as any other program would read it.
//!
//! Only the contract's names are known here, none of the tool's own types.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;

/// What the tool said of a scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The last object of `hist` in what was read.
    pub(crate) histogram: Histogram,
    /// Every line of `live` that tells of a packet, where it ran.
    pub(crate) events: Vec<Event>,
}

/// An object of `hist`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Histogram {
    /// It tells of the whole run; the others tell of the time since the one before.
    #[serde(rename = "final")]
    pub(crate) is_final: bool,
    /// Nothing was attached.
    pub(crate) polled: bool,
    pub(crate) listeners: Vec<Row>,
    pub(crate) audit: Vec<Audit>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) sources: Vec<Source>,
    pub(crate) details: Details,
    pub(crate) findings: Vec<Finding>,
}

/// What the tool concludes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Finding {
    pub(crate) kind: String,
    pub(crate) severity: String,
    /// `None`: the host.
    pub(crate) listener: Option<Who>,
    /// Numbers, and a few words.
    pub(crate) evidence: BTreeMap<String, serde_json::Value>,
}

/// One listener of `hist`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Row {
    pub(crate) listener: Who,
    pub(crate) packets: BTreeMap<String, u64>,
    pub(crate) connections: Connections,
    /// `None` for what polling does not see.
    pub(crate) syns: Option<u64>,
    pub(crate) established: Option<u64>,
    pub(crate) accepted: Option<u64>,
    pub(crate) accept_queue: Queue,
    pub(crate) sk_drops: Drops,
}

/// Connections behind the losses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Connections {
    pub(crate) lost: Option<u64>,
    pub(crate) recovered: Option<u64>,
}

/// Who a listener is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Who {
    pub(crate) netns: u32,
    /// The kernel's cookie of the socket.
    pub(crate) cookie: Option<u64>,
    /// `None` where the tool could not learn it.
    pub(crate) inode: Option<u64>,
    pub(crate) port: u16,
    pub(crate) address: Option<IpAddr>,
    pub(crate) owners: Vec<Owner>,
}

/// A process that holds a listener.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
}

/// A queue; `None` for what the tool says it does not know.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Queue {
    pub(crate) limit: Option<u64>,
    pub(crate) max: Option<u64>,
}

/// A listener's `sk_drops`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Drops {
    pub(crate) kernel: Option<u64>,
    pub(crate) attributed: u64,
    pub(crate) explained: u64,
}

/// One namespace's balance.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Audit {
    pub(crate) netns: u32,
    /// Without any counter where the tool could not read them.
    #[serde(deserialize_with = "or_nothing")]
    pub(crate) kernel: BTreeMap<String, u64>,
    pub(crate) attributed: BTreeMap<String, u64>,
    #[serde(deserialize_with = "or_nothing")]
    pub(crate) unaccounted: BTreeMap<String, i64>,
    /// Of listeners that are not named.
    pub(crate) unlisted: BTreeMap<String, u64>,
}

/// What became of a hook.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hook {
    pub(crate) hook: String,
    pub(crate) rung: Option<String>,
    pub(crate) state: String,
    pub(crate) why: Option<String>,
}

/// Something that figures are read from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Source {
    pub(crate) source: String,
    pub(crate) state: String,
    pub(crate) why: Option<String>,
}

/// Without them nothing can be compared: the others name owners and limits.
const COMPARED_BY: [&str; 4] = ["proc", "sock_diag", "socket_drops", "netstat"];

/// The details plane's own count.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Details {
    pub(crate) missed: u64,
}

/// One line of `live`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Event {
    pub(crate) r#type: String,
    pub(crate) stage: String,
    pub(crate) reason: String,
    pub(crate) outcome: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) listener: Who,
    pub(crate) peer: Option<Peer>,
    /// How many packets a line stands for, where they were polled.
    pub(crate) count: Option<u64>,
}

/// A client's end.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
}

impl Event {
    /// `stage/reason`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.stage, self.reason)
    }
}

impl Histogram {
    /// The last object among the lines of `hist`.
    pub(crate) fn parse(lines: &str) -> Result<Self, String> {
        let last = lines.lines().rfind(|line| !line.trim().is_empty());
        let line = last.ok_or("hist printed no object")?;
        serde_json::from_str(line)
            .map_err(|why| format!("hist printed a line that breaks the contract: {why}"))
    }

    /// Why this host does not let the tool see what is compared, where it says
    /// so: the scenario cannot be judged then.
    pub(crate) fn lacks(&self) -> Option<String> {
        let is_missing =
            |source: &&Source| source.state == "missing" && COMPARED_BY.contains(&source.source.as_str());
        let missing: Vec<&str> = self
            .sources
            .iter()
            .filter(is_missing)
            .map(|source| source.why.as_deref().unwrap_or(&source.source))
            .collect();
        (!missing.is_empty()).then(|| missing.join("; "))
    }

    /// The hook of this name where it is attached, or polled.
    pub(crate) fn attached(&self, hook: &str) -> Option<&Hook> {
        let is = |row: &&Hook| row.hook == hook && matches!(row.state.as_str(), "attached" | "polled");
        self.hooks.iter().find(is)
    }

    /// The same where it is attached on this rung.
    pub(crate) fn attached_on(&self, hook: &str, rung: &str) -> Option<&Hook> {
        self.attached(hook).filter(|row| row.rung.as_deref() == Some(rung))
    }

    /// The rung that verdicts were taken on.
    pub(crate) fn rung(&self) -> Option<&str> {
        self.attached("syn").and_then(|row| row.rung.as_deref())
    }
}

/// An object, or none where `null` stands in its place.
fn or_nothing<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Bytes up to the end of the first whole line of this type; `None` where it
/// has not been printed.
pub(crate) fn through(lines: &str, r#type: &str) -> Option<usize> {
    #[derive(Deserialize)]
    struct Line {
        r#type: String,
    }
    let mut length = 0;
    for line in lines.split_inclusive('\n').take_while(|line| line.ends_with('\n')) {
        length += line.len();
        if serde_json::from_str::<Line>(line).is_ok_and(|line| line.r#type == r#type) {
            return Some(length);
        }
    }
    None
}

/// The lines of `live` that tell of a packet.
pub(crate) fn parse_events(lines: &str) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let event: Event = serde_json::from_str(line)
            .map_err(|why| format!("live printed a line that breaks the contract: {why}"))?;
        if matches!(event.r#type.as_str(), "loss" | "cookie" | "retransmit" | "expired") {
            events.push(event);
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_example_is_read() {
        let text = r#"{"v":1,"type":"histogram","final":false,"listeners":[]}
            {"v":1,"type":"histogram","final":true,"seconds":10.0,"listeners":[{"listener":{"netns":4026531840,"cookie":4129,"address":"0.0.0.0","port":8080,"inode":102322,"owners":[{"pid":812,"comm":"nginx"}]},"packets":{"syn/accept_queue_full":311},"connections":{"lost":90,"recovered":12},"syns":500,"established":185,"accepted":180,"accept_queue":{"limit":128,"max":129,"depth":[[0,1,33]]},"syn_queue":{"limit":128,"max":0,"depth":[]},"sk_drops":{"kernel":319,"attributed":319,"explained":0}}],"audit":[{"netns":4026531840,"kernel":{"ListenDrops":315},"attributed":{"ListenDrops":315},"unaccounted":{"ListenDrops":0}}],"hooks":[{"hook":"syn","rung":"fentry","state":"attached"}],"details":{"seen":315,"missed":0}}"#;
        let text: Vec<&str> = text.lines().map(str::trim).collect();
        let histogram = Histogram::parse(&text.join("\n")).unwrap();
        assert_eq!(histogram.rung(), Some("fentry"));
        let row = &histogram.listeners[0];
        assert_eq!(
            (row.listener.inode.unwrap(), row.listener.owners[0].pid, row.accept_queue.max),
            (102_322, 812, Some(129))
        );
        assert_eq!(row.packets["syn/accept_queue_full"], 311);
        assert_eq!((row.sk_drops.kernel, histogram.audit[0].kernel["ListenDrops"]), (Some(319), 315));
    }

    #[test]
    fn an_event_is_read_and_other_lines_are_passed_over() {
        let text = r#"{"v":1,"type":"loss","time":"2026-01-01T00:00:00Z","stage":"syn","reason":"accept_queue_full","outcome":"silent","listener":{"netns":1,"cookie":null,"address":"0.0.0.0","port":8080,"inode":7,"owners":[]},"peer":{"address":"10.0.0.7","port":51344},"accept_queue":{"length":129,"limit":128}}
{"v":1,"type":"summary"}"#;
        let events = parse_events(text).unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].name(), "syn/accept_queue_full");
        assert_eq!(events[0].peer.as_ref().unwrap().port, 51344);
    }

    #[test]
    fn an_answer_ends_with_a_whole_line_of_its_type() {
        let lines = "{\"type\":\"loss\"}\n{\"type\":\"summary\"}\n{\"type\":\"loss\"}\n";
        assert_eq!(through(lines, "summary"), Some(35));
        assert_eq!(through(lines, "loss"), Some(16));
        assert_eq!(through(lines, "histogram"), None);
        assert_eq!(through(&lines[..34], "summary"), None);
    }

    #[test]
    fn what_the_tool_does_not_know_is_read_as_that() {
        let text = r#"{"listeners":[{"established":null,"accept_queue":{"limit":null,"max":null},"sk_drops":{"kernel":null}}],"audit":[{"netns":7,"kernel":null,"unaccounted":null}],"sources":[{"source":"sock_diag","state":"missing","why":"the module tcp_diag is not loaded"},{"source":"somaxconn","state":"missing","why":"no"},{"source":"netstat","state":"partial","why":"no"}]}"#;
        let histogram = Histogram::parse(text).unwrap();
        let row = &histogram.listeners[0];
        assert_eq!((row.established, row.accept_queue.max, row.accept_queue.limit), (None, None, None));
        assert!(histogram.audit[0].kernel.is_empty());
        assert_eq!(histogram.lacks().as_deref(), Some("the module tcp_diag is not loaded"));
        assert_eq!(Histogram::default().lacks(), None);
    }

    #[test]
    fn no_object_and_no_json_are_errors() {
        assert!(Histogram::parse("").is_err());
        assert!(Histogram::parse("backlog-trace: hello").is_err());
        assert!(parse_events("{").is_err());
    }
}
