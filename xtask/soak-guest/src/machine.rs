//! How late this machine itself is: a thread that sleeps for a moment and looks
//! how much longer that took. What is late because nobody was given a CPU is
//! no fault of the tool's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const MOMENT: Duration = Duration::from_millis(20);

/// Such a thread, which goes with its process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine(Arc<AtomicU64>);

impl Machine {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let machine = Self::default();
        let latest = Arc::clone(&machine.0);
        thread::spawn(move || {
            loop {
                let begin = Instant::now();
                thread::sleep(MOMENT);
                let late = begin.elapsed().saturating_sub(MOMENT);
                latest.fetch_max(u64::try_from(late.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        machine
    }

    /// The most that it was late since the last time this was asked, in ms.
    pub(crate) fn late(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}
