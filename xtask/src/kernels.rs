//! The kernel matrix: which kernels, from which packages, and what each of
//! them is known to be unable to do.

use backlog_trace_model::check::Unseen;

/// A kernel that tests run on.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// As named on the command line: the stable series.
    pub(crate) version: &'static str,
    /// The Debian release that has it.
    pub(crate) suite: &'static str,
    /// Packages with the image and the modules, as patterns of apt-cache
    /// (POSIX extended); of each, the newest match is taken.
    pub(crate) packages: &'static [&'static str],
    /// Scenarios and rungs that this kernel cannot have, and why. A skip that
    /// is not here is a failure.
    pub(crate) skips: &'static [Skip],
}

impl Kernel {
    /// The rungs that its scenarios are played on, best first.
    pub(crate) fn rungs(&self) -> impl Iterator<Item = &'static str> {
        RUNGS.into_iter().filter(|rung| self.lacks(rung).is_none())
    }

    /// Why it cannot have a rung at all.
    pub(crate) fn lacks(&self, rung: &str) -> Option<&'static Skip> {
        self.skips.iter().find(|skip| skip.scenario.is_empty() && skip.covers(rung))
    }

    /// Why it cannot have a scenario on a rung.
    pub(crate) fn skips(&self, scenario: &str, rung: &str) -> Option<&'static Skip> {
        let of = |skip: &&Skip| skip.scenario.is_empty() || skip.scenario == scenario;
        self.skips.iter().filter(of).find(|skip| skip.covers(rung))
    }
}

/// A scenario that cannot run on a kernel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Skip {
    /// The scenario's name as `selftest` prints it; empty for every scenario.
    pub(crate) scenario: &'static str,
    /// The rung it cannot have there; empty for every rung.
    pub(crate) rung: &'static str,
    /// The fact about this kernel that makes it impossible.
    pub(crate) why: &'static str,
}

impl Skip {
    fn covers(&self, rung: &str) -> bool {
        self.rung.is_empty() || self.rung == rung
    }
}

/// The rungs of the ladder that scenarios are played on, best first: on every
/// kernel that does not list one as what it cannot have.
pub(crate) const RUNGS: [&str; 4] = ["fentry", "kprobe", "tracepoint", "counters"];

const NO_MPTCP: &str = "Debian builds it without CONFIG_MPTCP";

/// Kernels before 6.12 of the matrix: their consume_skb passes the packet
/// alone, their kfree_skb no socket.
const PLACELESS: Skip = Skip {
    scenario: "",
    rung: "tracepoint",
    why: "the tracepoint consume_skb does not say where a packet is freed, nor kfree_skb for which socket",
};

/// Scenarios of what an attach method does not show.
const UNSEEN: [Skip; 8] = [
    unseen("advice_slow_to_accept", Unseen::Accepts),
    unseen("syn_no_route", Unseen::CausesOfRefusal),
    unseen("syn_no_route_ipv6", Unseen::CausesOfRefusal),
    unseen("cookie_ack_invalid", Unseen::WrongCookies),
    unseen("cookie_ack_invalid_ipv6", Unseen::WrongCookies),
    unseen("syn_duplicate", Unseen::IdenticalSyns),
    unseen("synack_expired", Unseen::RequestsGivenUp),
    unseen("request_aborted_shut", Unseen::ClosedListeners),
];

/// The tool's own table says by which attach method, and why.
const fn unseen(scenario: &'static str, what: Unseen) -> Skip {
    let sight = what.sight();
    Skip { scenario, rung: sight.rung.name(), why: sight.why }
}

/// This machine's own kernel: scenarios are played on the best rung of each
/// hook that it allows.
pub(crate) const NATIVE: Kernel = Kernel {
    version: "here",
    suite: "",
    packages: &[],
    skips: &[
        Skip {
            scenario: "packaged_server",
            rung: "",
            why: "nginx, and wrk or ab, are not installed on this machine",
        },
        UNSEEN[0],
        UNSEEN[1],
        UNSEEN[2],
        UNSEEN[3],
        UNSEEN[4],
        UNSEEN[5],
        UNSEEN[6],
        UNSEEN[7],
    ],
};

/// The oldest supported kernel, two stable series in wide use, and the newest.
pub(crate) const MATRIX: [Kernel; 4] = [
    Kernel {
        version: "5.10",
        suite: "bullseye",
        packages: &[r"^linux-image-5\.10\.[-0-9.]*-cloud-amd64$"],
        skips: &[
            PLACELESS,
            Skip { scenario: "mptcp_accept_queue_full", rung: "", why: NO_MPTCP },
            Skip { scenario: "mptcp_accept_queue_full_ipv6", rung: "", why: NO_MPTCP },
            Skip { scenario: "mptcp_accept_queue_full_dual_stack", rung: "", why: NO_MPTCP },
            Skip {
                scenario: "reuseport_migrated",
                rung: "",
                why: "listeners of a group take over from each other since 5.14",
            },
            Skip {
                scenario: "syn_duplicate",
                rung: "",
                why: "it makes a request of each of two identical SYNs",
            },
        ],
    },
    Kernel {
        version: "6.1",
        suite: "bookworm",
        packages: &[r"^linux-image-6\.1\.[-0-9.]*-cloud-amd64$"],
        skips: &[PLACELESS],
    },
    Kernel {
        version: "6.12",
        suite: "trixie",
        packages: &[r"^linux-image-6\.12\.[0-9.]*\+deb13-cloud-amd64$"],
        skips: &UNSEEN,
    },
    Kernel {
        version: "7.2",
        suite: "sid",
        packages: &[
            r"^linux-binary-7\.2\.[0-9.]*\+deb14-cloud-amd64$",
            r"^linux-modules-7\.2\.[0-9.]*\+deb14-cloud-amd64$",
        ],
        skips: &UNSEEN,
    },
];

/// The kernel that `bench` and `demo` use unless told otherwise.
pub(crate) const DEFAULT: &str = "6.12";

/// Modules that scenarios need: packets by hand (tun), namespaces (veth), and
/// socket listings (the diag family).
pub(crate) const MODULES: [&str; 5] = ["tun", "veth", "inet_diag", "tcp_diag", "mptcp_diag"];

/// Modules that a kernel may lack altogether: 5.10 lists no MPTCP sockets.
pub(crate) const OPTIONAL_MODULES: [&str; 1] = ["mptcp_diag"];

/// Looks a kernel up by its series, for clap.
pub(crate) fn parse(version: &str) -> Result<&'static Kernel, String> {
    MATRIX.iter().find(|kernel| kernel.version == version).ok_or_else(|| {
        let known: Vec<&str> = MATRIX.iter().map(|kernel| kernel.version).collect();
        format!("no such kernel in the matrix; there are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::fmt::Write as _;
    use std::fs;

    use super::*;
    use crate::workspace;

    const BEGIN: &str = "<!-- kernels -->\n";
    const END: &str = "<!-- end of kernels -->\n";

    fn table() -> String {
        let mut text = "| kernel | Debian | rungs | what it cannot have |\n|---|---|---|---|\n".to_owned();
        for kernel in &MATRIX {
            let rungs: Vec<&str> = kernel.rungs().collect();
            let rungs = rungs.join(", ");
            let skips: Vec<String> = kernel.skips.iter().map(skip).collect();
            let skips = if skips.is_empty() { "none".to_owned() } else { skips.join("; ") };
            writeln!(text, "| {} | {} | {rungs} | {skips} |", kernel.version, kernel.suite).unwrap();
        }
        text
    }

    fn skip(skip: &Skip) -> String {
        let rung = if skip.rung.is_empty() { String::new() } else { format!(" ({})", skip.rung) };
        let scenario = if skip.scenario.is_empty() {
            "every scenario".to_owned()
        } else {
            format!("`{}`", skip.scenario)
        };
        format!("{scenario}{rung}: {}", skip.why)
    }

    /// `UPDATE=1 cargo test -p xtask kernels` writes the table anew.
    #[test]
    fn the_document_lists_the_matrix() {
        let path = workspace::root().join("docs/kernels.md");
        let document = fs::read_to_string(&path).unwrap();
        let (before, rest) = document.split_once(BEGIN).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let table = table();
        let renewed = format!("{before}{BEGIN}{table}{END}{after}");
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, &renewed).unwrap();
        }
        assert!(renewed == fs::read_to_string(&path).unwrap(), "docs/kernels.md lacks:\n{table}");
    }
}
