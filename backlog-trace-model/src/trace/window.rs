//! A look ahead into a stream of bytes, with bounded memory.
//!
//! Knows no format. It grows with what has arrived, never with what a length
//! field promises.

use std::io::{ErrorKind, Read};

use bytes::{Buf, Bytes, BytesMut};

use super::medium::reason;

/// Read at once.
const CHUNK: usize = 64 << 10;

/// The bytes from here on, as far as they were asked for.
#[derive(Debug)]
pub(super) struct Window<R> {
    source: R,
    ahead: BytesMut,
    ended: bool,
    failed: Option<String>,
}

impl<R: Read> Window<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, ahead: BytesMut::new(), ended: false, failed: None }
    }

    /// What lies ahead: `wanted` bytes or more, fewer only at the end.
    pub(super) fn look(&mut self, wanted: usize) -> &[u8] {
        while self.ahead.len() < wanted && !self.ended {
            let had = self.ahead.len();
            self.ahead.resize(had + CHUNK, 0);
            let read = match self.ahead.get_mut(had..).map_or(Ok(0), |space| self.source.read(space)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {
                    self.ahead.truncate(had);
                    continue;
                }
                Err(error) => {
                    self.failed = Some(reason(&error));
                    0
                }
                Ok(read) => read,
            };
            self.ended = read == 0;
            self.ahead.truncate(had + read.min(CHUNK));
        }
        &self.ahead
    }

    /// Passes over `count` bytes that were looked at.
    pub(super) fn skip(&mut self, count: usize) {
        self.ahead.advance(count.min(self.ahead.len()));
    }

    /// The next `count` bytes, or fewer at the end.
    pub(super) fn take(&mut self, count: usize) -> Bytes {
        let have = self.look(count).len();
        self.ahead.split_to(count.min(have)).freeze()
    }

    /// Passes over what is left, and counts up to `most` bytes of it.
    pub(super) fn rest(&mut self, most: u64) -> u64 {
        let mut total = 0;
        while total < most {
            let ahead = self.look(1).len();
            if ahead == 0 {
                break;
            }
            self.skip(ahead);
            total += ahead as u64;
        }
        total.min(most)
    }

    /// Why reading failed, if it did: what lies behind is unknown.
    pub(super) fn failure(&mut self) -> Option<String> {
        self.failed.take()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Gives one byte at a time, interrupted before each.
    struct Trickle<'a>(&'a [u8], bool);

    impl Read for Trickle<'_> {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::Interrupted.into());
            }
            self.0.read(&mut space[..1])
        }
    }

    #[test]
    fn bytes_that_trickle_in_are_looked_at_taken_and_counted() {
        let mut window = Window::new(Trickle(b"abcdefgh", false));
        assert_eq!(window.look(3), b"abc");
        window.skip(2);
        assert_eq!(window.take(3), "cde");
        assert_eq!((window.rest(2), window.rest(9)), (2, 1));
    }

    #[test]
    fn looking_far_takes_no_more_memory_than_there_are_bytes() {
        let mut window = Window::new(&b"short"[..]);
        assert_eq!(window.look(1 << 40), b"short");
        assert!(window.ahead.capacity() <= 4 * CHUNK);
    }

    #[test]
    fn an_error_ends_the_stream_and_is_told_once() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(5))
            }
        }
        let mut window = Window::new(Read::chain(&b"abc"[..], Broken));
        assert_eq!(window.look(10), b"abc");
        assert_eq!(window.failure().as_deref(), Some("Input/output error"));
        assert_eq!(window.failure(), None);
    }
}
