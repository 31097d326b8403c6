//! Interfaces of a namespace: make a TUN device, give it addresses, set it up.
//!
//! By ioctl, because three requests need no netlink library.

use std::ffi::{c_char, c_int};
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;

use rustix::ioctl::{Opcode, Setter, ioctl, opcode};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::failure::{Failure, Result};

/// Name of the loopback interface.
pub(crate) const LOOPBACK: &str = "lo";
/// Name of the TUN device; the namespace is private, so the name is free.
pub(crate) const TUN: &str = "tun0";

// From the kernel's headers: libc gives these in types that differ by C library.
const SET_TUN: Opcode = opcode::write::<c_int>(b'T', 202);
const SET_FLAGS: Opcode = 0x8914;
const SET_ADDRESS: Opcode = 0x8916;
const SET_NETMASK: Opcode = 0x891c;
/// AF_INET as the kernel keeps it in an address.
const FAMILY_IPV4: libc::sa_family_t = 2;

/// Opens a new TUN device in this thread's namespace. It is gone with its file.
pub(crate) fn open_tun() -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")
        .map_err(|why| Failure::unexpected("/dev/net/tun cannot be opened", why))?;
    let mut request = named(TUN);
    request.ifr_ifru.ifru_flags = short_flags(libc::IFF_TUN | libc::IFF_NO_PI);
    #[expect(unsafe_code, reason = "ioctl of the test network")]
    // SAFETY: TUNSETIFF on the tun driver reads and writes one ifreq.
    let made = unsafe { ioctl(&file, Setter::<SET_TUN, libc::ifreq>::new(request)) };
    made.map_err(|why| Failure::unexpected("a TUN device cannot be made", why))?;
    Ok(file)
}

/// Sets an interface up or down.
pub(crate) fn set_up(name: &str, up: bool) -> Result<()> {
    let mut request = named(name);
    request.ifr_ifru.ifru_flags = short_flags(if up { libc::IFF_UP | libc::IFF_RUNNING } else { 0 });
    #[expect(unsafe_code, reason = "ioctl of the test network")]
    // SAFETY: SIOCSIFFLAGS on an IPv4 socket reads one ifreq.
    let set = unsafe { ioctl(control(AddressFamily::INET)?, Setter::<SET_FLAGS, libc::ifreq>::new(request)) };
    set.map_err(|why| Failure::unexpected(format!("interface {name} cannot be set up or down"), why))
}

/// Gives an interface its IPv4 address and netmask.
pub(crate) fn set_ipv4(name: &str, address: Ipv4Addr, mask: Ipv4Addr) -> Result<()> {
    let control = control(AddressFamily::INET)?;
    let mut request = named(name);
    request.ifr_ifru.ifru_addr = socket_address(address);
    #[expect(unsafe_code, reason = "ioctl of the test network")]
    // SAFETY: SIOCSIFADDR on an IPv4 socket reads one ifreq that holds a sockaddr_in.
    let set = unsafe { ioctl(&control, Setter::<SET_ADDRESS, libc::ifreq>::new(request)) };
    set.map_err(|why| Failure::unexpected(format!("{name} cannot get the address {address}"), why))?;
    request.ifr_ifru.ifru_netmask = socket_address(mask);
    #[expect(unsafe_code, reason = "ioctl of the test network")]
    // SAFETY: SIOCSIFNETMASK on an IPv4 socket reads one ifreq that holds a sockaddr_in.
    let set = unsafe { ioctl(&control, Setter::<SET_NETMASK, libc::ifreq>::new(request)) };
    set.map_err(|why| Failure::unexpected(format!("{name} cannot get the netmask {mask}"), why))
}

/// Adds an IPv6 address to an interface. A TUN device speaks no neighbour
/// discovery, so the address is usable at once.
pub(crate) fn add_ipv6(name: &str, address: Ipv6Addr, prefix: u32) -> Result<()> {
    let control = control(AddressFamily::INET6)?;
    let index = rustix::net::netdevice::name_to_index(&control, name)
        .map_err(|why| Failure::unexpected(format!("interface {name} cannot be found"), why))?;
    let request = libc::in6_ifreq {
        ifr6_addr: libc::in6_addr { s6_addr: address.octets() },
        ifr6_prefixlen: prefix,
        ifr6_ifindex: c_int::try_from(index).unwrap_or(c_int::MAX),
    };
    #[expect(unsafe_code, reason = "ioctl of the test network")]
    // SAFETY: SIOCSIFADDR on an IPv6 socket reads one in6_ifreq.
    let set = unsafe { ioctl(&control, Setter::<SET_ADDRESS, libc::in6_ifreq>::new(request)) };
    set.map_err(|why| Failure::unexpected(format!("{name} cannot get the address {address}"), why))
}

fn control(family: AddressFamily) -> Result<OwnedFd> {
    socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(|why| Failure::unexpected("no socket to set up the test network by", why))
}

fn named(name: &str) -> libc::ifreq {
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_addr: socket_address(Ipv4Addr::UNSPECIFIED) },
    };
    // The last byte stays NUL.
    for (slot, byte) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *slot = c_char::from_ne_bytes([byte]);
    }
    request
}

fn short_flags(flags: c_int) -> libc::c_short {
    libc::c_short::try_from(flags).unwrap_or_default()
}

/// A `sockaddr` with the content of a `sockaddr_in`: port, then address.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut data = [0; 14];
    for (slot, byte) in data.iter_mut().skip(2).zip(address.octets()) {
        *slot = c_char::from_ne_bytes([byte]);
    }
    libc::sockaddr { sa_family: FAMILY_IPV4, sa_data: data }
}
