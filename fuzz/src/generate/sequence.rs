//! Random sequences of events: hosts, connections, and what happens on them in an order that the kernel can have.
//!
//! A sequence is a `test` without expectations, so that it prints and is checked with its policy.

use tcpc_stdlib::event::{EVENTS, Event, EventRole};
use tcpc_stdlib::field::{FIELDS, Field};
use tcpc_stdlib::header::SEGMENTS;
use tcpc_stdlib::kernel::{ERRNOS, HZ_CHOICES, KernelVersion};
use tcpc_stdlib::option::{OPTIONS, OptionValue, SockOption};
use tcpc_stdlib::unit::{Type, Unit};

use super::literal::{SYN_TOS, address, literal, number, of_option, port, show, written};
use super::{Maker, SEQUENCE};
use crate::tree::{Node, Sort, many, text};

/// One connection of a sequence.
struct Connection {
    /// Empty for the one that needs no name.
    name: String,
    is_client: bool,
    v4: bool,
    /// What happens on it, the next last.
    left: Vec<Happening>,
}

/// What happens on a connection.
#[derive(Clone, Copy)]
enum Happening {
    Fire(&'static Event),
    Transmit(&'static str),
    /// Something about it changes.
    Give,
    /// Time passes.
    Advance,
}

impl Maker<'_> {
    /// The sequence of a policy.
    pub fn sequence(&mut self) -> Node {
        let mut steps = self.host();
        let mut connections: Vec<Connection> = Vec::new();
        for index in 0..1 + self.random.below(3) {
            connections.push(self.connection(index));
        }
        if connections.iter().any(|one| !one.is_client) && !self.random.one_in(3) {
            let v4 = self.random.one_in(2);
            steps.push(self.listener(v4));
        }
        for connection in &connections {
            let setup = self.setup(connection);
            steps.push(within(connection, setup));
        }
        while connections.iter().any(|connection| !connection.left.is_empty()) {
            let at = self.random.index(connections.len());
            if let Some(next) = connections[at].left.pop() {
                let step = self.happening(next, &connections[at]);
                steps.push(within(&connections[at], step.into_iter().collect()));
            }
            if self.random.one_in(12) {
                steps.extend(self.steering());
            }
        }
        Node::new(Sort::Other, [text(format!("test {SEQUENCE:?} {{\n")), many("\n", steps), text("\n}")])
    }

    fn given(setting: String) -> Node {
        Node::text(Sort::Step, format!("given {setting}"))
    }

    /// The host, and what its operator set.
    fn host(&mut self) -> Vec<Node> {
        let mut steps = Vec::new();
        if self.random.one_in(2) {
            steps.push(Self::given(format!("hz = {}", self.random.one_of(HZ_CHOICES))));
        }
        if self.random.one_in(3) {
            let versions = versions();
            steps.push(Self::given(format!("kernel = {}", self.random.one_of(&versions))));
        }
        for limit in ["wmem_max", "rmem_max"] {
            if self.random.one_in(6) {
                steps.push(Self::given(format!("{limit} = {}", literal(self.random, Type::Size))));
            }
        }
        for _ in 0..self.random.below(3) {
            let option = self.option(|option| option.reserved.is_none());
            let value = if self.random.one_in(2) {
                format!("{} ", of_option(self.random, option))
            } else {
                String::new()
            };
            let errno = self.random.one_of(ERRNOS).name;
            steps.push(Self::given(format!("{} {value}fails {errno}", option.name)));
        }
        for _ in 0..self.random.below(3) {
            steps.extend(self.steering());
        }
        steps
    }

    /// What an operator does meanwhile: sets parameters, adds elements, or rows are there already.
    fn steering(&mut self) -> Option<Node> {
        match self.random.below(3) {
            0 if !self.declared.params.is_empty() => {
                let at = self.random.index(self.declared.params.len());
                let (name, ty, range) = {
                    let param = &self.declared.params[at];
                    (param.name.clone(), param.ty, param.range)
                };
                let value = match ty {
                    Type::Percent => literal(self.random, ty),
                    _ => written(ty, number(self.random).clamp(range.0, range.1)),
                };
                Some(Self::given(format!("{name} = {value}")))
            }
            1 if !self.declared.mutable_sets.is_empty() => {
                let (name, ty) = self.random.one_of(&self.declared.mutable_sets).clone();
                let elements: Vec<String> =
                    (0..1 + self.random.below(3)).map(|_| literal(self.random, ty)).collect();
                Some(Self::given(format!("{name} has {{ {} }}", elements.join(", "))))
            }
            2 if !self.declared.tables.is_empty() => {
                let at = self.random.index(self.declared.tables.len());
                let keys = self.declared.tables[at].keys.clone();
                let (cell, ty) = self.random.one_of(&self.declared.tables[at].cells).clone();
                let keys: Vec<String> = keys.into_iter().map(|ty| literal(self.random, ty)).collect();
                let name = &self.declared.tables[at].name;
                let value = literal(self.random, ty);
                Some(Self::given(format!("{name}[{}].{cell} = {value}", keys.join(", "))))
            }
            _ => None,
        }
    }

    fn listener(&mut self, v4: bool) -> Node {
        let local = show(address(self.random, v4));
        let steps = vec![
            Self::given("role = server".into()),
            Self::given(format!("local = {local} port {}", port(self.random))),
            Node::text(Sort::Step, "fire tcp_listen"),
        ];
        Node::new(Sort::Step, [text("connection listener { "), many("\n", steps), text(" }")])
    }

    fn connection(&mut self, index: u64) -> Connection {
        let is_client = self.random.one_in(2);
        let mut steps: Vec<Happening> = Vec::new();
        let sometimes = |maker: &mut Self, steps: &mut Vec<Happening>, happening, times| {
            if !maker.random.one_in(times) {
                steps.push(happening);
            }
        };
        let fire = |name: &str| tcpc_stdlib::event::event(name).map_or(Happening::Advance, Happening::Fire);
        if is_client {
            sometimes(self, &mut steps, fire("tcp_connect"), 5);
        }
        for name in ["rwnd_init", "timeout_init", "needs_ecn"] {
            sometimes(self, &mut steps, fire(name), 3);
        }
        for segment in
            SEGMENTS.iter().filter(|segment| segment.space < 28 && segment.from_request != is_client)
        {
            sometimes(self, &mut steps, Happening::Transmit(segment.name), 3);
            if self.random.one_in(4) {
                steps.push(Happening::Transmit(segment.name));
            }
        }
        let established = if is_client { "active_established" } else { "passive_established" };
        sometimes(self, &mut steps, fire(established), 10);
        let later: Vec<&'static Event> =
            EVENTS.iter().filter(|event| event.supported && event.role == EventRole::Unknown).collect();
        for _ in 0..self.random.below(9) {
            steps.push(match self.random.below(8) {
                0 => Happening::Give,
                1 => Happening::Advance,
                2 | 3 => {
                    let late: Vec<&str> =
                        SEGMENTS.iter().filter(|one| one.space >= 28).map(|one| one.name).collect();
                    Happening::Transmit(self.random.pick(&late))
                }
                _ => Happening::Fire(self.random.pick(&later)),
            });
        }
        // Packets may come as they please.
        if self.random.one_in(12) && steps.len() > 1 {
            let (a, b) = (self.random.index(steps.len()), self.random.index(steps.len()));
            steps.swap(a, b);
        }
        steps.reverse();
        let name = if index == 0 { String::new() } else { format!("other_{index}") };
        Connection { name, is_client, v4: self.random.one_in(2), left: steps }
    }

    /// How a connection looks.
    fn setup(&mut self, connection: &Connection) -> Vec<Node> {
        let mut steps = Vec::new();
        steps.push(Self::given(format!("role = {}", if connection.is_client { "client" } else { "server" })));
        let mut near = address(self.random, connection.v4);
        for end in ["local", "remote"] {
            if !self.random.one_in(6) {
                let far = address(self.random, connection.v4);
                // Often both ends agree but for one bit.
                let address = show(if self.random.one_in(2) { near } else { far });
                near ^= 1 << self.differing_bit(connection.v4);
                steps.push(Self::given(format!("{end} = {address} port {}", port(self.random))));
            }
        }
        if self.random.one_in(8) && connection.v4 {
            steps.push(Self::given("family = ipv6".into()));
        }
        if self.random.one_in(3) {
            steps.push(Self::given(format!("syn_tos = {}", self.random.pick(SYN_TOS))));
        }
        for _ in 0..self.random.below(6) {
            steps.push(self.change_of_connection());
        }
        steps
    }

    /// Any bit of an address, from the right; often the last one that a condition looks at, or the first one that it
    /// does not.
    fn differing_bit(&mut self, v4: bool) -> u32 {
        let bits = if v4 { 32 } else { 128 };
        let asked = self.declared.prefixes.iter().filter(|(family, _)| *family == v4);
        let asked: Vec<u32> = asked.map(|(_, bits)| *bits).collect();
        if asked.is_empty() || self.random.one_in(3) {
            return self.random.below(bits.into()) as u32;
        }
        let shared = self.random.pick(&asked);
        bits - (shared + self.random.below(2) as u32).clamp(1, bits)
    }

    /// A field, an option, a cell or what the peer sends.
    fn change_of_connection(&mut self) -> Node {
        match self.random.below(8) {
            0 | 1 => {
                let option = self.option(|_| true);
                Self::given(format!("{} = {}", option.name, of_option(self.random, option)))
            }
            2 if !self.declared.flow.is_empty() => {
                let (name, ty) = self.random.one_of(&self.declared.flow).clone();
                Self::given(format!("flow.{name} = {}", literal(self.random, ty)))
            }
            3 | 4 if !self.declared.headers.is_empty() => {
                let at = self.random.index(self.declared.headers.len());
                let fields = self.declared.headers[at].fields.clone();
                let mut values = Vec::new();
                for (name, bits) in fields {
                    if !self.random.one_in(4) {
                        values.push(format!("{name} = {}", self.field_value(bits)));
                    }
                }
                Self::given(format!("{} {{ {} }}", self.declared.headers[at].name, values.join("; ")))
            }
            _ => {
                let fields: Vec<&Field> = FIELDS.iter().filter(|field| can_be_given(field)).collect();
                let field = self.random.pick(&fields);
                let raw = number(self.random);
                let raw = match field.ty {
                    Type::State => {
                        return Self::given(format!(
                            "{} = {}",
                            field.name,
                            literal(self.random, Type::State)
                        ));
                    }
                    Type::Bool => raw & 1,
                    _ if field.name == "bpf_sock_ops_cb_flags" => raw & 0x7f,
                    _ if field.size == 4 => raw & u64::from(u32::MAX),
                    _ => raw,
                };
                let value = raw.saturating_mul(field.unit.scale().unwrap_or(1));
                Self::given(format!("{} = {}", field.name, written(field.ty, value)))
            }
        }
    }

    fn option(&mut self, wanted: impl Fn(&SockOption) -> bool) -> &'static SockOption {
        let valued = |option: &&SockOption| option.value != OptionValue::Bytes && wanted(option);
        let options: Vec<&'static SockOption> = OPTIONS.iter().filter(valued).collect();
        self.random.pick(&options)
    }

    fn happening(&mut self, next: Happening, connection: &Connection) -> Option<Node> {
        Some(match next {
            Happening::Advance => {
                Node::text(Sort::Step, format!("advance {}", literal(self.random, Type::Duration)))
            }
            Happening::Give => self.change_of_connection(),
            Happening::Transmit(segment) => Node::text(Sort::Step, format!("transmit {segment}")),
            Happening::Fire(event) => {
                let possible = match event.role {
                    EventRole::Client => connection.is_client,
                    EventRole::Server => !connection.is_client,
                    _ => true,
                };
                if !possible {
                    return None;
                }
                let args: Vec<Node> = event
                    .args
                    .iter()
                    .map(|arg| {
                        let raw = number(self.random) & u64::from(u32::MAX);
                        let value = match (arg.ty, arg.unit) {
                            (Type::State, _) => literal(self.random, Type::State),
                            (Type::Bool, _) => literal(self.random, Type::Bool),
                            (_, Unit::Jiffies) => written(arg.ty, (raw % 10_000) * 10_000_000),
                            (ty, unit) if arg.name == "mode" => {
                                written(ty, (raw % 3) * unit.scale().unwrap_or(1))
                            }
                            (ty, unit) => written(ty, raw.saturating_mul(unit.scale().unwrap_or(1))),
                        };
                        Node::text(Sort::Other, format!("{} = {value}", arg.name))
                    })
                    .collect();
                match args.is_empty() {
                    true => Node::text(Sort::Step, format!("fire {}", event.name)),
                    false => Node::new(
                        Sort::Step,
                        [text(format!("fire {} {{ ", event.name)), many("; ", args), text(" }")],
                    ),
                }
            }
        })
    }
}

/// Steps on a connection.
fn within(connection: &Connection, steps: Vec<Node>) -> Node {
    match connection.name.as_str() {
        "" => Node::new(Sort::Step, [many("\n", steps)]),
        name => {
            Node::new(Sort::Step, [text(format!("connection {name} {{ ")), many("\n", steps), text(" }")])
        }
    }
}

/// Fields that a test sets by themselves.
fn can_be_given(field: &Field) -> bool {
    !field.name.is_empty()
        && field.name != "is_fullsock"
        && !matches!(field.ty, Type::Ip | Type::Port | Type::Family)
}

/// Kernels before and after each thing that came later.
fn versions() -> Vec<KernelVersion> {
    let options = OPTIONS.iter().flat_map(|option| [option.set_since, option.get_since]).flatten();
    let fields = FIELDS.iter().map(|field| field.since);
    let events = EVENTS.iter().flat_map(|event| event.args.iter().map(|arg| arg.since).chain([event.since]));
    let mut all: Vec<KernelVersion> = options.chain(fields).chain(events).collect();
    all.extend([KernelVersion::FLOOR, KernelVersion::NEWEST]);
    all.retain(|version| (KernelVersion::FLOOR..=KernelVersion::NEWEST).contains(version));
    all.sort();
    all.dedup();
    all
}
