//! Kernel counters that tell causes of a loss apart, and that the audit does not
//! balance.
//!
//! Like the counters of [`crate::counter`] they lie in `struct linux_mib`, per
//! network namespace and CPU. Only hooked functions move them (read in the
//! sources of 5.10 to 7.2), so what a counter moved since the last reading on
//! this CPU was moved by the packet that is judged.

/// One of these counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Evidence {
    /// `LINUX_MIB_SYNCOOKIESFAILED`: cookie_v4_check() and cookie_v6_check()
    /// found a wrong or outdated cookie.
    SyncookiesFailed = 0,
    /// `LINUX_MIB_EMBRYONICRSTS`: tcp_check_req() took a request out because of
    /// a reset.
    EmbryonicRsts = 1,
    /// `LINUX_MIB_TCPFASTOPENPASSIVE`: tcp_try_fastopen() made a child.
    FastopenPassive = 2,
    /// `LINUX_MIB_TCPFASTOPENPASSIVEFAIL`: tcp_try_fastopen() could not make a
    /// child.
    FastopenPassiveFail = 3,
    /// `LINUX_MIB_TCPFASTOPENLISTENOVERFLOW`: tcp_fastopen_queue_check() found
    /// the Fast Open queue full.
    FastopenListenOverflow = 4,
}

/// How many counters of evidence there are.
pub const EVIDENCE: usize = 5;

impl Evidence {
    /// Position in arrays of evidence.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }
}
