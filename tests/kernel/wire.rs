//! TCP segments in Ethernet frames: reading them, and making them.

use std::net::IpAddr;
use std::time::Duration;

use tcpc_stdlib::header::EXPERIMENTAL;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;
pub const ECE: u8 = 0x40;
pub const CWR: u8 = 0x80;

/// Kinds of TCP options.
pub const OPTION_MSS: u8 = 2;
pub const OPTION_WINDOW_SCALE: u8 = 3;
pub const OPTION_SACK_PERMITTED: u8 = 4;
pub const OPTION_SACK: u8 = 5;
/// The padding.
const NOP: u8 = 1;

const ETHERNET: usize = 14;
const TCP: u8 = 6;

/// A TCP segment as it went over the wire.
#[derive(Clone, Debug)]
pub struct Segment {
    /// When the kernel saw it, since 1970.
    pub time: Duration,
    /// The hardware address it is sent to.
    pub target: [u8; 6],
    pub source: IpAddr,
    pub source_port: u16,
    pub destination_port: u16,
    pub sequence: u32,
    pub flags: u8,
    /// As in the header, not scaled.
    pub window: u16,
    /// Type of service or traffic class.
    pub tos: u8,
    /// Flow label; 0 with IPv4.
    pub label: u32,
    /// Options after the fixed header.
    pub options: Vec<u8>,
    /// Bytes of data.
    pub payload: usize,
}

impl Segment {
    /// Whether all of these flags are set.
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// Every option, its kind and length included; what makes no sense ends them.
    pub fn all_options(&self) -> Vec<&[u8]> {
        let mut rest = self.options.as_slice();
        let mut found = Vec::new();
        loop {
            match *rest {
                [NOP, ref tail @ ..] => rest = tail,
                [kind, length, ..] if kind != 0 && (2..=rest.len()).contains(&length.into()) => {
                    let (option, tail) = rest.split_at(length.into());
                    found.push(option);
                    rest = tail;
                }
                _ => return found,
            }
        }
    }

    /// The data of the first option of a kind.
    pub fn option(&self, kind: u8) -> Option<&[u8]> {
        self.all_options().into_iter().find(|option| option[0] == kind).map(|option| &option[2..])
    }

    /// The data of an experiment, after its identifier.
    pub fn experiment(&self, exid: u16) -> Option<&[u8]> {
        let [high, low] = exid.to_be_bytes();
        let mine = |option: &&[u8]| option[0] == EXPERIMENTAL && option[2..].starts_with(&[high, low]);
        self.all_options().into_iter().find(mine).map(|option| &option[4..])
    }

    /// How far the windows of this end's later segments are shifted.
    pub fn window_scale(&self) -> u8 {
        self.option(OPTION_WINDOW_SCALE).map_or(0, |data| data[0])
    }
}

/// The TCP segment in a frame, if there is one.
pub fn parse(frame: &[u8], time: Duration) -> Option<Segment> {
    let at16 = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let at32 = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    let byte = |at: usize| frame.get(at).copied();
    let (source, tos, label, header, end) = match at16(12)? {
        0x0800 if byte(ETHERNET + 9)? == TCP => {
            let header = usize::from(byte(ETHERNET)? & 15) * 4;
            let address: [u8; 4] = frame.get(ETHERNET + 12..ETHERNET + 16)?.try_into().ok()?;
            (IpAddr::from(address), byte(ETHERNET + 1)?, 0, header, usize::from(at16(ETHERNET + 2)?))
        }
        0x86dd if byte(ETHERNET + 6)? == TCP => {
            let address: [u8; 16] = frame.get(ETHERNET + 8..ETHERNET + 24)?.try_into().ok()?;
            let tos = (at16(ETHERNET)? >> 4) as u8;
            (
                IpAddr::from(address),
                tos,
                at32(ETHERNET)? & 0xf_ffff,
                40,
                40 + usize::from(at16(ETHERNET + 4)?),
            )
        }
        _ => return None,
    };
    let tcp = ETHERNET + header;
    let data = tcp + usize::from(byte(tcp + 12)? >> 4) * 4;
    Some(Segment {
        time,
        target: frame.get(..6)?.try_into().ok()?,
        source,
        source_port: at16(tcp)?,
        destination_port: at16(tcp + 2)?,
        sequence: at32(tcp + 4)?,
        flags: byte(tcp + 13)?,
        window: at16(tcp + 14)?,
        tos,
        label,
        options: frame.get(tcp + 20..data)?.to_vec(),
        payload: (ETHERNET + end).checked_sub(data)?,
    })
}

/// The flow label that is made of a transmit hash: rotated by 16 bits, its bytes as they lie in memory
/// (`ip6_make_flowlabel` of `include/net/ipv6.h`).
pub fn flow_label(hash: u32) -> u32 {
    u32::from_be_bytes(hash.rotate_left(16).to_ne_bytes()) & 0xf_ffff
}

/// What a segment that is made by hand consists of.
pub struct Outgoing<'a> {
    pub macs: ([u8; 6], [u8; 6]),
    pub source: (IpAddr, u16),
    pub destination: (IpAddr, u16),
    pub sequence: u32,
    pub acknowledged: u32,
    pub flags: u8,
    pub tos: u8,
    pub options: &'a [u8],
    pub payload: &'a [u8],
}

/// The frame of a segment; its window is the largest there is.
pub fn build(segment: &Outgoing<'_>) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(segment.source.1.to_be_bytes());
    tcp.extend(segment.destination.1.to_be_bytes());
    tcp.extend(segment.sequence.to_be_bytes());
    tcp.extend(segment.acknowledged.to_be_bytes());
    let padded = segment.options.len().next_multiple_of(4);
    tcp.extend([((20 + padded) << 2) as u8, segment.flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend(segment.options);
    tcp.resize(20 + padded, 1);
    tcp.extend(segment.payload);
    let length = tcp.len() as u16;

    let (mut ip, kind, pseudo) = match (segment.source.0, segment.destination.0) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let mut ip = vec![0x45, segment.tos];
            ip.extend((20 + length).to_be_bytes());
            ip.extend([0, 0, 0x40, 0, 64, TCP, 0, 0]);
            ip.extend(source.octets());
            ip.extend(destination.octets());
            let sum = checksum(&ip).to_be_bytes();
            ip[10..12].copy_from_slice(&sum);
            let pseudo = [&ip[12..20], &[0, TCP], &length.to_be_bytes()].concat();
            (ip, 0x0800u16, pseudo)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let mut ip = (6 << 28 | u32::from(segment.tos) << 20).to_be_bytes().to_vec();
            ip.extend(length.to_be_bytes());
            ip.extend([TCP, 64]);
            ip.extend(source.octets());
            ip.extend(destination.octets());
            let pseudo = [&ip[8..40], &u32::from(length).to_be_bytes(), &[0, 0, 0, TCP]].concat();
            (ip, 0x86dd, pseudo)
        }
        _ => panic!("two families in one segment"),
    };
    let sum = checksum(&[pseudo, tcp.clone()].concat()).to_be_bytes();
    tcp[16..18].copy_from_slice(&sum);
    let mut frame = [segment.macs.0, segment.macs.1].concat();
    frame.extend(kind.to_be_bytes());
    frame.append(&mut ip);
    frame.append(&mut tcp);
    frame
}

/// The Internet checksum.
fn checksum(data: &[u8]) -> u16 {
    let mut total: u32 = data
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while total >> 16 != 0 {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}
