//! A process with many listeners, in a network namespace of its own or in the
//! one that it was started in, some of which it closes and opens again all
//! the while.
//!
//! It ends when its standard input does, so that nothing outlives whoever
//! started it.

use std::io::{Write as _, stdout};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// What it says when all are open.
pub(crate) const OPEN: &str = "open";

/// Closings and openings are spread over a second in this many parts.
const PARTS: usize = 20;

/// Listeners on one address of the namespace that others use too.
const PER_ADDRESS: usize = 20_000;

/// What it opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Crowd {
    /// How many listeners are open.
    pub(crate) listeners: usize,
    /// How many of them are closed and opened again in a second.
    pub(crate) churn: usize,
    /// The number of the first, where other processes have those before it.
    pub(crate) first: usize,
    /// In a network namespace of its own.
    pub(crate) apart: bool,
}

impl Crowd {
    /// As it stands on a command line.
    pub(crate) fn arguments(self) -> [String; 4] {
        [self.listeners.to_string(), self.churn.to_string(), self.first.to_string(), self.apart.to_string()]
    }

    /// The same, read.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self> {
        let [listeners, churn, first, apart] = arguments else {
            bail!(
                "say how many listeners, how many come and go, from which number on, and whether apart: {arguments:?}"
            );
        };
        Ok(Self {
            listeners: listeners.parse()?,
            churn: churn.parse()?,
            first: first.parse()?,
            apart: apart.parse()?,
        })
    }

    /// Opens all of them, says so, and lets some come and go until standard
    /// input ends.
    pub(crate) fn play(self) -> Result<()> {
        raise_limit()?;
        if self.apart {
            leave()?;
        }
        let mut open = Vec::with_capacity(self.listeners);
        for number in 0..self.listeners {
            open.push(Some(self.listen(self.first + number)?));
        }
        writeln!(stdout(), "{OPEN}")?;
        let (mut next, begun, mut turned) = (0, Instant::now(), 0);
        while !is_over(Duration::from_secs(1) / u32::try_from(PARTS)?)? {
            let due = begun.elapsed().as_millis() * self.churn as u128 / 1000;
            while turned < due && !open.is_empty() {
                let slot = open.get_mut(next).context("no such listener")?;
                *slot = None;
                *slot = Some(self.listen(self.first + next)?);
                next = (next + 1) % self.listeners;
                turned += 1;
            }
        }
        Ok(())
    }

    fn listen(self, number: usize) -> Result<TcpListener> {
        let place = self.place(number)?;
        TcpListener::bind(place).with_context(|| format!("cannot listen on {place}"))
    }

    /// Where the one with this number listens: alone in a namespace on all
    /// addresses (its loopback is down), elsewhere on addresses of 127/8 that
    /// nobody else uses.
    fn place(self, number: usize) -> Result<SocketAddrV4> {
        if self.apart {
            return Ok(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, u16::try_from(1024 + number)?));
        }
        let last = u8::try_from(1 + number / PER_ADDRESS)?;
        Ok(SocketAddrV4::new(Ipv4Addr::new(127, 9, 9, last), u16::try_from(10_000 + number % PER_ADDRESS)?))
    }
}

/// As many descriptors as this process may ever have.
pub(crate) fn raise_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

fn leave() -> Result<()> {
    #[expect(unsafe_code, reason = "unshare has no safe form, though this flag is harmless")]
    // SAFETY: the file table, about which the function warns, is not touched.
    let left = unsafe { unshare_unsafe(UnshareFlags::NEWNET) };
    left.context("no network namespace could be made")
}

/// Waits so long for the end of standard input; says whether it came.
fn is_over(patience: Duration) -> Result<bool> {
    let stdin = std::io::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    let wait = Timespec { tv_sec: 0, tv_nsec: patience.subsec_nanos().into() };
    Ok(poll(&mut watched, Some(&wait))? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_on_a_command_line_is_read_again() {
        let crowd = Crowd { listeners: 20_000, churn: 200, first: 10, apart: true };
        assert_eq!(Crowd::parse(&crowd.arguments()).unwrap(), crowd);
        assert!(Crowd::parse(&[]).is_err());
    }

    #[test]
    fn no_two_listen_in_one_place() {
        for apart in [true, false] {
            let most = if apart { 60_000 } else { 100_000 };
            let crowd = Crowd { listeners: most, churn: 0, first: 0, apart };
            let places: std::collections::HashSet<_> =
                (0..most).map(|number| crowd.place(number).unwrap()).collect();
            assert_eq!(places.len(), most);
        }
    }
}
