//! A Kubernetes pod in the path of a cgroup, as the kubelet names it
//! (`pkg/kubelet/cm`): by slices with the driver systemd, by directories with
//! cgroupfs.

use serde::Serialize;

/// The longest uid that is believed: a UUID has 36 characters, the hash that a
/// static pod has instead 32.
const LONGEST: usize = 64;

/// Quality of service, by which the kubelet groups pods.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quality {
    /// Requests are limits.
    Guaranteed,
    /// Limits above requests.
    Burstable,
    /// Neither.
    BestEffort,
}

/// A pod.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Pod {
    /// Its uid, as the API has it (`kubectl get pod -o yaml`, `metadata.uid`).
    pub uid: String,
    /// Its quality of service.
    #[serde(skip)]
    pub quality: Quality,
}

impl Pod {
    /// The pod that the directory `name` below `above` is of.
    pub(super) fn of(name: &str, above: &str) -> Option<Self> {
        // A runtime that makes directories of what was meant for systemd writes
        // `SLICE:RUNTIME:ID`.
        let slice = name.split(':').next().unwrap_or(name).strip_suffix(".slice");
        let (parent, uid) = match slice {
            Some(slice) => slice.rsplit_once("-pod")?,
            None => (above, name.strip_prefix("pod")?),
        };
        let quality = match (parent, slice.is_some()) {
            ("kubepods", _) => Quality::Guaranteed,
            ("burstable", false) => Quality::Burstable,
            ("besteffort", false) => Quality::BestEffort,
            (parent, true) if parent.ends_with("kubepods-burstable") => Quality::Burstable,
            (parent, true) if parent.ends_with("kubepods-besteffort") => Quality::BestEffort,
            // With a prefix of its own, as in clusters that run inside a container.
            (parent, true) if parent.ends_with("-kubepods") => Quality::Guaranteed,
            _ => return None,
        };
        let is_uid = |character: char| character.is_ascii_hexdigit() || matches!(character, '-' | '_');
        let is_one = !uid.is_empty() && uid.len() <= LONGEST && uid.chars().all(is_uid);
        // A dash separates slices, so that a slice has `_` for those of the uid.
        is_one.then(|| Self { uid: uid.replace('_', "-"), quality })
    }
}
