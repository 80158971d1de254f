//! Values that are read: what each can be in the event, and what follows from the kind of socket.

use tcpc_lang::hir::{Expr, ExprKind, Row, Value};
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::{EventRole, Sock, full_socket_state};
use tcpc_stdlib::field::{Availability, Field};
use tcpc_stdlib::kernel::{AF_INET, AF_INET6, TCP_STATES, tcp_state};
use tcpc_stdlib::unit::Type;

use super::{Scene, World, catalogued, topic};
use crate::formula::{Formula, LeafId, any, constant, not};
use crate::leaf::{CellOf, KeyPart, Kind, LOCAL, Leaf, mapped};
use crate::ranges::Ranges;

impl<'p> Scene<'p> {
    /// The value that an expression reads; `None` if it does more than to read one.
    pub(super) fn leaf(&mut self, world: &mut World, expr: &'p Expr) -> Option<LeafId> {
        match &expr.kind {
            ExprKind::Field(field) => Some(self.field(world, field)),
            ExprKind::Arg(index, arg) => {
                let (scale, domain) = match arg.unit.scale() {
                    Some(scale) => (scale, of_type(arg.ty, 4)),
                    // How long a tick is, only the kernel knows.
                    None => (1, Ranges::span(0, u64::MAX.into())),
                };
                let row = Leaf { kind: Kind::Arg(*index, arg), domain, scale, ty: arg.ty, is_free: true };
                Some(world.leaves.add(format!("arg {}", arg.name), row))
            }
            ExprKind::Option(option) => {
                let time = self.epoch.of(&topic::read_with(option));
                let key = format!("option {} {time}", option.name);
                let known = world.leaves.find(&key).is_some();
                let scale = option.unit.scale().unwrap_or(1);
                let widest = if option.unit.scale().is_some() { u32::MAX.into() } else { u64::MAX.into() };
                let domain = Ranges::span(0, widest);
                let row = Leaf { kind: Kind::Option(option), domain, scale, ty: option.ty, is_free: true };
                let leaf = world.leaves.add(key, row);
                if !known && world.event.sock == Sock::FullOrRequest {
                    self.zero_on_request(world, leaf);
                }
                Some(leaf)
            }
            ExprKind::Param(id, range) => {
                let param = self.program.params.get(id.index())?;
                let (low, high) = self.fixed.get(&param.name).map_or(*range, |&value| (value, value));
                let domain = Ranges::span(low.into(), high.into());
                let kind = Kind::Param(param.name.clone(), param.default);
                let row = Leaf { kind, domain, scale: 1, ty: param.ty, is_free: true };
                let key = match self.fixed.contains_key(&param.name) {
                    true => format!("param {} {low}", param.name),
                    false => format!("param {}", param.name),
                };
                Some(world.leaves.add(key, row))
            }
            ExprKind::HeaderField(id, index) => {
                let header = self.program.headers.get(id.index())?;
                let field = header.fields.get(usize::from(*index))?;
                let key = format!("header {} {}", header.name, field.name);
                let known = world.leaves.find(&key).is_some();
                let kind = Kind::HeaderField(header.name.clone(), field.name.clone());
                let leaf = self.word(world, &key, kind, field.bits.into(), true);
                if !known {
                    let absent = not(&self.received(world, id.index()));
                    let present = not(&absent);
                    let zero = world.within(leaf, &Ranges::one(0));
                    world.facts.push(any([present, zero]));
                }
                Some(leaf)
            }
            ExprKind::Cell(row, cell) => self.cell(world, self.text(expr), row, *cell),
            ExprKind::Call(BuiltinId::SynTos, _) => Some(self.word(world, "syn_tos", Kind::SynTos, 8, true)),
            ExprKind::Call(BuiltinId::Random, _) => Some(self.drawn(world, "random", 32)),
            ExprKind::Call(BuiltinId::Now, _) => Some(self.drawn(world, "now", 64)),
            _ => None,
        }
    }

    /// A number of so many bits.
    pub(super) fn word(
        &mut self,
        world: &mut World,
        key: &str,
        kind: Kind,
        bits: u32,
        is_free: bool,
    ) -> LeafId {
        let domain = Ranges::span(0, (1u128 << bits.min(64)) - 1);
        world.leaves.add(key.to_owned(), Leaf { kind, domain, scale: 1, ty: Type::Int, is_free })
    }

    /// A number that is another one each time.
    pub(super) fn drawn(&mut self, world: &mut World, name: &str, bits: u32) -> LeafId {
        self.draws += 1;
        let key = format!("{name} {}", self.draws);
        self.word(world, &key, Kind::Other(format!("`{name}`")), bits, false)
    }

    fn field(&mut self, world: &mut World, field: &'static Field) -> LeafId {
        // While the state changes, the field still is the old one.
        if field.name == "state"
            && let Some(index) = world.event.args.iter().position(|arg| arg.name == "old_state")
            && let Some(arg) = world.event.args.get(index)
        {
            let kind = Kind::Arg(index as u8, arg);
            let domain = of_type(arg.ty, 4);
            let row = Leaf { kind, domain, scale: 1, ty: arg.ty, is_free: true };
            return world.leaves.add(format!("arg {}", arg.name), row);
        }
        let time = topic::of_field(field).map_or(0, |topic| self.epoch.of(&topic));
        let key = if field.stable { field.name.to_owned() } else { format!("{} {time}", field.name) };
        if let Some(known) = world.leaves.find(&key) {
            return known;
        }
        let available = field.availability(world.event);
        let domain = match field.name {
            "state" => states(world),
            "is_fullsock" if world.event.sock != Sock::FullOrRequest => {
                Ranges::one(u128::from(world.event.sock != Sock::None))
            }
            _ if available == Availability::Zero => Ranges::one(0),
            _ => of_type(field.ty, field.size),
        };
        let scale = field.unit.scale().unwrap_or(1);
        let (kind, is_free) = at(time, field.name, Kind::Field(field));
        let row = Leaf { kind, domain, scale, ty: field.ty, is_free };
        let leaf = world.leaves.add(key, row);
        if available == Availability::ClientOnly {
            self.zero_on_request(world, leaf);
        }
        if field.ty == Type::Family {
            // Of a listener it is the socket's: one of IPv4 has an IPv4 address.
            let v6 = world.within(leaf, &Ranges::one(AF_INET6.into()));
            let local = world.within(LOCAL, &mapped());
            world.facts.push(any([v6, local]));
        }
        leaf
    }

    /// Without a full socket a value reads zero.
    fn zero_on_request(&mut self, world: &mut World, leaf: LeafId) {
        let full = self.full_socket(world);
        let zero = world.within(leaf, &Ranges::one(0));
        world.facts.push(any([full, zero]));
    }

    /// Whether there is a full socket.
    fn full_socket(&mut self, world: &mut World) -> Formula {
        match (world.event.sock, world.event.role) {
            (Sock::FullOrRequest, EventRole::BySynSent) => self.client(world),
            (Sock::FullOrRequest, _) => {
                let leaf = self.field(world, catalogued("is_fullsock"));
                world.within(leaf, &Ranges::one(1))
            }
            (sock, _) => constant(sock != Sock::None),
        }
    }

    /// Whether this is the end that connects.
    pub(super) fn client(&mut self, world: &mut World) -> Formula {
        match world.event.role {
            EventRole::Client => constant(true),
            EventRole::Server => constant(false),
            EventRole::BySynSent => {
                let leaf = self.field(world, catalogued("state"));
                world.within(leaf, &Ranges::one(tcp_state("SYN_SENT").unwrap_or_default().into()))
            }
            EventRole::Unknown => {
                let leaf = self.word(world, "role", Kind::Role, 1, true);
                world.within(leaf, &Ranges::one(0))
            }
        }
    }

    /// A field that another one tells, where there is no need to ask for itself: whether it is this number.
    pub(super) fn told(&mut self, world: &mut World, field: &Field) -> Option<[(u128, Formula); 2]> {
        match field.name {
            "is_fullsock" if world.event.role == EventRole::BySynSent => {
                let full = self.full_socket(world);
                Some([(0, not(&full)), (1, full)])
            }
            _ if field.ty == Type::Family && world.event.has_remote => {
                let v4 = world.within(crate::leaf::REMOTE, &mapped());
                Some([(AF_INET6.into(), not(&v4)), (AF_INET.into(), v4)])
            }
            _ => None,
        }
    }

    pub(super) fn received(&mut self, world: &mut World, header: usize) -> Formula {
        let name = self.program.headers.get(header).map_or("", |header| &header.name);
        let leaf = self.word(world, &format!("received {name}"), Kind::Received(name.to_owned()), 1, true);
        world.within(leaf, &Ranges::one(1))
    }

    /// What a cell holds; `text` is what it is called.
    pub fn cell(&mut self, world: &mut World, text: &str, row: &'p Row, cell: u8) -> Option<LeafId> {
        let program = self.program;
        let (table, cells) = match row {
            Row::Flow => (None, &program.flow.as_ref()?.cells),
            Row::Table(id, _) => {
                let table = program.tables.get(id.index())?;
                (Some(table.name.clone()), &table.cells)
            }
        };
        let row_of = cells.get(usize::from(cell))?;
        let key = row.keys().iter().map(|part| self.key_part(world, part)).collect();
        let kind = Kind::Cell(CellOf { text: text.to_owned(), table, cell: row_of.name.clone(), key });
        let time = self.epoch.of(&topic::of_cell(program, row, cell));
        let name = format!("cell {} {time}", self.row_key(world, row, cell));
        let leaf =
            |kind, is_free| Leaf { kind, domain: of_type(row_of.ty, 8), scale: 1, ty: row_of.ty, is_free };
        if time > 0 {
            // What it reads later follows from what it held at first.
            let first = format!("cell {} 0", self.row_key(world, row, cell));
            world.leaves.add(first, leaf(kind.clone(), true));
        }
        let (kind, is_free) = at(time, text, kind);
        Some(world.leaves.add(name, leaf(kind, is_free)))
    }

    /// A part of a key that is a constant or read as it is.
    pub(super) fn key_part(&mut self, world: &mut World, part: &'p Expr) -> Option<KeyPart> {
        match &part.kind {
            ExprKind::Const(Value::Number(number)) => Some(KeyPart::Number(*number)),
            ExprKind::Const(Value::Ip(address)) => Some(KeyPart::Ip(*address)),
            ExprKind::Field(_) | ExprKind::Arg(..) | ExprKind::Option(_) | ExprKind::Param(..) => {
                self.leaf(world, part).map(KeyPart::Leaf)
            }
            _ => None,
        }
    }
}

/// What something is that is read at a time, and whether it can be anything: what was changed before depends on that.
fn at(epoch: u32, name: &str, kind: Kind) -> (Kind, bool) {
    if epoch == 0 { (kind, true) } else { (Kind::Later(name.to_owned()), false) }
}

/// The states that a socket can be in.
fn states(world: &World) -> Ranges {
    let all = TCP_STATES.iter().map(|state| (state.number.into(), state.number.into()));
    let one = |name| tcp_state(name).map(|number| (number.into(), number.into()));
    match (full_socket_state(world.event), world.event.sock) {
        (Some(full), Sock::FullOrRequest) => Ranges::of(one(full).into_iter().chain(one("NEW_SYN_RECV"))),
        (Some(full), _) => Ranges::of(one(full)),
        (None, _) => Ranges::of(all),
    }
}

/// The numbers that a value of a type and of so many bytes can be, in the unit in which it is read.
fn of_type(ty: Type, size: u8) -> Ranges {
    let widest = if size == 8 { u64::MAX.into() } else { u32::MAX.into() };
    match ty {
        Type::Bool => Ranges::span(0, 1),
        Type::Port => Ranges::span(0, u16::MAX.into()),
        Type::Ip => Ranges::span(0, u128::MAX),
        Type::Family => Ranges::of([AF_INET, AF_INET6].map(|family| (family.into(), family.into()))),
        Type::State if size < 8 => {
            Ranges::of(TCP_STATES.iter().map(|state| (state.number.into(), state.number.into())))
        }
        Type::Name => Ranges::span(0, u32::MAX.into()),
        _ => Ranges::span(0, widest),
    }
}
