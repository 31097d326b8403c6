//! systemd's names in the path of a cgroup (systemd.unit(5), and "Cgroup
//! delegation" in its documents). Which of them counts, [`super::Place`] decides.

/// Units that processes run in, beside slices.
const WITH_PROCESSES: [&str; 5] = [".service", ".scope", ".socket", ".mount", ".swap"];

/// The longest name of a unit (`UNIT_NAME_MAX`).
const LONGEST: usize = 255;

/// Whether a directory is a slice, which holds units and no processes.
pub(super) fn is_slice(name: &str) -> bool {
    stem(name, ".slice").is_some()
}

/// Whether a directory is a unit that processes run in.
pub(super) fn is_unit(name: &str) -> bool {
    WITH_PROCESSES.iter().any(|suffix| stem(name, suffix).is_some())
}

/// The user of `user-1000.slice`.
pub(super) fn user_of_slice(name: &str) -> Option<u32> {
    stem(name, ".slice")?.strip_prefix("user-")?.parse().ok()
}

/// The user of `user@1000.service`, the service that is a user's own systemd.
pub(super) fn user_of_manager(name: &str) -> Option<u32> {
    stem(name, ".service")?.strip_prefix("user@")?.parse().ok()
}

/// The unit's name: systemd puts `_` before one that the kernel may take for a file
/// of a controller, such as `_cpu.service`.
pub(super) fn unescaped(name: &str) -> &str {
    name.strip_prefix('_').unwrap_or(name)
}

fn stem<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    name.strip_suffix(suffix).filter(|stem| !stem.is_empty() && name.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_units() {
        for name in ["nginx.service", "getty@tty1.service", "session-3.scope", "ssh.socket"] {
            assert!(is_unit(name) && !is_slice(name), "{name}");
        }
        for name in [".service", "nginx", "nginx.service.d", "user.slice", "nginx.timer", ""] {
            assert!(!is_unit(name), "{name}");
        }
        assert!(is_slice("-.slice") && is_slice("system-getty.slice") && !is_slice(".slice"));
        assert!(!is_unit(&format!("{}.service", "x".repeat(LONGEST))));
    }

    #[test]
    fn names_that_hold_a_user() {
        assert_eq!((user_of_slice("user-1000.slice"), user_of_slice("user.slice")), (Some(1000), None));
        assert_eq!(user_of_slice("user-99999999999.slice"), None);
        assert_eq!(user_of_manager("user@1000.service"), Some(1000));
        assert_eq!((user_of_manager("user@.service"), user_of_manager("user@a.service")), (None, None));
    }
}
