//! A container in the path of a cgroup, as runtimes name it: by a scope with the
//! cgroup driver systemd, by a directory with cgroupfs. What watches a container
//! from outside (conmon, lxc.monitor) is none.

use std::borrow::Cow;

use serde::Serialize;

/// Length of the ids that runtimes draw.
const WHOLE_ID: usize = 64;

/// As much of such an id as people use to name a container.
const SHORT_ID: usize = 12;

/// Who runs a container.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// Docker.
    Docker,
    /// containerd, for Kubernetes or by nerdctl.
    Containerd,
    /// CRI-O.
    #[serde(rename = "cri-o")]
    CriO,
    /// Podman.
    Podman,
    /// LXC, LXD, Incus.
    Lxc,
    /// systemd-nspawn.
    #[serde(rename = "systemd-nspawn")]
    Nspawn,
}

impl Runtime {
    /// As printed and as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
            Self::Lxc => "lxc",
            Self::Nspawn => "systemd-nspawn",
        }
    }
}

/// What stands before the id in a name, and whose that is; one that begins like
/// another stands before it.
const PREFIXES: [(&str, Runtime); 7] = [
    ("docker-", Runtime::Docker),
    ("cri-containerd-", Runtime::Containerd),
    ("nerdctl-", Runtime::Containerd),
    ("crio-", Runtime::CriO),
    ("libpod-payload-", Runtime::Podman),
    ("libpod-", Runtime::Podman),
    ("lxc.payload.", Runtime::Lxc),
];

/// A container.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Container<'a> {
    /// Its id; the name of one of LXC or systemd-nspawn, which have no other.
    pub id: Cow<'a, str>,
    /// Who runs it, where the path tells: by cgroupfs, Kubernetes does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
}

impl<'a> Container<'a> {
    /// The container that the directory `name` below `above` is of.
    pub(super) fn of(name: &'a str, above: &str) -> Option<Self> {
        let of = |id: &'a str, runtime| Some(Self { id: Cow::Borrowed(id), runtime });
        if let Some(machine) = machine(name) {
            return Some(Self { id: unescaped(machine), runtime: Some(Runtime::Nspawn) });
        }
        if matches!(above, "lxc" | "lxc.payload") && !name.is_empty() {
            return of(name, Some(Runtime::Lxc));
        }
        // `SLICE:RUNTIME:ID` is what the driver systemd is told; a runtime that makes
        // directories takes it for a name.
        if let Some((before, id)) = name.rsplit_once(':').filter(|(_, id)| is_id(id)) {
            let runtime = before.rsplit_once(':').map_or(before, |(_, runtime)| runtime);
            let prefix = PREFIXES.iter().find(|(prefix, _)| prefix.strip_suffix('-') == Some(runtime));
            return of(id, prefix.map(|(_, runtime)| *runtime));
        }
        let stem = name.strip_suffix(".scope").unwrap_or(name);
        for (prefix, runtime) in PREFIXES {
            if let Some(id) = stem.strip_prefix(prefix) {
                let is_one = if runtime == Runtime::Lxc { !id.is_empty() } else { is_id(id) };
                return is_one.then(|| of(id, Some(runtime))).flatten();
            }
        }
        let is_one = name.len() == WHOLE_ID && is_id(name);
        is_one.then(|| of(name, (above == "docker").then_some(Runtime::Docker))).flatten()
    }

    /// As much of the id as names it for a person.
    pub fn short_id(&self) -> &str {
        let is_drawn = self.id.len() == WHOLE_ID && is_id(&self.id);
        self.id.get(..SHORT_ID).filter(|_| is_drawn).unwrap_or(&self.id)
    }
}

fn is_id(text: &str) -> bool {
    (SHORT_ID..=WHOLE_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The name of a machine of systemd-nspawn, escaped: by its service, or by the scope
/// of one that was started by hand. libvirt registers machines as well, which are
/// mostly no containers.
fn machine(name: &str) -> Option<&str> {
    let service = || name.strip_suffix(".service")?.strip_prefix("systemd-nspawn@");
    let scope = || name.strip_suffix(".scope")?.strip_prefix("machine-");
    let of_libvirt = |name: &str| name.starts_with("qemu\\x2d") || name.starts_with("lxc\\x2d");
    service().or_else(scope).filter(|name| !name.is_empty() && !of_libvirt(name))
}

/// Undoes systemd's escape of the one character that names of machines have and
/// instances of units cannot.
fn unescaped(machine: &str) -> Cow<'_, str> {
    if machine.contains("\\x2d") { machine.replace("\\x2d", "-").into() } else { machine.into() }
}
