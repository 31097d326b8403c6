//! What a scenario is: a name, a sentence, what it needs, and how it is played.

use backlog_trace_model::failure::Result;

use super::arena::Arena;
use super::expectation::Expectation;
use super::network;
use super::settings::Settings;
use crate::kernel::btf::{Btf, Function};

/// Queues a request, unless an identical one is there already.
const HASH_ADD: &str = "inet_csk_reqsk_queue_hash_add";

/// One row of the table.
pub(super) struct Scenario {
    /// Its name on the command line and in JSON.
    pub(super) name: &'static str,
    /// What it shows, in a sentence without a full stop.
    pub(super) shows: &'static str,
    /// What the machine must have.
    pub(super) needs: &'static [Need],
    /// Hooks without which the tool cannot see it; where one of them is
    /// missing the scenario is skipped and says so. `hook!rung`: on this rung
    /// the hook does not see it.
    pub(super) hooks: &'static [&'static str],
    /// Whether single events matter, so that `live` runs beside it too.
    pub(super) live: bool,
    /// Whether the tool starts anew for it, when its listeners are open; the
    /// others are watched by one that has been there all along.
    pub(super) fresh: bool,
    /// Plays it and says what must have come of it.
    pub(super) play: fn(&mut Arena) -> Result<Expectation>,
}

/// What a machine may lack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
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
    /// More than one CPU, and a kernel on which identical SYNs that are handled
    /// on two of them do not both get a request.
    Twins,
    /// One of these programs.
    Program(&'static [&'static str]),
}

impl Scenario {
    /// Why this machine cannot play it; `None` where it can.
    pub(super) fn missing(&self, settings: &Settings) -> Option<String> {
        self.needs.iter().find_map(|need| need.missing(settings))
    }

    /// Whether the tool must be told to attach the hooks that wait for a request.
    pub(super) fn asks_for_causes(&self) -> bool {
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
            Self::Twins => {
                let hash_add = Btf::from_sys_fs().map(|types| types.function(HASH_ADD));
                hash_add.map_or_else(
                    |failure| Some(failure.what),
                    |hash_add| {
                        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
                        lacks_twins(cpus, hash_add.as_ref())
                    },
                )
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

/// Why no SYN can be lost to its twin; `None` where one can. Since 6.10, 6.1.97
/// and 6.6.38, queueing a request tells by its return value whether an identical
/// one is there already; before, it returned nothing, and both were queued.
fn lacks_twins(cpus: usize, hash_add: Option<&Function>) -> Option<String> {
    if cpus < 2 {
        return Some("this machine has one CPU".to_owned());
    }
    hash_add
        .is_none_or(|function| function.returns_void)
        .then(|| "this kernel makes a request of each of two identical SYNs".to_owned())
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
    fn twins_collide_on_more_than_one_cpu_where_queueing_tells() {
        let hash_add = |returns_void| Function { params: Vec::new(), returns_void };
        assert_eq!(lacks_twins(2, Some(&hash_add(false))), None);
        for (cpus, hash_add) in [(1, Some(hash_add(false))), (2, Some(hash_add(true))), (2, None)] {
            assert!(lacks_twins(cpus, hash_add.as_ref()).is_some(), "{cpus} {hash_add:?}");
        }
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
