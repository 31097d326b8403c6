//! Whose a listener is, by the path of its cgroup: systemd unit, container,
//! Kubernetes pod. No runtime is asked, so that what is known of a container or a
//! pod is its number and not its name.
//!
//! Whoever a cgroup is delegated to names those below it: all of this is untrusted
//! text, to be escaped wherever it is shown.

mod container;
mod pod;
mod unit;

use serde::Serialize;

pub use container::{Container, Runtime};
pub use pod::{Pod, Quality};

/// Characters of a pod's uid that a person sees.
const POD_SHOWN: usize = 8;

/// What the path of a cgroup tells.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Place<'a> {
    /// systemd unit: the innermost, which inside a container is that container's,
    /// and of a user's systemd the user's. A slice where nothing says more. A cgroup
    /// that a runtime made for a container is the container and no unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'a str>,
    /// The user in whose session or by whose systemd it runs.
    #[serde(skip)]
    pub user: Option<u32>,
    /// The innermost container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container<'a>>,
    /// Kubernetes pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
}

impl<'a> Place<'a> {
    /// Reads a path below the root of a hierarchy, v1 or v2.
    pub fn of(cgroup: &'a str) -> Self {
        // What the kernel writes behind a cgroup that was removed (`proc_cgroup_show()`).
        let cgroup = cgroup.strip_suffix(" (deleted)").unwrap_or(cgroup);
        let mut place = Self::default();
        let (mut slice, mut user_manager, mut around, mut above) = (None, None, None, "");
        for name in cgroup.split('/') {
            place.pod = Pod::of(name, above).or(place.pod);
            if let Some(container) = Container::of(name, above) {
                // A service may run its container below itself (Podman with
                // --cgroups=split); else what stands above is the runtime's own unit.
                around = place.unit.take().filter(|_| container.runtime == Some(Runtime::Podman));
                place.container = Some(container);
                (slice, user_manager) = (None, None);
            } else if unit::is_slice(name) {
                slice = Some(unit::unescaped(name));
                place.user = unit::user_of_slice(name).or(place.user);
            } else if let Some(user) = unit::user_of_manager(name) {
                (place.user, user_manager) = (Some(user), Some(name));
            } else if unit::is_unit(name) && place.unit.is_none() {
                // Below a unit, services name cgroups as they like.
                place.unit = Some(unit::unescaped(name));
            }
            above = name;
        }
        let is_contained = place.container.is_some() || place.pod.is_some();
        place.unit = place.unit.or(user_manager).or(around).or(slice.filter(|_| !is_contained));
        place
    }

    /// In a few words, for a person: `nginx.service`, `docker 3f2a91b0c4d5`,
    /// `pod 1234abcd… / container 3f2a91b0c4d5`; `None` for the root of a hierarchy
    /// and for a cgroup that is nobody's of these.
    pub fn short(&self) -> Option<String> {
        let container = self.container.as_ref().map(|container| {
            let runtime = container.runtime.filter(|_| self.pod.is_none());
            format!("{} {}", runtime.map_or("container", Runtime::name), container.short_id())
        });
        let unit = self.unit.map(|unit| match (self.user, &container) {
            (Some(user), None) => format!("{unit} of user {user}"),
            _ => unit.to_owned(),
        });
        let parts: Vec<String> = self.pod_in_words().into_iter().chain(container).chain(unit).collect();
        (!parts.is_empty()).then(|| parts.join(" / "))
    }

    /// What a person calls the network namespace of a process in this place: that of
    /// its pod, whose containers share one, else of its container; `None` outside of both.
    pub fn netns(&self) -> Option<String> {
        let of_container = || Self { container: self.container.clone(), ..Self::default() }.short();
        self.pod_in_words().or_else(of_container)
    }

    fn pod_in_words(&self) -> Option<String> {
        let pod = self.pod.as_ref()?;
        Some(match pod.uid.get(..POD_SHOWN).filter(|begin| begin.len() < pod.uid.len()) {
            Some(begin) => format!("pod {begin}…"),
            None => format!("pod {}", pod.uid),
        })
    }
}

#[cfg(test)]
mod tests;
