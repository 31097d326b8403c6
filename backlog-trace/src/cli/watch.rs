//! `--watch`: one text again and again, until somebody ends it. On a terminal each
//! takes the place of the one before; elsewhere they follow one another. It refuses
//! to know what the text is about.

use std::io::{IsTerminal, Write};
use std::thread;
use std::time::{Duration, Instant};

use backlog_trace_model::failure::{Exit, Result};
use jiff::Zoned;

use super::{interrupt, output};

/// How soon a signal is noticed.
const TICK: Duration = Duration::from_millis(50);

/// Clears the screen, and goes to its first line (ECMA-48: ED 2, CUP).
const CLEAR: &str = "\u{1b}[2J\u{1b}[H";

/// Prints what `text` gives now, and from then on at this pace.
///
/// # Errors
/// That of `text`, or the output cannot be written.
pub(super) fn every(pace: Duration, mut text: impl FnMut() -> Result<String>) -> Result<Exit> {
    let mut signals = interrupt::catch()?;
    let zone = output::screen().zone;
    let clear = if std::io::stdout().is_terminal() { CLEAR } else { "" };
    loop {
        let next = Instant::now() + pace;
        let shown = text()?;
        let now = Zoned::now().with_time_zone(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string();
        let mut out = output::stdout();
        let printed = write!(out, "{clear}{now}\n{shown}\n").and_then(|()| out.flush());
        if let Err(error) = printed {
            return output::failure(&error).map_or(Ok(Exit::Success), Err);
        }
        while Instant::now() < next {
            if signals.interrupt.try_recv().is_ok() {
                return Ok(Exit::Success);
            }
            thread::sleep(TICK.min(next.saturating_duration_since(Instant::now())));
        }
    }
}
