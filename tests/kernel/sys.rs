//! System calls for the lab that the standard library lacks: the only `unsafe` of these tests.
//!
//! Contract: the kernel gets pointers only to live local values, with their sizes; descriptors that it
//! makes are owned at once.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// -1 is an error, whose number is in `errno`.
fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// Moves this thread to a network namespace.
pub fn enter_namespace(namespace: impl AsFd) -> io::Result<()> {
    // SAFETY: plain numbers.
    let result = unsafe { libc::setns(namespace.as_fd().as_raw_fd(), libc::CLONE_NEWNET) };
    check(result as isize).map(drop)
}

/// Reads a socket option into `value`; returns how many bytes there are.
pub fn socket_option(socket: impl AsFd, level: i32, option: i32, value: &mut [u8]) -> io::Result<usize> {
    let mut length = value.len() as libc::socklen_t;
    // SAFETY: `value` and `length` are live, and `length` is the size of `value`.
    let result = unsafe {
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, option, value.as_mut_ptr().cast(), &mut length)
    };
    check(result as isize).map(|_| length as usize)
}

/// Sets a socket option that is a number.
pub fn set_socket_option(socket: impl AsFd, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: `value` is live, and its size is passed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(&value).cast(),
            mem::size_of::<i32>() as libc::socklen_t,
        )
    };
    check(result as isize).map(drop)
}

/// A socket that has begun to connect to an IPv4 address, and does not wait for an answer.
pub fn begin_connecting(address: std::net::SocketAddrV4) -> io::Result<std::net::TcpStream> {
    // SAFETY: plain numbers.
    let made = unsafe {
        libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0)
    };
    check(made as isize)?;
    // SAFETY: the descriptor was just made, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(made) };
    let peer = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
        sin_zero: [0; 8],
    };
    // SAFETY: `peer` is live, and its size is passed.
    let result = unsafe {
        libc::connect(
            socket.as_raw_fd(),
            std::ptr::from_ref(&peer).cast(),
            mem::size_of_val(&peer) as libc::socklen_t,
        )
    };
    match check(result as isize) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// A socket is closed by a reset, so that nothing of it stays.
pub fn reset_on_close(socket: impl AsFd) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: `linger` is live, and its size is passed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            std::ptr::from_ref(&linger).cast(),
            mem::size_of_val(&linger) as libc::socklen_t,
        )
    };
    check(result as isize).map(drop)
}

/// Waits until there is something to read; whether there is.
pub fn wait_readable(socket: impl AsFd, deadline: Instant) -> io::Result<bool> {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut poll = libc::pollfd { fd: socket.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one live `pollfd`.
    let ready = unsafe { libc::poll(&mut poll, 1, left.as_millis().min(60_000) as i32) };
    check(ready as isize).map(|ready| ready > 0)
}

/// A frame that passed a device.
pub struct Frame {
    /// From the Ethernet header on.
    pub bytes: Vec<u8>,
    /// When, by the kernel's clock (since 1970).
    pub time: Duration,
}

/// A socket that sees every frame of one device, both ways.
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// Listens on a device of the present network namespace.
    pub fn open(device: &str) -> io::Result<PacketSocket> {
        let all = (libc::ETH_P_ALL as u16).to_be();
        let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: plain numbers; the descriptor is new and ours.
        let socket = unsafe {
            let fd = libc::socket(libc::AF_PACKET, kind, i32::from(all));
            check(fd as isize)?;
            OwnedFd::from_raw_fd(fd)
        };
        let name = CString::new(device)?;
        // SAFETY: `name` ends in NUL.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: all-zero bytes are a valid `sockaddr_ll`, which is plain numbers.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = all;
        address.sll_ifindex = index as i32;
        // SAFETY: `address` is live, and its size is passed.
        let result = unsafe {
            libc::bind(
                socket.as_raw_fd(),
                std::ptr::from_ref(&address).cast(),
                mem::size_of_val(&address) as libc::socklen_t,
            )
        };
        check(result as isize)?;
        set_socket_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, 1 << 25)?;
        set_socket_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        Ok(PacketSocket(socket))
    }

    /// The next frame, or `None` at the deadline.
    pub fn receive(&self, deadline: Instant) -> io::Result<Option<Frame>> {
        loop {
            match self.receive_now() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !wait_readable(&self.0, deadline)? {
                        return Ok(None);
                    }
                }
                other => return other.map(Some),
            }
        }
    }

    fn receive_now(&self) -> io::Result<Frame> {
        let mut bytes = vec![0u8; 1 << 17];
        let mut control = [0u64; 16];
        let mut vector = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
        // SAFETY: all-zero bytes are a valid `msghdr`.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_iov = &mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = mem::size_of_val(&control);
        // SAFETY: all buffers that `message` names are live and as long as it says.
        let length = check(unsafe { libc::recvmsg(self.0.as_raw_fd(), &mut message, 0) })?;
        bytes.truncate(length);
        let mut time = Duration::ZERO;
        // SAFETY: the kernel filled `control` and set its length; CMSG_* walk within it, and a
        // message of this kind holds one `timespec`.
        unsafe {
            let mut header = libc::CMSG_FIRSTHDR(&message);
            while let Some(head) = header.as_ref() {
                if (head.cmsg_level, head.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
                    let stamp: libc::timespec =
                        libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned();
                    time = Duration::new(stamp.tv_sec as u64, stamp.tv_nsec as u32);
                }
                header = libc::CMSG_NXTHDR(&message, header);
            }
        }
        Ok(Frame { bytes, time })
    }

    /// Sends a frame as it is.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        // SAFETY: `frame` is live, and its length is passed.
        check(unsafe { libc::send(self.0.as_raw_fd(), frame.as_ptr().cast(), frame.len(), 0) }).map(drop)
    }
}
