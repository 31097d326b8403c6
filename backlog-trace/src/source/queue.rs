//! The way from an observation to whoever consumes its events, bounded by what
//! the events weigh: a batch of details has up to 4 MiB, a thousand of them
//! would be gigabytes where an output is slow.
//!
//! Only the observation waits here, for room, and only for the consumer to
//! take what it was given: taking an event waits for nothing but the next one.
//! It refuses to know what events mean.

use std::sync::Arc;

use backlog_trace_model::event::{Event, ListenerCounts, NamespaceCounts, Occurrence};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::Sent;

/// Events that may wait for a slow consumer; beyond it the observation waits,
/// and what overflows is the ring buffer, where it is counted.
const QUEUE: usize = 1024;

/// Bytes that they may have together: eight full batches of details.
const BYTES: u32 = 32 << 20;

/// What an event weighs beside what is counted: its names, its place.
const ANY: usize = 1024;

/// Where an observation sends its events.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    queue: mpsc::Sender<(Sent, Option<OwnedSemaphorePermit>)>,
    room: Arc<Semaphore>,
}

/// Where they come out, in order.
#[derive(Debug)]
pub(crate) struct Received {
    queue: mpsc::Receiver<(Sent, Option<OwnedSemaphorePermit>)>,
}

/// Both ends of a new queue.
pub(crate) fn queue() -> (Events, Received) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Events { queue: sender, room: Arc::new(Semaphore::new(BYTES as usize)) }, Received { queue: receiver })
}

impl Events {
    /// Sends, once there is room; at once where nobody takes anything any more.
    ///
    /// # Errors
    /// The consumer is gone, and so is what was sent.
    pub(crate) async fn send(&self, sent: Sent) -> Result<(), Gone> {
        let room = Arc::clone(&self.room).acquire_many_owned(weight(&sent));
        let permit = tokio::select! {
            permit = room => permit.ok(),
            () = self.queue.closed() => return Err(Gone),
        };
        self.queue.send((sent, permit)).await.map_err(|_| Gone)
    }

    /// Whether the consumer is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }
}

/// The consumer is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gone;

impl Received {
    /// The next event; `None` once the observation has ended.
    pub(crate) async fn recv(&mut self) -> Option<Sent> {
        // What is taken weighs on its consumer from here on.
        self.queue.recv().await.map(|(sent, _)| sent)
    }
}

/// Bytes of an event, roughly; never more than there is room at all, so that
/// the largest goes alone and not never.
fn weight(sent: &Sent) -> u32 {
    let bytes = ANY
        + match sent {
            Ok(Event::Details(details)) => details.len() * size_of::<Occurrence>(),
            Ok(Event::Snapshot(snapshot)) => {
                snapshot.listeners.len() * size_of::<ListenerCounts>()
                    + snapshot.namespaces.len() * size_of::<NamespaceCounts>()
                    + snapshot.retired.len() * size_of::<u32>()
            }
            Ok(Event::Listener(listener)) => {
                listener.owners.iter().map(|owner| size_of_val(owner) + owner.comm.len()).sum()
            }
            Ok(Event::Started(_) | Event::Sources(_) | Event::Mark | Event::Finished) | Err(_) => 0,
        };
    u32::try_from(bytes).unwrap_or(BYTES).min(BYTES)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use backlog_trace_model::event::What;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(50);

    fn batch(details: usize) -> Event {
        let opened = Occurrence {
            time: 0,
            listener: 0,
            netns: 0,
            port: 0,
            peer: None,
            accept_queue: 0,
            syn_queue: 0,
            limit: 0,
            cpu: 0,
            what: What::Opened,
        };
        Event::Details(vec![opened; details])
    }

    fn alone(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn full_batches_wait_for_the_consumer_by_their_bytes() {
        alone(async {
            let (events, mut received) = queue();
            let mut sent = 0;
            while timeout(MOMENT, events.send(Ok(batch(65_536)))).await.is_ok() {
                sent += 1;
                assert!(sent < 20, "without end");
            }
            assert_eq!(sent, 7, "of 4 MiB and a little each");
            assert!(received.recv().await.is_some());
            assert!(timeout(MOMENT, events.send(Ok(batch(65_536)))).await.is_ok());
        });
    }

    #[test]
    fn an_event_of_more_than_the_room_goes_alone() {
        alone(async {
            let (events, mut received) = queue();
            assert_eq!(events.send(Ok(batch(1 << 20))).await, Ok(()));
            assert!(timeout(MOMENT, events.send(Ok(Event::Mark))).await.is_err());
            assert!(received.recv().await.is_some());
            assert_eq!(events.send(Ok(Event::Mark)).await, Ok(()));
        });
    }

    /// Whoever waits for room hears that there will be none.
    #[test]
    fn a_consumer_that_goes_lets_the_observation_end() {
        alone(async {
            let (events, received) = queue();
            assert_eq!(events.send(Ok(batch(1 << 20))).await, Ok(()));
            let waiting = timeout(Duration::from_secs(10), events.send(Ok(batch(1 << 20))));
            let (outcome, ()) = tokio::join!(waiting, async {
                tokio::time::sleep(MOMENT).await;
                drop(received);
            });
            assert_eq!(outcome, Ok(Err(Gone)));
            assert!(events.is_closed());
        });
    }

    #[test]
    fn small_events_are_bounded_by_number() {
        alone(async {
            let (events, _received) = queue();
            let mut sent = 0;
            while timeout(MOMENT, events.send(Ok(Event::Mark))).await.is_ok() {
                sent += 1;
            }
            assert_eq!(sent, QUEUE);
        });
    }
}
