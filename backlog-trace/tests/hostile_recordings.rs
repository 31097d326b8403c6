//! Recordings that somebody made to hurt who reads them: a report of one costs
//! time and memory by the size of the file, whatever the file claims.
//!
//! Each attack is written frame by frame, by a writer that keeps to no bound.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use backlog_trace_common::detail::Detail;
use backlog_trace_model::failure::Exit;
use backlog_trace_model::trace::DetailsHeader;
use backlog_trace_model::trace::format::{
    Codec, FRAME_MAGIC, FileHeader, FrameHeader, Kind, RecordingId, VERSION,
};
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromZeros, IntoBytes};

const ID: RecordingId = RecordingId(5);

/// Generous for a build that is not optimised, on a machine that has other
/// work: what was measured before there were bounds is a minute and more.
const PATIENCE: Duration = Duration::from_secs(45);

/// Writable memory of the reader in KiB. The files have less than 1 MB.
const MEMORY: u32 = 256 << 10;

/// Why a report may end: it was read, or it is refused.
const READ: i32 = Exit::Success as i32;
const REFUSED: i32 = Exit::BadInput as i32;

/// A recording under attack.
struct Forged {
    bytes: Vec<u8>,
    sequence: u64,
}

impl Forged {
    fn begin() -> Self {
        let mut forged = Self { bytes: FileHeader::new(VERSION, ID).as_bytes().to_vec(), sequence: 0 };
        let session = r#"{"version":"","host":"h","kernel":"6","start":0,"clock":{"unix_minus_monotonic":0},"hooks":[]}"#;
        forged.json(Kind::Session, session);
        forged
    }

    /// A frame with any header under right checksums.
    fn frame(&mut self, kind: Kind, codec: Codec, decoded: usize, stored: &[u8]) {
        let length = |bytes: usize| U32::new(u32::try_from(bytes).unwrap());
        let header = FrameHeader {
            magic: FRAME_MAGIC,
            kind: kind as u8,
            codec: codec as u8,
            reserved: [0; 2],
            recording: U64::new(ID.0),
            sequence: U64::new(self.sequence),
            length: length(stored.len()),
            decoded: length(decoded),
            payload_crc: U32::new(crc32fast::hash(stored)),
            header_crc: U32::ZERO,
        };
        self.bytes.extend_from_slice(header.sealed().as_bytes());
        self.bytes.extend_from_slice(stored);
        self.sequence += 1;
    }

    /// As small as LZ4 makes it.
    fn payload(&mut self, kind: Kind, payload: &[u8]) {
        let compressed = lz4_flex::block::compress(payload);
        if compressed.len() < payload.len() {
            self.frame(kind, Codec::Lz4, payload.len(), &compressed);
        } else {
            self.frame(kind, Codec::Raw, payload.len(), payload);
        }
    }

    fn json(&mut self, kind: Kind, json: &str) {
        self.payload(kind, json.as_bytes());
    }

    fn listener(&mut self, id: usize, address: &str, keys: &str, more: &str) {
        self.json(
            Kind::Listener,
            &format!(
                r#"{{"id":{id},"keys":[{keys}],"netns":5,"cookie":null,"address":"{address}","port":80,"inode":1,"owners":[]{more}}}"#
            ),
        );
    }

    fn details(&mut self, details: &[Detail]) {
        let header = DetailsHeader { record: U16::new(64), reserved: [0; 6] };
        self.payload(Kind::Details, &[header.as_bytes(), details.as_bytes()].concat());
    }

    /// Reports of it, each within bounds, with one of these exit codes.
    #[track_caller]
    fn check(&self, reports: &[&str], codes: &[i32]) {
        assert!(self.bytes.len() < 1_000_000, "{} bytes", self.bytes.len());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("forged.trace");
        fs::write(&path, &self.bytes).unwrap();
        for arguments in reports {
            let mut child = Command::new("/bin/sh")
                .args(["-c", &format!("ulimit -d {MEMORY}; exec \"$0\" report {arguments} \"$1\"")])
                .arg(env!("CARGO_BIN_EXE_backlog-trace"))
                .arg(&path)
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let begin = Instant::now();
            while child.try_wait().unwrap().is_none() && begin.elapsed() < PATIENCE {
                sleep(Duration::from_millis(10));
            }
            // One that has ended is not ended again.
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.code().is_some_and(|code| codes.contains(&code)),
                "report {arguments}: {} after {:?}: {said}",
                output.status,
                begin.elapsed()
            );
        }
    }
}

/// A refused SYN of this key, so long after the start.
fn refused(key: u64, ns: u64) -> Detail {
    Detail {
        time: ns,
        listener: key,
        peer: [10, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        netns: 5,
        peer_port: 40_000,
        port: 80,
        outcome: 1,
        family: 2,
        ..Detail::new_zeroed()
    }
}

const EVERY: [&str; 4] = ["", "--format json --interval 1s", "--events", "--events --format json"];

#[test]
fn keys_without_end() {
    let mut forged = Forged::begin();
    let keys = format!("{}0", "0,".repeat(8_300_000));
    for id in 0..11 {
        forged.listener(id, "10.0.0.1", &keys, "");
    }
    forged.check(&[""], &[READ]);
}

#[test]
fn owners_and_names_without_end() {
    let mut forged = Forged::begin();
    let owners = format!("{}{{\"pid\":1,\"comm\":\"\"}}", "{\"pid\":1,\"comm\":\"\"},".repeat(800_000));
    for id in 0..5 {
        let json = format!(
            r#"{{"id":{id},"keys":[],"netns":5,"cookie":null,"address":"10.0.0.1","port":80,"inode":1,"owners":[{owners}]}}"#
        );
        forged.json(Kind::Listener, &json);
        forged.listener(100 + id, "10.0.0.1", "", &format!(r#","cgroup":"{}""#, "x".repeat(16_700_000)));
    }
    forged.check(&["--format json"], &[READ]);
}

/// LZ4 gives at most 255 bytes of one.
#[test]
fn a_byte_that_announces_sixteen_mib() {
    let mut forged = Forged::begin();
    for _ in 0..15_000 {
        forged.frame(Kind::Details, Codec::Lz4, 16 << 20, &[0]);
    }
    forged.check(&[""], &[READ]);
}

/// Details that wait for their listener, and listeners that are none of theirs.
#[test]
fn keys_that_nobody_waits_for() {
    let mut forged = Forged::begin();
    let details: Vec<Detail> = (0..16_384).map(|key| refused(key + (1 << 40), key)).collect();
    for batch in details.chunks(4096) {
        forged.details(batch);
    }
    forged.listener(0, "10.0.0.1", &format!("{}0", "0,".repeat(8_300_000)), "");
    for id in 1..2_000 {
        let keys: Vec<String> = (0..16).map(|key| (id * 16 + key).to_string()).collect();
        forged.listener(id, "10.0.0.1", &keys.join(","), "");
    }
    // And each of those that are: it takes one of many that wait.
    for id in 2_000..4_000 {
        forged.listener(id, "10.0.0.1", &(id as u64 + (1 << 40)).to_string(), "");
    }
    forged.check(&["", "--events"], &[READ]);
}

/// One client, refused at thousands of addresses of one port.
#[test]
fn one_client_at_every_address() {
    let mut forged = Forged::begin();
    for id in 0..1_500 {
        forged.listener(id, &format!("10.1.{}.{}", id / 250, id % 250), &(id + 1).to_string(), "");
    }
    for batch in 0..25 {
        let details: Vec<Detail> =
            (0..4096).map(|at| refused((batch * 4096 + at) % 1_500 + 1, batch)).collect();
        forged.details(&details);
    }
    forged.check(&[""], &[READ]);
}

/// Snapshots that hold nothing, each of which ends an interval.
fn intervals(forged: &mut Forged, count: u64) {
    for second in 1..=count {
        forged.json(Kind::Snapshot, &format!(r#"{{"time":{}}}"#, second * 1_000_000_000));
    }
}

fn namespaces(count: usize) -> Forged {
    let mut forged = Forged::begin();
    let all: Vec<String> = (0..count).map(|netns| format!(r#"{{"netns":{netns}}}"#)).collect();
    let parts = all.chunks(2048);
    let last = parts.len() - 1;
    for (part, of) in parts.enumerate() {
        let more = part < last;
        let json = format!(r#"{{"time":1,"part":{part},"more":{more},"namespaces":[{}]}}"#, of.join(","));
        forged.json(Kind::Snapshot, &json);
    }
    forged
}

#[test]
fn intervals_of_very_many_namespaces() {
    let mut forged = namespaces(8_000);
    intervals(&mut forged, 8_000);
    forged.check(&["--interval 1s", "--interval 1s --format json"], &[READ]);
}

#[test]
fn more_namespaces_than_any_host_has() {
    let mut forged = namespaces(60_000);
    intervals(&mut forged, 4_000);
    forged.check(&["--interval 1s", "--format json"], &[REFUSED]);
}

#[test]
fn intervals_of_very_many_listeners_at_rest() {
    let mut forged = Forged::begin();
    for id in 0..2_500 {
        forged.listener(id, "10.0.0.1", &(id + 1).to_string(), "");
    }
    forged.details(&(1..=2_500).map(|key| refused(key, key)).collect::<Vec<_>>());
    intervals(&mut forged, 5_000);
    forged.check(&["--interval 1s", "--interval 1s --format json"], &[READ]);
}

/// Counts of listeners that nothing in the file introduces.
#[test]
fn counts_of_nobody() {
    let mut forged = Forged::begin();
    for round in 0..12usize {
        for part in 0..32 {
            let mut all = String::new();
            for at in 0..2048 {
                let id = (round * 32 + part) * 2048 + at;
                write!(all, "{}{{\"id\":{id}}}", if at == 0 { "" } else { "," }).unwrap();
            }
            let more = part < 31;
            let json = format!(r#"{{"time":{},"part":{part},"more":{more},"listeners":[{all}]}}"#, round + 1);
            if forged.bytes.len() < 960_000 {
                forged.json(Kind::Snapshot, &json);
            }
        }
    }
    forged.check(&["", "--interval 1s --format json"], &[READ]);
}

/// A name that widens its column, and owners that stand in every line.
#[test]
fn names_that_every_line_repeats() {
    let mut forged = Forged::begin();
    let name = "x".repeat(16_000);
    let owners =
        format!("{}{{\"pid\":1,\"comm\":\"nginx\"}}", "{\"pid\":1,\"comm\":\"nginx\"},".repeat(4_000));
    let json = format!(
        r#"{{"id":1,"keys":[1],"netns":5,"cookie":null,"address":"10.0.0.1","port":80,"inode":1,"netns_name":"{name}","owners":[{owners}]}}"#
    );
    forged.frame(Kind::Listener, Codec::Raw, json.len(), json.as_bytes());
    forged.listener(2, "10.0.0.1", "2", "");
    for batch in 0..5 {
        forged.details(
            &(0..4096).map(|at| refused(2 - u64::from(at == 0), batch * 4096 + at)).collect::<Vec<_>>(),
        );
    }
    forged.check(&EVERY, &[READ]);
}
