//! What can be observed of TCP connections: each probe makes one kind of connection happen in a lab and
//! returns plain facts.

use std::io::{ErrorKind, Read, Write};
use std::mem::offset_of;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::lab::{Lab, PORT, Pair, Side};
use super::peer::{BlackHole, RawPeer, Tap};
use super::sys;
use super::wire::*;

/// A port of the raw client.
const RAW_CLIENT_PORT: u16 = 41_000;
/// A send buffer that holds more than any window.
const HUGE: i32 = 16 << 20;
/// The longest wait for something that should come at once.
pub const SOON: Duration = Duration::from_secs(3);

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

impl Role {
    pub const BOTH: [Role; 2] = [Role::Client, Role::Server];
}

/// When the client sends its SYNs to a server that is not there: milliseconds after the first.
pub fn syn_times(lab: &Lab, pair: Pair, within: Duration) -> Vec<u64> {
    let tap = Tap::open(&lab.server, PORT);
    let _hole = BlackHole::new(lab, &lab.client, pair);
    let address = lab.server.socket_address(pair);
    let refused = lab.client.inside(|| TcpStream::connect_timeout(&address, within));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::TimedOut);
    let segments = tap.drain(Duration::from_millis(20));
    since_first(segments.iter().filter(|one| one.has(SYN)))
}

/// When the server sends its SYN-ACKs to a client that does not answer: milliseconds after the first.
pub fn synack_times(lab: &Lab, pair: Pair, within: Duration) -> Vec<u64> {
    let _listener = listen(lab, pair);
    let mut peer = RawPeer::client(lab, pair, RAW_CLIENT_PORT);
    peer.syn(0);
    let end = Instant::now() + within;
    let mut seen = Vec::new();
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        seen.extend(peer.receive(left, |one| one.has(SYN | ACK)));
    }
    since_first(seen.iter())
}

fn since_first<'a>(segments: impl Iterator<Item = &'a Segment>) -> Vec<u64> {
    let times: Vec<Duration> = segments.map(|one| one.time).collect();
    times.iter().map(|time| time.saturating_sub(times[0]).as_millis() as u64).collect()
}

/// A connection between two real ends, and its segments so far.
pub struct Connection {
    pub client: TcpStream,
    pub server: TcpStream,
    pub segments: Vec<Segment>,
}

impl Connection {
    /// The socket of one end.
    pub fn end(&self, role: Role) -> &TcpStream {
        match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
        }
    }

    /// The SYN, or with `ACK` the SYN-ACK.
    pub fn opening(&self, more: u8) -> &Segment {
        self.segments.iter().find(|one| one.flags & (SYN | ACK) == SYN | more).expect("no SYN was seen")
    }
}

/// Connects the two sides and says a few words both ways.
pub fn connect(lab: &Lab, pair: Pair) -> Connection {
    connect_watched(lab, pair, &Tap::open(&lab.server, PORT))
}

/// The same, seen by a tap that is there already.
pub fn connect_watched(lab: &Lab, pair: Pair, tap: &Tap) -> Connection {
    let listener = listen(lab, pair);
    let client = dial(&lab.client, lab, pair);
    let (server, _) = listener.accept().unwrap();
    for (mut from, mut to) in [(&client, &server), (&server, &client)] {
        from.write_all(b"hello").unwrap();
        to.set_read_timeout(Some(SOON)).unwrap();
        to.read_exact(&mut [0; 5]).unwrap();
    }
    Connection { client, server, segments: tap.drain(Duration::from_millis(20)) }
}

impl Connection {
    /// Closes both ends, the client first; every segment of the connection.
    pub fn close(self, tap: &Tap) -> Vec<Segment> {
        let Connection { client, mut server, mut segments } = self;
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
        drop((client, server));
        segments.extend(tap.drain(Duration::from_millis(20)));
        segments
    }
}

/// A listening socket of the server.
pub fn listen(lab: &Lab, pair: Pair) -> TcpListener {
    lab.server.inside(|| TcpListener::bind(lab.server.socket_address(pair))).unwrap()
}

/// A connection of the client to the server's port.
pub fn dial(client: &Side, lab: &Lab, pair: Pair) -> TcpStream {
    client.inside(|| TcpStream::connect_timeout(&lab.server.socket_address(pair), SOON)).unwrap()
}

/// The windows in bytes that a real end offers.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// In its SYN or SYN-ACK, which are never scaled.
    pub opening: u32,
    /// Once data can flow: in its ACK of the SYN-ACK, or of the first data.
    pub first: u32,
}

/// The windows that an end begins with.
pub fn windows(lab: &Lab, pair: Pair, role: Role) -> Windows {
    with_raw_peer(lab, pair, role, |_real, peer, opening| {
        peer.send(PSH | ACK, b"hello", &[]);
        let wanted = |one: &Segment| !one.has(SYN) && one.has(ACK);
        let first = match role {
            Role::Client => opening.1,
            Role::Server => peer.receive(SOON, wanted),
        };
        let first = first.expect("the data was not acknowledged");
        Windows { opening: u32::from(opening.0.window), first: u32::from(first.window) << peer.scale }
    })
}

/// Segments that an end with much to send puts on the wire before anything is acknowledged.
pub fn initial_burst(lab: &Lab, pair: Pair, role: Role) -> u32 {
    initial_burst_answering(lab, pair, role, &[])
}

/// The same, of an end whose peer sends these options.
pub fn initial_burst_answering(lab: &Lab, pair: Pair, role: Role, options: &[u8]) -> u32 {
    with_raw_peer_sending(lab, pair, role, options, |real, peer, _| {
        fill(real);
        peer.flight(Duration::from_millis(60), Duration::from_secs(1)).div_ceil(u32::from(RawPeer::MSS))
    })
}

/// The most segments that are on the way at once while everything is acknowledged.
pub fn largest_flight(lab: &Lab, pair: Pair, role: Role) -> u32 {
    with_raw_peer(lab, pair, role, |real, peer, _| {
        let mut largest = 0;
        for _ in 0..12 {
            fill(real);
            let bytes = peer.flight(Duration::from_millis(8), Duration::from_millis(150));
            largest = largest.max(bytes.div_ceil(u32::from(RawPeer::MSS)));
            peer.acknowledged = peer.acknowledged.wrapping_add(bytes);
            peer.send(ACK, &[], &[]);
        }
        largest
    })
}

/// The type of service of the server's data when the SYN came with this one.
pub fn answered_tos(lab: &Lab, pair: Pair, tos: u8) -> u8 {
    let listener = listen(lab, pair);
    let mut peer = RawPeer::client(lab, pair, RAW_CLIENT_PORT);
    peer.tos = tos;
    peer.connect();
    let (mut real, _) = listener.accept().unwrap();
    real.write_all(b"hello").unwrap();
    peer.receive(SOON, |one| one.payload > 0).expect("no data came").tos
}

/// A real end in this role, connected to a raw peer; `act` gets its opening segment too (the SYN or SYN-ACK), and
/// the client's ACK.
pub fn with_raw_peer<T>(
    lab: &Lab,
    pair: Pair,
    role: Role,
    act: impl FnOnce(&TcpStream, &mut RawPeer<'_>, (Segment, Option<Segment>)) -> T,
) -> T {
    with_raw_peer_sending(lab, pair, role, &[], act)
}

/// The same with a peer whose segments all carry these options.
pub fn with_raw_peer_sending<T>(
    lab: &Lab,
    pair: Pair,
    role: Role,
    options: &[u8],
    act: impl FnOnce(&TcpStream, &mut RawPeer<'_>, (Segment, Option<Segment>)) -> T,
) -> T {
    match role {
        Role::Client => {
            let mut peer = RawPeer::server(lab, pair);
            peer.extra = options.to_vec();
            let (real, (syn, ack)) = std::thread::scope(|scope| {
                let accepting = scope.spawn(|| peer.accept());
                let real = dial(&lab.client, lab, pair);
                (real, accepting.join().unwrap())
            });
            act(&real, &mut peer, (syn, Some(ack)))
        }
        Role::Server => {
            let listener = listen(lab, pair);
            let mut peer = RawPeer::client(lab, pair, RAW_CLIENT_PORT);
            peer.extra = options.to_vec();
            let opening = peer.connect();
            let (real, _) = listener.accept().unwrap();
            act(&real, &mut peer, (opening, None))
        }
    }
}

/// Writes as much as the socket takes.
pub fn fill(mut real: &TcpStream) {
    sys::set_socket_option(real, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, HUGE).unwrap();
    real.set_nonblocking(true).unwrap();
    let chunk = vec![0; 1 << 20];
    for _ in 0..8 {
        match real.write(&chunk) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            other => other.unwrap(),
        };
    }
}

/// A socket's option that is a number.
pub fn number(socket: impl AsFd, level: i32, option: i32) -> u32 {
    let mut value = [0; 4];
    assert_eq!(sys::socket_option(socket, level, option, &mut value).unwrap(), 4);
    u32::from_ne_bytes(value)
}

/// Sizes of a socket's buffers as it tells them: send, receive.
pub fn buffers(socket: &TcpStream) -> (u32, u32) {
    (number(socket, libc::SOL_SOCKET, libc::SO_SNDBUF), number(socket, libc::SOL_SOCKET, libc::SO_RCVBUF))
}

/// The congestion control that a socket uses.
pub fn congestion(socket: &TcpStream) -> String {
    let mut name = [0; 16];
    sys::socket_option(socket, libc::IPPROTO_TCP, libc::TCP_CONGESTION, &mut name).unwrap();
    String::from_utf8(name.into_iter().take_while(|byte| *byte != 0).collect()).unwrap()
}

/// The congestion window of a socket, in segments.
pub fn congestion_window(socket: &TcpStream) -> u32 {
    info_number(socket, offset_of!(libc::tcp_info, tcpi_snd_cwnd))
}

/// Whether ECN was agreed on.
pub fn has_ecn(socket: &TcpStream) -> bool {
    // `TCPI_OPT_ECN` of `include/uapi/linux/tcp.h`.
    tcp_info(socket)[offset_of!(libc::tcp_info, tcpi_options)] & 8 != 0
}

/// A 32-bit number of a socket's `tcp_info`.
pub fn info_number(socket: &TcpStream, offset: usize) -> u32 {
    u32::from_ne_bytes(tcp_info(socket)[offset..offset + 4].try_into().unwrap())
}

/// All that a socket tells of itself: `struct tcp_info` as long as this kernel knows it.
pub fn tcp_info(socket: &TcpStream) -> Vec<u8> {
    let mut info = vec![0; 512];
    let length = sys::socket_option(socket, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info).unwrap();
    assert!(length >= size_of::<libc::tcp_info>());
    info.truncate(length);
    info
}
