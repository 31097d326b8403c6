//! `listeners --watch`: one table after the other, until somebody ends it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "each test uses a part of the circumstances")]
mod tool;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tool::tool;

#[test]
fn tables_follow_one_another_until_it_is_ended() {
    for signal in [Signal::INT, Signal::TERM] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut watch = tool(&["listeners", "--watch", "100ms", "--port", &port]);
        let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
        for _ in 0..3 {
            assert!(lines.any(|line| line.starts_with("LISTENER ")), "a heading for each table");
            assert!(lines.next().unwrap().starts_with(&address));
        }
        let pid = Pid::from_raw(i32::try_from(watch.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        assert!(lines.count() < 1000);
        assert_eq!(watch.wait().unwrap().code(), Some(0), "{signal:?}");
    }
}

/// Nobody reads it any more.
#[test]
fn a_reader_that_goes_away_ends_it() {
    let mut watch = tool(&["listeners", "--watch", "50ms"]);
    let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(watch.stdout.take());
    assert_eq!(watch.wait().unwrap().code(), Some(0));
}

#[test]
fn programs_ask_as_often_as_they_need_to() {
    let refused = tool(&["listeners", "--watch", "--format", "json"]).output().unwrap();
    assert_eq!((refused.status.code(), refused.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--watch does not apply"));
}
