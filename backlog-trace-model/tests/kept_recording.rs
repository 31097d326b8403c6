//! A recording of each version of the format that was released, kept for ever:
//! what it shows stays what it showed.
//!
//! `UPDATE=1 cargo test -p backlog-trace-model --test kept_recording` writes that of
//! this version anew, as long as it is not released: afterwards its bytes never change.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the scene")]
mod scene;

use std::fs;
use std::path::Path;

use backlog_trace_model::event::{Asked, Event, Session};
use backlog_trace_model::tally::Selection;
use backlog_trace_model::trace::format::{RecordingId, VERSION};
use backlog_trace_model::trace::{Reader, Writer};
use backlog_trace_model::view::{HistJson, LiveJson};
use scene::shown::{Asked as Wanted, shown};

/// Versions that are kept, and whether bytes of the last one may still change.
const KEPT: [&str; 1] = ["1.0"];
const IS_RELEASED: bool = false;

/// One of each kind of line, with a label and a command.
fn observed() -> Vec<Event> {
    let mut events = scene::oddities(scene::nginx());
    let asked = Asked {
        arguments: ["record", "-o", "x.trace", "--", "wrk"].map(str::to_owned).to_vec(),
        command: vec!["wrk".to_owned()],
        label: Some("backlog 128".to_owned()),
    };
    let Event::Started(session) = &events[0] else { unreachable!("the first event") };
    let session = Session { asked, zone: Some("Europe/Berlin".to_owned()), ..Session::clone(session) };
    events[0] = Event::Started(session.into());
    events
}

fn written() -> Vec<u8> {
    let mut writer = Writer::begin_as(RecordingId(1), Vec::new(), "memory").unwrap();
    observed().iter().for_each(|event| writer.write(event).unwrap());
    writer.into_medium()
}

#[test]
fn every_version_that_was_released_shows_what_it_showed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let updates = std::env::var_os("UPDATE").is_some();
    assert_eq!(KEPT.last().copied(), Some(VERSION.to_string().as_str()), "this version is kept too");
    if updates && !IS_RELEASED {
        fs::write(directory.join(format!("recording-{VERSION}.trace")), written()).unwrap();
    }
    for version in KEPT {
        let bytes = fs::read(directory.join(format!("recording-{version}.trace"))).unwrap();
        let mut reader = Reader::from_bytes(&bytes).unwrap();
        let events: Vec<Event> = reader.by_ref().collect();
        assert!(reader.damage().is_none(), "{:?}", reader.damage());
        let Some(Event::Started(session)) = events.first() else { unreachable!("the first event") };
        assert_eq!(session.asked.label.as_deref(), Some("backlog 128"));
        let all = Selection::default;
        let hist = shown(&events, &Wanted::default(), |out| Box::new(HistJson::new(out, all())));
        let live = shown(&events, &Wanted::default(), |out| Box::new(LiveJson::new(out, all())));
        for (name, printed) in [("hist", hist), ("live", live)] {
            let path = directory.join(format!("recording-{version}.{name}.json"));
            if updates && !IS_RELEASED {
                fs::write(&path, &printed).unwrap();
            }
            assert!(fs::read_to_string(&path).unwrap() == printed, "{version}: {name} differs");
        }
    }
    // What is written now is what is kept of this version.
    let kept = fs::read(directory.join(format!("recording-{VERSION}.trace"))).unwrap();
    let events = |bytes: &[u8]| format!("{:?}", Reader::from_bytes(bytes).unwrap().collect::<Vec<_>>());
    assert!(events(&kept) == events(&written()));
}
