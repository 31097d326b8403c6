//! The sysctls of a network namespace that decide what becomes of a connection
//! before accept(): one table of them, and their values as data.
//!
//! A sysctl that cannot be read is unknown, never 0. Values are written down by
//! name, so that one more of them is no new format. Nothing here reads /proc/sys.

use serde::{Deserialize, Serialize};

/// Makes [`Sysctls`] and the list of names from one table.
macro_rules! sysctls {
    ($($(#[doc = $doc:literal])+ $field:ident: $name:literal,)+) => {
        /// Their values in one namespace; `None` where one cannot be read, because the
        /// kernel has not got it or /proc/sys is not there.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Sysctls {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $name, skip_serializing_if = "Option::is_none")]
                pub $field: Option<u32>,
            )+
        }

        impl Sysctls {
            /// Their names, in the order of the table.
            pub const NAMES: &[&str] = &[$($name),+];

            /// Asks for each by its name.
            pub fn by_name(mut value: impl FnMut(&'static str) -> Option<u32>) -> Self {
                Self { $($field: value($name)),+ }
            }

            /// Those that are known, by name, in the order of the table.
            pub fn known(&self) -> impl Iterator<Item = (&'static str, u32)> {
                [$(($name, self.$field)),+].into_iter().filter_map(|(name, value)| Some((name, value?)))
            }
        }
    };
}

sysctls! {
    /// Cap on what an application may ask for in listen() (`__sys_listen()`).
    somaxconn: "net.core.somaxconn",
    /// Where cookies are off, the last quarter of so many requests is kept for
    /// clients that proved themselves before (`tcp_conn_request()`).
    tcp_max_syn_backlog: "net.ipv4.tcp_max_syn_backlog",
    /// Cookies: 0 never, 1 where the SYN queue is full, 2 always
    /// (`tcp_conn_request()`); missing without `CONFIG_SYN_COOKIES`.
    tcp_syncookies: "net.ipv4.tcp_syncookies",
    /// A final ACK that finds the accept queue full is answered by a reset
    /// instead of silence (`tcp_check_req()`).
    tcp_abort_on_overflow: "net.ipv4.tcp_abort_on_overflow",
    /// How often a SYN+ACK is sent again before its request is given up
    /// (`reqsk_timer_handler()`).
    tcp_synack_retries: "net.ipv4.tcp_synack_retries",
    /// Fast Open, a mask: 2 is what lets servers take data with the SYN
    /// (`TFO_SERVER_ENABLE`).
    tcp_fastopen: "net.ipv4.tcp_fastopen",
    /// What waits on a listener that closes moves to another member of its
    /// reuseport group (`reuseport_migrate_sock()`); missing before 5.14.
    tcp_migrate_req: "net.ipv4.tcp_migrate_req",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_asked_for_once_and_comes_back_under_its_name() {
        let mut asked = Vec::new();
        let sysctls = Sysctls::by_name(|name| {
            asked.push(name);
            u32::try_from(asked.len()).ok()
        });
        assert_eq!(asked, Sysctls::NAMES);
        assert_eq!(sysctls.known().map(|(name, _)| name).collect::<Vec<_>>(), Sysctls::NAMES);
        assert_eq!((sysctls.somaxconn, sysctls.tcp_migrate_req), (Some(1), Some(7)));
    }

    #[test]
    fn what_is_unknown_is_not_written_and_what_is_0_is() {
        let sysctls = Sysctls { tcp_syncookies: Some(0), ..Sysctls::default() };
        let json = serde_json::to_string(&sysctls).unwrap();
        assert_eq!(json, r#"{"net.ipv4.tcp_syncookies":0}"#);
        assert_eq!(serde_json::from_str::<Sysctls>(&json).unwrap(), sysctls);
        assert_eq!(sysctls.known().collect::<Vec<_>>(), [("net.ipv4.tcp_syncookies", 0)]);
    }

    #[test]
    fn a_sysctl_of_a_newer_version_is_passed_over() {
        let json = r#"{"net.ipv4.tcp_moons":3,"net.core.somaxconn":4096}"#;
        let expected = Sysctls { somaxconn: Some(4096), ..Sysctls::default() };
        assert_eq!(serde_json::from_str::<Sysctls>(json).unwrap(), expected);
    }
}
