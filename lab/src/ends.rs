//! Both ends of one connection: their sockets, made in the cgroup of each, and what is done with them.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, sockopt};
use tcpc_lang::hir::{Role, Value};
use tcpc_stdlib::kernel::{MAPPED_FIRST, is_mapped};
use tcpc_stdlib::option::{SockOption, option};

use crate::cgroups::{Cgroups, inside};
use crate::sys;

/// How long a socket waits for the other end, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(3);

/// The addresses of a connection, seen from the end that has the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// This end, IPv4 as `::ffff:a.b.c.d`.
    pub local: (u128, u16),
    /// The other end.
    pub remote: (u128, u16),
    /// Whether the sockets are of IPv6 although the addresses are of IPv4.
    pub dual_stack: bool,
}

impl Addresses {
    fn family(&self) -> AddressFamily {
        match is_mapped(self.local.0) && !self.dual_stack {
            true => AddressFamily::INET,
            false => AddressFamily::INET6,
        }
    }

    fn socket_address(&self, (address, port): (u128, u16)) -> SocketAddr {
        let address = match self.family() {
            AddressFamily::INET => IpAddr::from(((address ^ MAPPED_FIRST) as u32).to_be_bytes()),
            _ => IpAddr::V6(Ipv6Addr::from(address)),
        };
        SocketAddr::new(address, port)
    }
}

/// The sockets of a connection, those that it has so far.
#[derive(Debug)]
pub struct Ends {
    patience: Duration,
    /// The listener of the end that has the policy.
    pub listener: Option<OwnedFd>,
    /// The connection at the end that has the policy.
    pub end: Option<OwnedFd>,
    /// The connection at the other end.
    pub peer: Option<OwnedFd>,
}

/// What a socket is given when it is made.
pub type Given = (&'static SockOption, Value);

impl Default for Ends {
    fn default() -> Ends {
        Ends::with_patience(PATIENCE)
    }
}

impl Ends {
    /// No sockets yet; those to be made wait so long for one another.
    pub fn with_patience(patience: Duration) -> Ends {
        Ends { patience, listener: None, end: None, peer: None }
    }

    /// The end that has the policy begins to listen.
    ///
    /// # Errors
    /// The system refuses: an address that cannot be had, an option that it does not take.
    pub fn listen(&mut self, cgroups: &Cgroups, addresses: &Addresses, given: &[Given]) -> io::Result<()> {
        self.listener = Some(self.listener(&cgroups.end, addresses, addresses.local, given)?);
        Ok(())
    }

    /// Connects the two ends; a server's end listens already. `service` is what the SYN of a client is marked with.
    ///
    /// # Errors
    /// As [`Ends::listen`].
    pub fn connect(
        &mut self,
        role: Role,
        cgroups: &Cgroups,
        addresses: &Addresses,
        given: &[Given],
        service: Option<u8>,
    ) -> io::Result<()> {
        match role {
            Role::Client => {
                let listener = self.listener(&cgroups.peer, addresses, addresses.remote, &[])?;
                let end = inside(&cgroups.end, || self.socket(addresses, addresses.local, given))?;
                net::connect(&end, &addresses.socket_address(addresses.remote))?;
                self.end = Some(end);
                self.peer = Some(accept(&listener)?);
            }
            Role::Server => {
                let marks = service.map_or_else(Vec::new, |class| vec![mark(addresses, class)]);
                let marks: Vec<Given> = marks.into_iter().flatten().collect();
                let peer = inside(&cgroups.peer, || self.socket(addresses, addresses.remote, &marks))?;
                net::connect(&peer, &addresses.socket_address(addresses.local))?;
                self.peer = Some(peer);
                self.end = Some(accept(self.listener.as_ref().ok_or(io::ErrorKind::NotConnected)?)?);
            }
        }
        Ok(())
    }

    /// So many bytes there, and so many back.
    ///
    /// # Errors
    /// The connection does not carry them.
    pub fn talk(&self, out: usize, back: usize) -> io::Result<()> {
        let (Some(end), Some(peer)) = (&self.end, &self.peer) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        carry(end, peer, out)?;
        carry(peer, end, back)
    }

    /// So many bytes, whether they are received or not.
    ///
    /// # Errors
    /// There is no connection.
    pub fn say(&self, bytes: usize) -> io::Result<()> {
        let end = self.end.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        Ok(net::send(end, &vec![0; bytes], SendFlags::NOSIGNAL).map(drop)?)
    }

    /// So many bytes, as far as there is room for them, and that there are no more: the last ones go out with it. The other
    /// end takes what comes.
    ///
    /// # Errors
    /// There is no connection, or it does not carry them.
    pub fn part(&self, bytes: usize) -> io::Result<()> {
        let end = self.end.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        match net::send(end, &vec![0; bytes], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(_) | Err(Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ends::finish(&self.end)?;
        Ends::wait_for_end(&self.peer)
    }

    /// One end says that it has no more to send.
    ///
    /// # Errors
    /// There is no connection.
    pub fn finish(socket: &Option<OwnedFd>) -> io::Result<()> {
        let socket = socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        Ok(net::shutdown(socket, Shutdown::Write)?)
    }

    /// Waits until the other end's last byte has come.
    ///
    /// # Errors
    /// There is no connection, or the other end goes on.
    pub fn wait_for_end(socket: &Option<OwnedFd>) -> io::Result<()> {
        let socket = socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let mut buffer = [0; 4096];
        while net::recv(socket, &mut buffer[..], RecvFlags::empty())?.1 > 0 {}
        Ok(())
    }

    /// The end that has the policy breaks the connection off.
    ///
    /// # Errors
    /// There is no connection.
    pub fn reset(&mut self) -> io::Result<()> {
        let end = self.end.take().ok_or(io::ErrorKind::NotConnected)?;
        Ok(sockopt::set_socket_linger(&end, Some(Duration::ZERO))?)
    }

    fn listener(
        &self,
        cgroup: &Path,
        addresses: &Addresses,
        local: (u128, u16),
        given: &[Given],
    ) -> io::Result<OwnedFd> {
        let listener = inside(cgroup, || self.socket(addresses, local, given))?;
        net::listen(&listener, 16)?;
        Ok(listener)
    }

    /// A socket of the present cgroup with this address.
    fn socket(&self, addresses: &Addresses, local: (u128, u16), given: &[Given]) -> io::Result<OwnedFd> {
        let socket = net::socket_with(addresses.family(), SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        for timeout in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
            sockopt::set_socket_timeout(&socket, timeout, Some(self.patience))?;
        }
        for (option, value) in given {
            set(&socket, option, value)
                .map_err(|error| io::Error::other(format!("`{}` cannot be set: {error}", option.name)))?;
        }
        let address = addresses.socket_address(local);
        net::bind(&socket, &address).map_err(|error| {
            io::Error::other(format!("{address} is no address for one end: {}", io::Error::from(error)))
        })?;
        Ok(socket)
    }

    /// The cookies of the sockets of the end that has the policy.
    pub fn cookies(&self) -> Vec<u64> {
        let sockets = [&self.listener, &self.end];
        sockets.iter().filter_map(|socket| sockopt::socket_cookie(socket.as_ref()?).ok()).collect()
    }
}

/// Sets a socket option to the value that a policy would assign.
///
/// # Errors
/// The kernel refuses.
pub fn set(socket: impl AsFd, option: &SockOption, value: &Value) -> io::Result<()> {
    let bytes = match value {
        Value::Name(name) => name.clone().into_bytes(),
        Value::Number(number) => ((number / option.unit.scale().unwrap_or(1)) as u32).to_ne_bytes().to_vec(),
        Value::Ip(_) => return Err(io::ErrorKind::InvalidInput.into()),
    };
    sys::set_option(socket, option.level, option.number, &bytes)
}

/// What marks the packets of a socket with a service class.
fn mark(addresses: &Addresses, class: u8) -> Option<Given> {
    let name = if addresses.family() == AddressFamily::INET { "tos" } else { "tclass" };
    option(name).map(|option| (option, Value::Number(class.into())))
}

fn accept(listener: &OwnedFd) -> io::Result<OwnedFd> {
    Ok(net::accept_with(listener, SocketFlags::CLOEXEC)?)
}

/// Bytes from one end to the other.
fn carry(from: &OwnedFd, to: &OwnedFd, bytes: usize) -> io::Result<()> {
    let mut left = bytes;
    let mut buffer = vec![0; bytes.min(64 << 10)];
    while left > 0 {
        let chunk = left.min(buffer.len());
        let sent = net::send(from, &buffer[..chunk], SendFlags::NOSIGNAL)?;
        let mut wanted = sent;
        while wanted > 0 {
            let (_, received) = net::recv(to, &mut buffer[..wanted], RecvFlags::empty())?;
            if received == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            wanted -= received;
        }
        left -= sent;
    }
    Ok(())
}
