//! What the views print, compared with files in `tests/golden`.
//!
//! `UPDATE=1 cargo test --test golden` writes them anew: read the difference.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod scene;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::adapter::strip_str;
use backlog_trace_model::event::Event;
use backlog_trace_model::tally::{ReasonFilter, Selection};
use backlog_trace_model::view::{HistJson, HistText, LiveJson, LiveText, Screen};
use jiff::tz::TimeZone;
use scene::shown::{Asked, shown};
use unicode_width::UnicodeWidthStr;

const EVERY: Duration = Duration::from_secs(5);

/// A pane beside another one, a terminal as it opens, a screen.
const WIDTHS: [usize; 3] = [40, 80, 140];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

#[track_caller]
fn check(name: &str, printed: &str) {
    let path = directory().join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, printed).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(printed == expected, "{name} differs; it is now:\n{printed}");
}

/// The same, and no line crosses the terminal's edge.
#[track_caller]
fn check_fits(name: &str, printed: &str, columns: usize) {
    let plain = strip_str(printed).to_string();
    check(name, &plain);
    for line in plain.lines() {
        assert!(line.width() <= columns, "{name}: {line:?} takes {} columns", line.width());
    }
}

fn screen(columns: Option<usize>) -> Screen {
    Screen { columns, zone: TimeZone::UTC }
}

fn hist_text(events: &[Event], columns: Option<usize>, asked: &Asked) -> String {
    shown(events, asked, |out| Box::new(HistText::new(out, screen(columns), &asked.selection)))
}

fn hist_json(events: &[Event], asked: &Asked) -> String {
    shown(events, asked, |out| Box::new(HistJson::new(out, asked.selection.clone())))
}

fn live_text(events: &[Event], columns: Option<usize>) -> String {
    shown(events, &Asked::default(), |out| Box::new(LiveText::new(out, screen(columns))))
}

/// With a line for every packet.
fn live_every(events: &[Event], columns: Option<usize>) -> String {
    shown(events, &Asked::default(), |out| {
        Box::new(LiveText::new(out, screen(columns)).of_every_packet(true))
    })
}

/// As `report --events` prints a recording.
fn replayed_live(events: &[Event], columns: Option<usize>) -> String {
    let name = Some("monday.trace".to_owned());
    shown(events, &Asked::default(), |out| Box::new(LiveText::new(out, screen(columns)).of_recording(name)))
}

/// As `report` prints a recording.
fn replayed_hist(events: &[Event], columns: Option<usize>) -> String {
    let (asked, name) = (Asked::default(), Some("monday.trace".to_owned()));
    shown(events, &asked, |out| {
        Box::new(HistText::new(out, screen(columns), &asked.selection).of_recording(name))
    })
}

fn live_json(events: &[Event]) -> String {
    shown(events, &Asked::default(), |out| Box::new(LiveJson::new(out, Selection::default())))
}

fn only(reason: &str) -> Asked {
    Asked::only(Selection {
        reasons: ReasonFilter::parse(&[reason.to_owned()]).unwrap(),
        ..Selection::default()
    })
}

#[test]
fn hist_of_an_overload() {
    let events = scene::overload();
    let text = hist_text(&events, None, &Asked::default());
    check("hist.txt", &strip_str(&text).to_string());
    check("hist.ansi", &text);
    for columns in WIDTHS {
        let text = hist_text(&events, Some(columns), &Asked::default());
        check_fits(&format!("hist_{columns}.txt"), &text, columns);
    }
    check("hist_intervals.txt", &strip_str(&hist_text(&events, None, &Asked::every(EVERY))).to_string());
    check("hist_only_ack.txt", &strip_str(&hist_text(&events, None, &only("ack"))).to_string());
    check("hist.json", &hist_json(&events, &Asked::default()));
    check("hist_intervals.json", &hist_json(&events, &Asked::every(EVERY)));
    check("hist_only_ack.json", &hist_json(&events, &only("ack")));
}

/// Times of day are told with their day and zone, by every view.
#[test]
fn days_and_zones_are_told() {
    let events = scene::overload();
    let tokyo = || Screen { columns: None, zone: TimeZone::get("Asia/Tokyo").unwrap() };
    let every = Asked::every(EVERY);
    let hist = shown(&events, &every, |out| Box::new(HistText::new(out, tokyo(), &every.selection)));
    let titles = strip_str(&hist).to_string();
    for title in [
        "2026-11-20 19:00:00 to 19:00:05 Asia/Tokyo (+09:00) (5.0 s)",
        "2026-11-20 19:00:05 to 19:00:10 Asia/Tokyo (+09:00) (5.0 s)",
        "whole run: 2026-11-20 19:00:00 to 19:00:10 Asia/Tokyo (+09:00) (10 s), web1",
    ] {
        assert!(titles.lines().any(|line| line == title), "{titles}");
    }
    // Midnight in the middle of the run.
    let zone =
        TimeZone::fixed(jiff::tz::offset(13).saturating_add(jiff::Span::new().minutes(59).seconds(55)));
    let screen = Screen { columns: None, zone };
    let live = shown(&events, &Asked::default(), |out| Box::new(LiveText::new(out, screen)));
    let days: Vec<&str> = live.lines().filter(|line| line.contains(", times in ")).collect();
    assert_eq!(days.len(), 2, "{live}");
    assert!(days[0].contains("2026-11-20, ") && days[1].contains("2026-11-21, "), "{days:?}");
}

#[test]
fn hist_of_oddities() {
    let events = scene::oddities(scene::evil());
    check("hist_oddities.txt", &strip_str(&hist_text(&events, None, &Asked::default())).to_string());
    check("hist_oddities.json", &hist_json(&events, &Asked::default()));
}

#[test]
fn one_address_in_three_namespaces() {
    let events = scene::namespaces::three();
    let text = hist_text(&events, None, &Asked::default());
    check("namespaces.txt", &strip_str(&text).to_string());
    check("namespaces_live.txt", &strip_str(&live_text(&events, None)).to_string());
}

#[test]
fn live_of_oddities() {
    let events = scene::oddities(scene::evil());
    let text = live_text(&events, None);
    check("live.txt", &strip_str(&text).to_string());
    check("live.ansi", &text);
    for columns in WIDTHS {
        check_fits(&format!("live_{columns}.txt"), &live_text(&events, Some(columns)), columns);
        check_fits(&format!("live_every_{columns}.txt"), &live_every(&events, Some(columns)), columns);
    }
    check("live_every.txt", &strip_str(&live_every(&events, None)).to_string());
    check("live_replayed.txt", &strip_str(&replayed_live(&events, None)).to_string());
    check("live.json", &live_json(&events));
}

/// 500 losses on 30 listeners: one screen, and not one of them uncounted.
#[test]
fn a_second_of_a_crowd() {
    let events = scene::crowd::second();
    check("crowd.txt", &strip_str(&live_text(&events, None)).to_string());
    for columns in WIDTHS {
        check_fits(&format!("crowd_{columns}.txt"), &live_text(&events, Some(columns)), columns);
    }
    let text = strip_str(&live_text(&events, None)).to_string();
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" syn/accept_queue_full ")).collect();
    assert_eq!(lines.len(), 20, "{text}");
    let packets = |line: &&str| -> u64 {
        let (before, _) = line.split_once("  3  ").unwrap();
        before.split_whitespace().next_back().unwrap().parse().unwrap()
    };
    let told: u64 = lines.iter().map(packets).sum();
    assert!(text.contains(&format!("and {} more packets lost on 10 listeners", 500 - told)), "{text}");
    let every = strip_str(&live_every(&events, None)).to_string();
    assert_eq!(every.lines().filter(|line| line.contains(" syn/accept_queue_full ")).count(), 500);
}

/// 2,000 listeners in 20 namespaces: the answer is one screen, which names the three
/// that are ill and no other.
#[test]
fn the_answer_about_a_fleet_is_one_screen() {
    let events = scene::fleet::fleet();
    for columns in WIDTHS {
        let text = strip_str(&hist_text(&events, Some(columns), &Asked::default())).to_string();
        let (_, answer) = text.rsplit_once(" web1\n").unwrap();
        assert!(answer.lines().count() <= if columns < 80 { 75 } else { 48 }, "{answer}");
        for (listener, namespace) in
            [("0.0.0.0:8000", "tenant3"), ("0.0.0.0:8035", "tenant4"), ("0.0.0.0:8099", "tenant19")]
        {
            assert!(answer.contains(&format!("{listener} in {namespace}")), "{answer}");
        }
        let ill: std::collections::BTreeSet<&str> =
            answer.match_indices("0.0.0.0:").map(|(at, _)| &answer[at..at + 12]).collect();
        assert_eq!(ill.len(), scene::fleet::ILL.len(), "{answer}");
        assert!(answer.contains("1997 other listeners lost nothing"), "{answer}");
    }
    check("fleet_80.txt", &strip_str(&hist_text(&events, Some(80), &Asked::default())).to_string());
}

#[test]
fn an_overload_that_was_polled() {
    let events = scene::polled::overload();
    check("polled.txt", &strip_str(&hist_text(&events, None, &Asked::default())).to_string());
    check("polled.json", &hist_json(&events, &Asked::default()));
    check("polled_replayed.txt", &strip_str(&replayed_hist(&events, None)).to_string());
    check("polled_live.txt", &strip_str(&live_text(&events, None)).to_string());
    check("polled_live.json", &live_json(&events));
}

/// What is not known is neither 0 nor left out without a word.
#[test]
fn an_observation_that_could_not_read_everything() {
    let events = scene::sightless::sightless();
    check("sightless.txt", &strip_str(&hist_text(&events, None, &Asked::default())).to_string());
    check("sightless_80.txt", &strip_str(&hist_text(&events, Some(80), &Asked::default())).to_string());
    check("sightless_replayed.txt", &strip_str(&replayed_hist(&events, None)).to_string());
    check("sightless_replayed_80.txt", &strip_str(&replayed_hist(&events, Some(80))).to_string());
    check("sightless.json", &hist_json(&events, &Asked::default()));
    check("sightless_live.txt", &strip_str(&live_text(&events, Some(80))).to_string());
    check("sightless_live.json", &live_json(&events));
}

#[test]
fn nothing_observed() {
    let events = [scene::overload().swap_remove(0), Event::Finished];
    check("hist_nothing.txt", &strip_str(&hist_text(&events, None, &Asked::default())).to_string());
    check("hist_nothing.json", &hist_json(&events, &Asked::default()));
    check("live_nothing.txt", &strip_str(&live_text(&events, None)).to_string());
    check("live_nothing.json", &live_json(&events));
}

/// A recording that is cut has no end, and says what it lacks.
#[test]
fn what_a_recording_lacks_is_said() {
    let events = scene::overload();
    let (_, cut) = events.split_last().unwrap();
    let gaps = vec!["it ends within a frame, of which 12 bytes are left out".to_owned()];
    let asked = Asked { gaps, ..only("ack") };
    let text = shown(cut, &asked, |out| {
        let view = HistText::new(out, screen(None), &asked.selection);
        Box::new(view.of_recording(Some("monday\u{1b}.trace".to_owned())))
    });
    check("hist_cut.txt", &strip_str(&text).to_string());
    let json = shown(cut, &asked, |out| {
        let view = HistJson::new(out, asked.selection.clone());
        Box::new(view.of_recording(Some("monday.trace".to_owned())))
    });
    check("hist_cut.json", &json);
}

/// Text is printable, whatever the names on the traced host are.
#[test]
fn nothing_printed_steers_a_terminal() {
    let events = scene::oddities(scene::evil());
    let steers = |text: &str| text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'));
    for text in [
        strip_str(&hist_text(&events, None, &Asked::default())).to_string(),
        strip_str(&live_text(&events, None)).to_string(),
        hist_json(&events, &Asked::default()),
        live_json(&events),
    ] {
        assert!(!steers(&text), "{text:?}");
    }
}

/// The same events, and after each snapshot somebody asks how things stand.
fn asked(events: &[Event]) -> Vec<Event> {
    let mark = |event: &Event| matches!(event, Event::Snapshot(_)).then_some(Event::Mark);
    events.iter().flat_map(|event| [Some(event.clone()), mark(event)]).flatten().collect()
}

#[test]
fn a_histogram_that_is_asked_for_ends_an_interval() {
    let (events, always) = (scene::overload(), Asked::every(Duration::from_nanos(1)));
    let json = hist_json(&events, &always);
    assert!(json.lines().count() > 2, "{json}");
    assert_eq!(hist_json(&asked(&events), &Asked::default()), json);
    assert_eq!(hist_text(&asked(&events), None, &Asked::default()), hist_text(&events, None, &always));
}

#[test]
fn live_sums_up_when_it_is_asked() {
    let events = scene::overload();
    let summaries = |lines: &str| lines.lines().filter(|line| line.contains(r#""type":"summary""#)).count();
    let snapshots = events.iter().filter(|event| matches!(event, Event::Snapshot(_))).count();
    assert!(snapshots > 1);
    let json = live_json(&asked(&events));
    assert_eq!(summaries(&json), snapshots + 1);
    // Nothing else is printed for it, and the last word is the same.
    let others = |lines: &str| lines.lines().filter(|line| !line.contains("summary")).count();
    assert_eq!(others(&json), others(&live_json(&events)));
    assert_eq!(json.lines().last(), live_json(&events).lines().last());
}
