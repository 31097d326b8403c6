//! What a scenario is: a name, a sentence, what it needs, and how it is played.

use crate::arena::Arena;
use crate::expectation::Expectation;
use crate::failure::Result;
use crate::network;
use crate::settings::Settings;

/// One row of the table.
pub(crate) struct Scenario {
    /// Its name on the command line and in JSON.
    pub(crate) name: &'static str,
    /// What it shows, in a sentence without a full stop.
    pub(crate) shows: &'static str,
    /// What the machine must have.
    pub(crate) needs: &'static [Need],
    /// Hooks without which the tool cannot see it; where one of them is
    /// missing the scenario is skipped and says so.
    pub(crate) hooks: &'static [&'static str],
    /// Whether single events matter, so that `live` runs beside it too.
    pub(crate) live: bool,
    /// Whether the tool starts anew for it, when its listeners are open; the
    /// others are watched by one that has been there all along.
    pub(crate) fresh: bool,
    /// Plays it and says what must have come of it.
    pub(crate) play: fn(&mut Arena) -> Result<Expectation>,
}

/// What a machine may lack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// TUN devices.
    Tun,
    /// IPv6.
    Ipv6,
    /// SYN cookies (CONFIG_SYN_COOKIES).
    Cookies,
    /// A sysctl that some kernels lack, below /proc/sys.
    Sysctl(&'static str),
    /// A counter in /proc/net/netstat that some kernels lack.
    Counter(&'static str),
    /// More than one CPU.
    SecondCpu,
    /// One of these programs.
    Program(&'static [&'static str]),
}

impl Scenario {
    /// Why this machine cannot play it; `None` where it can.
    pub(crate) fn missing(&self, settings: &Settings) -> Option<String> {
        self.needs.iter().find_map(|need| need.missing(settings))
    }

    /// Whether the tool must be told to attach the hooks that wait for a request.
    pub(crate) fn asks_for_causes(&self) -> bool {
        self.hooks.contains(&"causes")
    }
}

impl Need {
    fn missing(self, settings: &Settings) -> Option<String> {
        match self {
            Self::Tun => (!exists("/dev/net/tun"))
                .then(|| "there is no /dev/net/tun: load the module tun (modprobe tun)".to_owned()),
            Self::Ipv6 => (!network::has_ipv6()).then(|| "IPv6 is switched off on this machine".to_owned()),
            Self::Cookies => (!exists("/proc/sys/net/ipv4/tcp_syncookies"))
                .then(|| "this kernel has no SYN cookies (CONFIG_SYN_COOKIES)".to_owned()),
            Self::Sysctl(name) => {
                (!exists(&format!("/proc/sys/{name}"))).then(|| format!("this kernel has no {name}"))
            }
            Self::SecondCpu => {
                let cpus = std::thread::available_parallelism().map_or(1, usize::from);
                (cpus < 2).then(|| "this machine has one CPU".to_owned())
            }
            Self::Counter(name) => {
                let counters = std::fs::read_to_string("/proc/thread-self/net/netstat").unwrap_or_default();
                let has = counters.split_whitespace().any(|word| word == name);
                (!has).then(|| format!("this kernel does not count {name}"))
            }
            Self::Program(names) => names.iter().all(|name| settings.program(name).is_none()).then(|| {
                format!("{} is not installed; --with NAME=PATH names another place", names.join(" or "))
            }),
        }
    }
}

fn exists(path: &str) -> bool {
    std::path::Path::new(path).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &'static [&'static str], sentence: Option<&str>) {
        assert_eq!(Need::Program(names).missing(&Settings::default()).as_deref(), sentence);
    }

    #[test]
    fn an_absent_program_is_named() {
        check(&["no-such-a", "sh"], None);
        check(&["no-such-a"], Some("no-such-a is not installed; --with NAME=PATH names another place"));
        check(
            &["no-such-a", "no-such-b"],
            Some("no-such-a or no-such-b is not installed; --with NAME=PATH names another place"),
        );
    }
}
