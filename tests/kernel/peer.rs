//! A tap on the wire, and a TCP end that is made of single segments.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::lab::{DEVICE, Lab, PORT, Pair, Side};
use super::sys::PacketSocket;
use super::wire::*;

/// A hardware address that no kernel answers to.
const NOBODY: [u8; 6] = [2, 0, 0x5e, 0, 0, 0xdd];
/// The hardware address of the raw peer.
const RAW: [u8; 6] = [2, 0, 0x5e, 0, 0, 0xfe];

/// Every TCP segment of one port on a side's device.
pub struct Tap {
    socket: PacketSocket,
    port: u16,
}

impl Tap {
    pub fn open(side: &Side, port: u16) -> Tap {
        Tap { socket: side.network(|| PacketSocket::open(DEVICE)).unwrap(), port }
    }

    /// The next segment, or `None` at the deadline.
    pub fn next(&self, deadline: Instant) -> Option<Segment> {
        loop {
            let frame = self.socket.receive(deadline).unwrap()?;
            let segment = parse(&frame.bytes, frame.time);
            let ours = segment.filter(|one| [one.source_port, one.destination_port].contains(&self.port));
            if ours.is_some() {
                return ours;
            }
        }
    }

    /// Segments that have been seen, and those to come until it has been quiet for a while.
    pub fn drain(&self, quiet: Duration) -> Vec<Segment> {
        std::iter::from_fn(|| self.next(Instant::now() + quiet)).collect()
    }
}

/// While it lives, a side's frames for its peer cross the wire, but nobody takes them.
pub struct BlackHole<'a> {
    side: &'a Side,
    address: IpAddr,
    mac: [u8; 6],
}

impl<'a> BlackHole<'a> {
    pub fn new(lab: &'a Lab, side: &'a Side, pair: Pair) -> BlackHole<'a> {
        let peer = lab.peer(side);
        let address = peer.address(pair);
        side.neighbour(address, NOBODY);
        BlackHole { side, address, mac: peer.mac }
    }
}

impl Drop for BlackHole<'_> {
    fn drop(&mut self) {
        self.side.neighbour(self.address, self.mac);
    }
}

/// A TCP end made by hand, in the place of one side's kernel.
///
/// It has a hardware address of its own, so that side's kernel takes neither part nor offence. The other
/// side's kernel is the TCP under observation.
pub struct RawPeer<'a> {
    tap: Tap,
    real: &'a Side,
    side: &'a Side,
    pair: Pair,
    port: u16,
    remote_port: u16,
    sequence: u32,
    /// Up to where the real end's data is acknowledged by the next segment.
    pub acknowledged: u32,
    /// Shift of the real end's windows.
    pub scale: u8,
    /// Type of service of what is sent.
    pub tos: u8,
    /// Flags of its SYN beside that one.
    pub opening_flags: u8,
    /// Options of its SYN or SYN-ACK beside the usual ones.
    pub opening_options: Vec<u8>,
    /// Options that every segment carries after its own; the padding follows them.
    pub extra: Vec<u8>,
    /// How long a SYN is left without an answer.
    pub pause: Duration,
}

impl<'a> RawPeer<'a> {
    /// The MSS that it announces: as much as fits with either family.
    pub const MSS: u16 = 1440;

    /// Takes the place of the client; the real end is the server.
    pub fn client(lab: &'a Lab, pair: Pair, port: u16) -> RawPeer<'a> {
        RawPeer::new(&lab.client, &lab.server, pair, port)
    }

    /// Takes the place of the server; the real end is the client.
    pub fn server(lab: &'a Lab, pair: Pair) -> RawPeer<'a> {
        RawPeer::new(&lab.server, &lab.client, pair, PORT)
    }

    fn new(side: &'a Side, real: &'a Side, pair: Pair, port: u16) -> RawPeer<'a> {
        real.neighbour(side.address(pair), RAW);
        RawPeer {
            tap: Tap::open(side, port),
            real,
            side,
            pair,
            port,
            remote_port: PORT,
            sequence: 1_000_000,
            acknowledged: 0,
            scale: 0,
            tos: 0,
            opening_flags: 0,
            opening_options: Vec::new(),
            extra: Vec::new(),
            pause: Duration::ZERO,
        }
    }

    /// The next segment of the real end that is wanted, or `None` in time.
    pub fn receive(&self, within: Duration, want: impl Fn(&Segment) -> bool) -> Option<Segment> {
        let deadline = Instant::now() + within;
        loop {
            let segment = self.tap.next(deadline)?;
            let theirs = segment.target == RAW && segment.source == self.real.address(self.pair);
            if theirs && want(&segment) {
                return Some(segment);
            }
        }
    }

    /// Sends one segment and moves on by what it takes of the sequence.
    pub fn send(&mut self, flags: u8, payload: &[u8], options: &[u8]) {
        let frame = build(&Outgoing {
            macs: (self.real.mac, RAW),
            source: (self.side.address(self.pair), self.port),
            destination: (self.real.address(self.pair), self.remote_port),
            sequence: self.sequence,
            acknowledged: if flags & ACK != 0 { self.acknowledged } else { 0 },
            flags,
            tos: self.tos,
            options: &[options, &self.extra].concat(),
            payload,
        });
        self.tap.socket.send(&frame).unwrap();
        let control = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        self.sequence = self.sequence.wrapping_add(payload.len() as u32 + control);
    }

    fn opening(&mut self, flags: u8) {
        let [high, low] = RawPeer::MSS.to_be_bytes();
        let mut options = vec![OPTION_MSS, 4, high, low, OPTION_WINDOW_SCALE, 3, 10];
        options.extend(&self.opening_options);
        self.send(flags, &[], &options);
    }

    fn learn(&mut self, opening: &Segment) {
        self.scale = opening.window_scale();
        self.acknowledged = opening.sequence.wrapping_add(1);
    }

    /// Sends a SYN.
    pub fn syn(&mut self, more: u8) {
        self.opening(SYN | more);
    }

    /// Connects to the real end; its SYN-ACK.
    pub fn connect(&mut self) -> Segment {
        self.syn(self.opening_flags);
        let answer = self.receive(Duration::from_secs(3), |one| one.has(SYN | ACK)).expect("no SYN-ACK came");
        self.learn(&answer);
        self.send(ACK, &[], &[]);
        answer
    }

    /// Is connected to by the real end; its SYN and its ACK.
    pub fn accept(&mut self) -> (Segment, Segment) {
        let syn = self.receive(Duration::from_secs(3), |one| one.has(SYN)).expect("no SYN came");
        self.remote_port = syn.source_port;
        self.learn(&syn);
        std::thread::sleep(self.pause);
        self.opening(SYN | ACK);
        let ack = self.receive(Duration::from_secs(3), |one| !one.has(SYN) && one.has(ACK));
        (syn, ack.expect("the SYN-ACK was not acknowledged"))
    }

    /// Bytes of new data from the real end until it has been quiet for a while; none is acknowledged.
    pub fn flight(&self, quiet: Duration, longest: Duration) -> u32 {
        let mut edge = self.acknowledged;
        let limit = Instant::now() + longest;
        while Instant::now() < limit {
            let Some(segment) = self.receive(quiet, |one| one.payload > 0) else { break };
            let end = segment.sequence.wrapping_add(segment.payload as u32);
            if end.wrapping_sub(edge) < 1 << 31 {
                edge = end;
            }
        }
        edge.wrapping_sub(self.acknowledged)
    }
}

impl Drop for RawPeer<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.send(RST | ACK, &[], &[]);
        }
        self.real.neighbour(self.side.address(self.pair), self.side.mac);
    }
}
