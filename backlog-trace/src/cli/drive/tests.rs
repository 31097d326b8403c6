//! Each way an observation ends, with a probe made of a channel.

use std::process::ExitStatus;
use std::sync::Arc;

use backlog_trace_model::event::Snapshot;
use backlog_trace_model::output::{Output, Wants};
use tokio::sync::mpsc;

use super::*;
use crate::source::queue::queue;

/// Keeps what it was given; says no more, or fails, as it is told to.
#[derive(Default)]
struct Witness {
    snapshots: usize,
    marks: usize,
    finished: bool,
    ended: Option<End>,
    trouble: Option<Trouble>,
}

#[derive(Clone, Copy)]
enum Trouble {
    NobodyReads,
    Fails,
}

impl Consumer for Witness {
    fn hear(&mut self, event: &Event) -> Result<Wants> {
        match event {
            Event::Snapshot(_) => self.snapshots += 1,
            Event::Finished => self.finished = true,
            Event::Mark => self.marks += 1,
            Event::Started(_) | Event::Listener(_) | Event::Sources(_) | Event::Details(_) => {}
        }
        match self.trouble {
            None => Ok(Wants::More),
            Some(Trouble::NobodyReads) => Ok(Wants::NoMore),
            Some(Trouble::Fails) => Err(Failure::new(Exit::OutputFailed, "it is full")),
        }
    }

    fn take(&mut self, _output: &Output<'_>) -> Result<Wants> {
        Ok(Wants::More)
    }

    fn end(&mut self, end: End) -> Result<()> {
        self.ended = Some(end);
        Ok(())
    }
}

/// Sends one snapshot; when it is asked, a mark; when it is stopped, another
/// snapshot and the end.
fn probe() -> (oneshot::Sender<()>, Arc<Notify>, Received) {
    let (stop, mut stopped) = oneshot::channel();
    let (events, receiver) = queue();
    let look = Arc::new(Notify::new());
    let asked = Arc::clone(&look);
    tokio::spawn(async move {
        let snapshot = || Event::Snapshot(Arc::new(Snapshot::default()));
        events.send(Ok(snapshot())).await.expect("a reader");
        loop {
            tokio::select! {
                biased;
                () = asked.notified() => events.send(Ok(Event::Mark)).await.expect("a reader"),
                stop = &mut stopped => break stop.expect("a stop"),
            }
        }
        events.send(Ok(snapshot())).await.expect("a reader");
        events.send(Ok(Event::Finished)).await.expect("a reader");
    });
    (stop, look, receiver)
}

struct Ended {
    result: Result<()>,
    seen: Witness,
}

/// Runs an observation that nothing ends but what is given.
async fn run(
    deadline: Option<Duration>,
    command: Option<&str>,
    interrupt: Option<Interrupt>,
    trouble: Option<Trouble>,
) -> Ended {
    run_marked(0, deadline, command, interrupt, trouble).await
}

/// The same, asked `marks` times how things stand.
async fn run_marked(
    marks: usize,
    deadline: Option<Duration>,
    command: Option<&str>,
    interrupt: Option<Interrupt>,
    trouble: Option<Trouble>,
) -> Ended {
    let mut seen = Witness { trouble, ..Witness::default() };
    let (stop, look, events) = probe();
    let (signal, interrupted) = oneshot::channel();
    let child = command.map(|script| {
        tokio::process::Command::new("/bin/sh").arg("-c").arg(script).spawn().expect("a shell")
    });
    // Kept until the run is over: a sender that is gone counts as a signal.
    let _signal = match interrupt {
        Some(interrupt) => {
            signal.send(interrupt).expect("a receiver");
            None
        }
        None => Some(signal),
    };
    let (mark, marked) = mpsc::channel(marks.max(1));
    for _ in 0..marks {
        mark.send(()).await.expect("room");
    }
    let pipeline = Pipeline::new(Selection::default(), None, vec![&mut seen]);
    let run = Run::new(stop, look, child, pipeline, Asked::default(), Unmatched::by(&Filter::default()));
    let deadline = deadline.map(|after| Instant::now() + after);
    let signals = Signals { interrupt: interrupted, marks: marked };
    let result = run.until_over(events, signals, deadline).await;
    Ended { result, seen }
}

#[track_caller]
fn check_whole(ended: &Ended) {
    let seen = &ended.seen;
    assert!(ended.result.is_ok(), "{:?}", ended.result);
    assert_eq!(
        (seen.snapshots, seen.finished, seen.ended.is_some()),
        (2, true, true),
        "the last snapshot is seen"
    );
}

#[tokio::test]
async fn it_ends_at_its_time_with_its_command_or_by_a_signal() {
    check_whole(&run(Some(Duration::from_millis(5)), None, None, None).await);
    check_whole(&run(None, Some("exit 0"), None, None).await);
    check_whole(&run(None, Some("exit 3"), None, None).await);
    check_whole(&run(None, None, Some(Interrupt::Int), None).await);
    check_whole(&run(None, None, Some(Interrupt::Term), None).await);
}

#[tokio::test]
async fn an_observation_that_breaks_off_is_no_whole_one() {
    let mut seen = Witness::default();
    let (stop, _stopped) = oneshot::channel();
    let (_signal, interrupt) = oneshot::channel();
    let (_mark, marks) = mpsc::channel(1);
    let (events, receiver) = queue();
    events.send(Ok(Event::Snapshot(Arc::new(Snapshot::default())))).await.expect("room");
    drop(events);
    let pipeline = Pipeline::new(Selection::default(), None, vec![&mut seen]);
    let run = Run::new(
        stop,
        Arc::new(Notify::new()),
        None,
        pipeline,
        Asked::default(),
        Unmatched::by(&Filter::default()),
    );
    let result = run.until_over(receiver, Signals { interrupt, marks }, None).await;
    assert_eq!(result.expect_err("no end was sent").exit, Exit::Internal);
    // What was seen until then is printed all the same.
    assert!(seen.snapshots == 1 && seen.ended == Some(End { interrupted: false }));
}

#[tokio::test]
async fn it_goes_on_when_it_is_asked_how_things_stand() {
    let ended = run_marked(1, Some(Duration::from_millis(50)), None, None, None).await;
    check_whole(&ended);
    assert_eq!(ended.seen.marks, 1);
}

#[tokio::test]
async fn a_command_that_outlives_the_observation_is_ended() {
    let begun = Instant::now();
    check_whole(&run(Some(Duration::from_millis(5)), Some("exec sleep 30"), None, None).await);
    check_whole(&run(None, Some("exec sleep 30"), Some(Interrupt::Term), None).await);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_reader_that_went_away_ends_it_in_silence() {
    let ended = run(None, None, None, Some(Trouble::NobodyReads)).await;
    assert!(ended.result.is_ok());
    assert_eq!((ended.seen.snapshots, ended.seen.ended), (1, Some(End { interrupted: false })));
}

#[tokio::test]
async fn a_consumer_that_fails_ends_it_with_its_code() {
    let ended = run(None, None, None, Some(Trouble::Fails)).await;
    assert_eq!(ended.result.expect_err("it failed").exit, Exit::OutputFailed);
    assert!(ended.seen.ended.is_some(), "it has an end all the same");
}

#[test]
fn the_way_a_command_ended_is_said_unless_it_succeeded() {
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(child::describe(Ok(ExitStatus::from_raw(0))), None);
    let failed = child::describe(Ok(ExitStatus::from_raw(3 << 8)));
    assert_eq!(failed.as_deref(), Some("the command ended with exit status: 3"));
}

#[test]
fn every_interval_ends_with_a_snapshot() {
    for (interval, expected) in [
        (None, 1000),
        (Some(1000), 1000),
        (Some(100), 100),
        (Some(10_000), 1000),
        (Some(1500), 750),
        (Some(1001), 500),
    ] {
        let every = snapshot_every(interval.map(Duration::from_millis));
        assert_eq!(every.as_millis(), expected, "{interval:?}");
    }
}
