//! A connection for which conditions hold: one value for each of those that were asked for, the plainest that fits.

use std::collections::BTreeMap;

use tcpc_lang::show::show_ip;
use tcpc_stdlib::builtin::draw;
use tcpc_stdlib::event::EventRole;
use tcpc_stdlib::header::SEGMENTS;
use tcpc_stdlib::kernel::{is_mapped, tcp_state};
use tcpc_stdlib::unit::Type;

use crate::formula::{Formula, LeafId, is_in};
use crate::leaf::{Kind, LOCAL, REMOTE};
use crate::ranges::Ranges;
use crate::scene::World;
use crate::solve::{Answer, Model, Solver};

/// The ends of a connection that nothing is asked of: those of a test, and two of IPv6.
const PLAIN_V4: [u128; 2] = [0xffff_c000_0201, 0xffff_c633_6401];
const PLAIN_V6: [u128; 2] = [0x2001_0db8 << 96 | 1, (0x2001_0db8 << 96) | (1 << 80) | 1];
/// Ends of other networks.
const FAR_V4: u128 = 0xffff_cb00_7101;
const FAR_V6: u128 = 0x2001_0db8 << 96 | 0xffff << 80 | 1;
/// Its ports: those of a test.
const PLAIN_PORTS: [u128; 2] = [40_000, 443];

/// Socket cookies, of which the first with a draw that fits is taken.
pub const DRAWN: std::ops::Range<u64> = 1..200_000;

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Values by their leaves, in the leaves' units. Both addresses are among them if there is a peer.
    pub values: BTreeMap<LeafId, u128>,
    /// Whether there certainly is such a connection.
    pub is_exact: bool,
}

/// A connection for which all of these hold. `None` if there is none, or none was found with so much work.
pub fn find(world: &World, solver: &mut Solver<'_>, conditions: &[Formula], most: u64) -> Option<Witness> {
    let mut fixed: Vec<Formula> = conditions.to_vec();
    let mut model = solver.solve(fixed.iter().cloned(), most).model()?;
    let is_exact = model.is_exact(&world.leaves);
    let mut values = BTreeMap::new();
    // A value that is taken can make the conditions ask for others.
    while let Some(leaf) = next(world, &model, &values) {
        for value in candidates(world, &model, leaf, values.get(&REMOTE).copied()) {
            if !world.leaves.get(leaf).domain.has(value) {
                continue;
            }
            fixed.push(is_in(leaf, Ranges::one(value)));
            if let Answer::With(narrower) = solver.solve(fixed.iter().cloned(), most) {
                model = narrower;
                values.insert(leaf, value);
                break;
            }
            fixed.pop();
        }
        // Only where the work ran out.
        values.get(&leaf)?;
    }
    let is_exact = is_exact && model.is_exact(&world.leaves);
    Some(Witness { values, is_exact })
}

/// The next value to choose: the peer's address first, which decides about the family.
fn next(world: &World, model: &Model, values: &BTreeMap<LeafId, u128>) -> Option<LeafId> {
    let ends = [REMOTE, LOCAL].into_iter().filter(|_| world.event.has_remote);
    ends.chain(model.left.keys().copied()).find(|leaf| !values.contains_key(leaf))
}

/// Values to try, the best first; the last one always fits.
fn candidates(world: &World, model: &Model, leaf: LeafId, peer: Option<u128>) -> Vec<u128> {
    let row = world.leaves.get(leaf);
    let left = model.left.get(&leaf).unwrap_or(&row.domain);
    let low = left.bounds().map_or(0, |(low, _)| low);
    let mut tried = Vec::new();
    if [LOCAL, REMOTE].contains(&leaf) {
        let at = usize::from(leaf == REMOTE);
        tried.extend([PLAIN_V4[at], PLAIN_V6[at]]);
        // A neighbour of the peer, or somebody far away.
        tried.extend(peer.filter(|_| leaf == LOCAL).map(|peer| peer ^ 3));
        tried.extend([PLAIN_V4[1 - at], FAR_V4, FAR_V6]);
        let end = model.ends.map(|ends| if leaf == LOCAL { ends.0 } else { ends.1 });
        // The first address of a network is none of a host.
        tried.extend([low.saturating_add(1), end.unwrap_or(low).saturating_add(1), end.unwrap_or(low)]);
    }
    match &row.kind {
        Kind::Field(field) if field.name == "local_port" => tried.push(PLAIN_PORTS[0]),
        Kind::Field(field) if field.name == "remote_port" => tried.push(PLAIN_PORTS[1]),
        Kind::Param(_, default) => tried.push((*default).into()),
        // Of the numbers that connections really draw.
        Kind::Draw => {
            tried.extend(DRAWN.map(|cookie| u128::from(draw(cookie))).find(|&value| left.has(value)))
        }
        Kind::Field(field) if field.name == "state" => {
            tried.extend(tcp_state("SYN_SENT").map(u128::from));
        }
        _ => {}
    }
    if row.ty != Type::Ip {
        tried.extend(round(left, row.scale.into()));
    }
    tried.retain(|&value| left.has(value));
    tried.push(low);
    tried
}

/// The roundest number that is not much above the smallest one.
fn round(left: &Ranges, scale: u128) -> Option<u128> {
    let (low, _) = left.bounds()?;
    let least = low * scale;
    let steps = (0..20).rev().map(|power| 10u128.pow(power));
    let multiples = steps.filter(|step| *step <= least).map(|step| least.div_ceil(step) * step);
    multiples
        .filter(|value| value.is_multiple_of(scale) && *value <= least + least / 4)
        .map(|value| value / scale)
        .find(|&value| left.has(value))
}

impl Witness {
    /// A value, if it was asked for.
    pub fn value(&self, leaf: LeafId) -> Option<u128> {
        self.values.get(&leaf).copied()
    }

    /// Whether the connection is of IPv4.
    pub fn is_v4(&self) -> bool {
        self.value(REMOTE).or(self.value(LOCAL)).is_none_or(is_mapped)
    }

    /// The connection in words: `192.0.2.1:40000 -> 198.51.100.1:443, srtt 11ms`.
    pub fn show(&self, world: &World) -> String {
        let port = |name: &str, plain: u128| {
            let value = world.leaves.find(name).and_then(|leaf| self.value(leaf));
            value.unwrap_or(plain)
        };
        let end = |leaf: LeafId, port: u128| {
            let plain = if leaf == LOCAL { PLAIN_V4[0] } else { PLAIN_V4[1] };
            let address = self.value(leaf).unwrap_or(plain);
            match is_mapped(address) {
                true => format!("{}:{port}", show_ip(address)),
                false => format!("[{}]:{port}", show_ip(address)),
            }
        };
        let local = end(LOCAL, port("local_port", PLAIN_PORTS[0]));
        let mut parts = vec![match world.event.has_remote {
            true => format!("{local} -> {}", end(REMOTE, port("remote_port", PLAIN_PORTS[1]))),
            false => format!("a listener on {local}"),
        }];
        parts.extend(self.settings(world));
        parts.join(", ")
    }

    /// The values that are neither addresses nor ports, in words.
    pub fn settings(&self, world: &World) -> Vec<String> {
        self.values.iter().filter_map(|(&leaf, &value)| setting(world, leaf, value)).collect()
    }
}

fn setting(world: &World, leaf: LeafId, value: u128) -> Option<String> {
    let row = world.leaves.get(leaf);
    let shown = world.leaves.show(leaf, value);
    let yes = value == 1;
    Some(match &row.kind {
        Kind::Field(field) if row.ty == Type::Ip || ["local_port", "remote_port"].contains(&field.name) => {
            return None;
        }
        Kind::Field(field) if field.name == "state" && world.event.role == EventRole::BySynSent => {
            let is_client = tcp_state("SYN_SENT").map(u128::from) == Some(value);
            format!("role {}", if is_client { "client" } else { "server" })
        }
        // There is only one that it can be.
        Kind::Field(_) if row.domain.bounds().is_some_and(|(low, high)| low == high) => return None,
        Kind::Field(field) if row.ty == Type::Bool => format!("{} {yes}", field.name),
        Kind::Field(field) => format!("{} {shown}", field.name),
        Kind::Arg(_, arg) => format!("{} {shown}", arg.name),
        Kind::Option(option) => format!("{} {shown}", option.name),
        Kind::Param(name, _) => format!("{name} {shown}"),
        Kind::Later(name) => format!("{name} {shown} by then"),
        Kind::Cell(cell) => format!("{} {shown}", cell.text),
        Kind::Role => format!("role {}", if value == 0 { "client" } else { "server" }),
        Kind::SynTos => format!("syn_tos {value}"),
        Kind::Draw => format!("drawn for a sample of {}", percent(value)),
        Kind::Arm(name) => format!("{} into `{name}`", percent(value)),
        Kind::Segment => match SEGMENTS.get(value as usize) {
            Some(segment) => format!("segment {}", segment.name),
            None => "no segment".to_owned(),
        },
        Kind::Received(name) => format!("{} `{name}`", if yes { "received" } else { "without" }),
        Kind::HeaderField(header, field) => format!("{header}.{field} {value}"),
        Kind::Kernel(feature) => {
            format!("a kernel {} {}", if yes { "with" } else { "without" }, feature.written())
        }
        Kind::Member(member) => {
            format!("{} `{}` is in `{}`", if yes { "if" } else { "unless" }, member.text, member.set)
        }
        Kind::Other(text) if text.starts_with("whether ") => {
            format!("{} {}", if yes { "if" } else { "unless" }, text.trim_start_matches("whether "))
        }
        Kind::Other(text) if text.starts_with("how ") => {
            let word = ["less", "equal", "greater"].get(value as usize).unwrap_or(&"");
            format!("{} as {word}", text.trim_start_matches("how "))
        }
        Kind::Other(text) => format!("{text} {shown}"),
    })
}

fn percent(draw: u128) -> String {
    tcpc_lang::show::show(Type::Percent, draw as u64)
}
