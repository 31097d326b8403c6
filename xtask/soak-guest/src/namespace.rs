//! A network namespace of this process's own, with its loopback up, and what
//! the kernel counts in it. Unnamed: it is gone with the process.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result, bail};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};
use rustix::thread::UnshareFlags;

/// `RTM_NEWLINK` and `NLM_F_REQUEST | NLM_F_ACK` (include/uapi/linux).
const NEW_LINK: u16 = 16;
const ACKNOWLEDGED: u16 = 0x1 | 0x4;
/// `NLMSG_ERROR`, which carries an acknowledgement too.
const ERROR: u16 = 2;
/// The loopback is the first interface of every namespace
/// (`LOOPBACK_IFINDEX`, include/net/net_namespace.h).
const LOOPBACK: u32 = 1;
/// `IFF_UP`.
const UP: u32 = 1;

/// Moves this process, which has one thread, into a new namespace; its inode number.
pub(crate) fn enter_new() -> Result<u32> {
    #[expect(unsafe_code, reason = "unshare has no safe form, though this flag is harmless")]
    // SAFETY: only the network namespace is left; the file table, about which
    // the function warns, stays shared.
    let left = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) };
    left.context("no network namespace of its own can be made: run it as root")?;
    raise_loopback().context("the loopback of a new namespace cannot be set up")?;
    let inode = fs::metadata("/proc/self/ns/net")?.ino();
    u32::try_from(inode).context("the namespace's number is out of range")
}

/// `ip link set lo up`, as one rtnetlink message.
fn raise_loopback() -> Result<()> {
    // NETLINK_ROUTE is protocol 0.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    let mut message = Vec::with_capacity(32);
    // struct nlmsghdr: length, type, flags, sequence, port.
    message.extend(32u32.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(ACKNOWLEDGED.to_ne_bytes());
    message.extend(1u32.to_ne_bytes());
    message.extend(0u32.to_ne_bytes());
    // struct ifinfomsg: family, padding, type, index, flags, change.
    message.extend(0u32.to_ne_bytes());
    message.extend(LOOPBACK.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    sendto(&socket, &message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0u8; 256];
    let (length, _) = recv(&socket, answer.as_mut_slice(), RecvFlags::empty())?;
    let answer = answer.get(..length).unwrap_or_default();
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, error) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(error)) => Err(std::io::Error::from_raw_os_error(-error).into()),
        _ => bail!("the kernel's answer is none"),
    }
}

/// Losses as the kernel counted them in this process's namespace.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counted {
    /// `ListenOverflows`.
    pub(crate) overflows: u64,
    /// `ListenDrops`.
    pub(crate) drops: u64,
}

/// Reads them.
pub(crate) fn counted() -> Result<Counted> {
    let text = fs::read_to_string("/proc/self/net/netstat").context("/proc/self/net/netstat")?;
    counted_in(&text).context("/proc/self/net/netstat has no ListenOverflows or no ListenDrops")
}

fn counted_in(text: &str) -> Option<Counted> {
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (rows.next()?, rows.next()?);
    let value = |wanted: &str| -> Option<u64> {
        let at = names.split_whitespace().position(|name| name == wanted)?;
        values.split_whitespace().nth(at)?.parse().ok()
    };
    Some(Counted { overflows: value("ListenOverflows")?, drops: value("ListenDrops")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_name() {
        let text = "TcpExt: Other ListenDrops ListenOverflows\nTcpExt: 7 4 3\nIpExt: ListenDrops\nIpExt: 9\n";
        assert_eq!(counted_in(text), Some(Counted { overflows: 3, drops: 4 }));
        assert_eq!(counted_in("TcpExt: ListenDrops\n"), None);
    }
}
