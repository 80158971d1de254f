//! A network of the calling thread's own, in which every address of both families is local.
//!
//! It has the loopback device only, so nothing of it leaves the host, and it is gone when the thread and its sockets
//! are: there is nothing to remove. The device is set up over rtnetlink, three requests.

use std::fs;
use std::io;
use std::path::Path;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};
use tcpc_stdlib::kernel::{AF_INET, AF_INET6, LOOPBACK_INDEX};

use crate::sys;

// `include/uapi/linux/netlink.h` and `rtnetlink.h`.
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_CREATE: u16 = 0x400;
const NLMSG_ERROR: u16 = 2;
const NLMSG_HEADER: usize = 16;
const RTM_NEWLINK: u16 = 16;
const RTM_NEWROUTE: u16 = 24;
const RTA_OIF: u16 = 4;
const IFLA_MTU: u16 = 4;
const IFF_UP: u32 = 1;
const RT_TABLE_LOCAL: u8 = 255;
const RTPROT_BOOT: u8 = 3;
const RT_SCOPE_HOST: u8 = 254;
const RTN_LOCAL: u8 = 2;
/// The loopback device is the first of every network.
const LOOPBACK: u32 = LOOPBACK_INDEX as u32;
/// That of Ethernet: segments are as large as on most real networks.
const MTU: u32 = 1500;

/// Sockets may have any address, nothing is learnt from one connection for the next, and losses are found by timers
/// only.
const SETTINGS: &[(&str, &str)] = &[
    ("net/ipv4/ip_nonlocal_bind", "1"),
    ("net/ipv6/ip_nonlocal_bind", "1"),
    ("net/ipv4/tcp_no_metrics_save", "1"),
    ("net/ipv4/tcp_early_retrans", "0"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/lo/rp_filter", "0"),
];

/// Moves this thread into a new network.
///
/// # Errors
/// The system refuses.
pub fn enter() -> io::Result<()> {
    sys::enter_new_network()?;
    for (name, value) in SETTINGS {
        let path = Path::new("/proc/sys").join(name);
        match fs::write(&path, value) {
            // A host without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
    }
    request(RTM_NEWLINK, 0, &link_up())?;
    request(RTM_NEWROUTE, NLM_F_CREATE, &everything_is_local(AF_INET as u8, RT_SCOPE_HOST))?;
    match request(RTM_NEWROUTE, NLM_F_CREATE, &everything_is_local(AF_INET6 as u8, 0)) {
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP) => Ok(()),
        other => other,
    }
}

/// `struct ifinfomsg`, and the largest packet.
fn link_up() -> Vec<u8> {
    let mut body = vec![0; 4];
    for word in [LOOPBACK, IFF_UP, IFF_UP] {
        body.extend(word.to_ne_bytes());
    }
    attribute(&mut body, IFLA_MTU, MTU);
    body
}

/// `struct rtmsg`, and the device.
fn everything_is_local(family: u8, scope: u8) -> Vec<u8> {
    let mut body = vec![family, 0, 0, 0, RT_TABLE_LOCAL, RTPROT_BOOT, scope, RTN_LOCAL, 0, 0, 0, 0];
    attribute(&mut body, RTA_OIF, LOOPBACK);
    body
}

fn attribute(body: &mut Vec<u8>, kind: u16, word: u32) {
    body.extend(8u16.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(word.to_ne_bytes());
}

/// Sends one request and reads its acknowledgement.
fn request(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    let mut message = ((NLMSG_HEADER + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_ACK | flags).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(body);
    rustix::net::send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0; 4096];
    let (_, length) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
    let answer = answer.get(..length).unwrap_or_default();
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let error = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, error) {
        (Some(NLMSG_ERROR), Some(0)) => Ok(()),
        (Some(NLMSG_ERROR), Some(number)) => Err(io::Error::from_raw_os_error(-number)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
