//! Random declarations.

use tcpc_lang::read::natural_range;
use tcpc_stdlib::event::{EVENTS, Event};
use tcpc_stdlib::header::{EXPERIMENTAL_KINDS, KERNEL_EXIDS, kernel_kind};
use tcpc_stdlib::policies::MODULES;
use tcpc_stdlib::unit::Type;

use super::Maker;
use super::literal::{literal, number, written};
use super::scope::{Header, Let, Param, Site, Table};
use crate::tree::{Node, Part, Sort, many, one, text};

/// What sets can hold.
const ELEMENTS: &[Type] =
    &[Type::Ip, Type::Ip, Type::Int, Type::Int, Type::Port, Type::State, Type::Duration, Type::Size];
/// What a part of a table's key can be.
const KEYS: &[Type] =
    &[Type::Ip, Type::Ip, Type::Port, Type::Int, Type::State, Type::Family, Type::Bool, Type::Duration];

impl Maker<'_> {
    /// Everything but rules; each kind now and then.
    pub fn declarations(&mut self) -> Vec<Node> {
        let mut items = Vec::new();
        if self.random.one_in(20) {
            items.push(Node::text(Sort::Other, format!("use std::{}", self.random.one_of(MODULES).name)));
        }
        for _ in 0..self.random.below(3) {
            items.push(self.constant_item());
        }
        for _ in 0..self.random.below(3) {
            items.push(self.param());
        }
        for _ in 0..self.random.below(3) {
            items.push(self.set());
        }
        if self.random.one_in(3) {
            items.push(self.mutable_set());
        }
        if self.random.one_in(2) {
            for _ in 0..1 + self.random.below(2) {
                items.push(self.header());
            }
        }
        if self.random.one_in(2) {
            items.push(self.flow());
        }
        for _ in 0..self.random.below(3) {
            items.push(self.table());
        }
        if self.random.one_in(3) {
            items.push(self.record());
        }
        for _ in 0..self.random.below(3) {
            items.push(self.let_item());
        }
        items
    }

    fn item(&self, head: String, parts: Vec<Part>) -> Node {
        let mut all = vec![text(head)];
        all.extend(parts);
        Node::new(Sort::Other, all)
    }

    fn constant_item(&mut self) -> Node {
        let types = [
            Type::Int,
            Type::Duration,
            Type::Size,
            Type::Rate,
            Type::Percent,
            Type::Ip,
            Type::Prefix,
            Type::Bool,
            Type::State,
            Type::Family,
        ];
        let ty = self.random.pick(&types);
        let value = literal(self.random, ty);
        let name = self.fresh("K");
        let item = Node::text(Sort::Other, format!("const {name} = {value}"));
        self.declared.consts.push((name, ty));
        item
    }

    fn param(&mut self) -> Node {
        let ty = self.random.pick(Type::NUMBERS);
        let natural = natural_range(ty);
        let mut range = natural;
        if self.random.one_in(2) && ty != Type::Bool {
            let (a, b) = (number(self.random), number(self.random));
            range = (a.min(b).min(natural.1), a.max(b).min(natural.1));
        }
        let default = number(self.random).clamp(range.0, range.1);
        let name = self.fresh("p");
        let show = |value| match ty {
            Type::Percent => percent(value),
            _ => written(ty, value),
        };
        let limits = (range != natural).then(|| format!(" in {}..{}", show(range.0), show(range.1)));
        // A share is written rounded, so its range would be another.
        let limits = limits.filter(|_| ty != Type::Percent).unwrap_or_default();
        let default = if ty == Type::Percent { "25%".into() } else { show(default) };
        let range = if ty == Type::Percent { natural } else { range };
        let item = Node::text(Sort::Other, format!("param {name}: {} = {default}{limits}", ty.name()));
        self.declared.params.push(Param { name, ty, range });
        item
    }

    fn set(&mut self) -> Node {
        let ty = self.random.pick(ELEMENTS);
        let name = self.fresh("S");
        let small = ty == Type::Port || self.random.one_in(2);
        let written = if ty == Type::Port { Type::Int } else { ty };
        let count = match self.random.below(6) {
            0 => 1,
            1 => 20 + self.random.below(60),
            // As many bounds as fill a table.
            2 => self.random.pick(&[8, 16, 32]),
            _ => 2 + self.random.below(6),
        };
        let elements = (0..count).map(|_| {
            if small && written == Type::Int { self.element(Type::Port) } else { self.element(written) }
        });
        let elements = elements.collect();
        let largest = if small { 0xffff } else { u64::MAX };
        self.declared.sets.push((name.clone(), written, largest));
        self.item(format!("set {name} = {{ "), vec![many(", ", elements), text(" }")])
    }

    fn mutable_set(&mut self) -> Node {
        let ty = self.random.pick(&[Type::Prefix, Type::Ip, Type::Port]);
        let name = self.fresh("M");
        let count = self.random.below(4);
        let elements = (0..count).map(|_| {
            let ty = if ty == Type::Prefix && self.random.one_in(4) { Type::Ip } else { ty };
            Node::text(Sort::Other, literal(self.random, ty))
        });
        let elements = elements.collect();
        self.declared.mutable_sets.push((name.clone(), ty));
        let max = 4 + self.random.below(60);
        let head = format!("mutable set {name}: {} max {max} = {{ ", ty.name());
        self.item(head, vec![many(", ", elements), text(" }")])
    }

    fn header(&mut self) -> Node {
        let name = self.fresh("o");
        let mut bits = Vec::new();
        // Sometimes more than what is loaded or stored at once.
        let most = self.random.pick(&[5, 5, 13, 33]);
        let mut left = 8 * self.random.below(most) as u16;
        while left > 0 {
            let one = (1 + self.random.below(left.min(64).into())) as u8;
            bits.push(one);
            left -= u16::from(one);
        }
        let mut fields = Vec::new();
        let mut parts = Vec::new();
        for bits in bits {
            let field = if self.random.one_in(8) { "_".to_string() } else { self.fresh("f") };
            parts.push(Node::text(Sort::Other, format!("{field}: u{bits}")));
            if field != "_" {
                fields.push((field, bits));
            }
        }
        let (head, sendable) = match self.random.below(3) {
            0 => {
                let id = self.random.below(0x1_0000) as u16;
                let sendable = KERNEL_EXIDS.iter().all(|(known, _)| *known != id);
                (format!("experimental {id:#06x}"), sendable)
            }
            1 => {
                let id = self.random.below(0x1_0000) as u16;
                let sendable = KERNEL_EXIDS.iter().all(|(known, _)| *known != id);
                (format!("kind {} id {id:#06x}", self.random.one_of(EXPERIMENTAL_KINDS)), sendable)
            }
            _ => {
                let kind = 2 + self.random.below(251) as u8;
                (format!("kind {kind}"), kernel_kind(kind).is_none())
            }
        };
        self.declared.headers.push(Header { name: name.clone(), fields, sendable });
        // Fields fill whole bytes: none can be left out alone.
        let mut list = vec![text("")];
        for (index, part) in parts.into_iter().enumerate() {
            list.push(text(if index > 0 { ", " } else { "" }));
            list.push(one(part));
        }
        list.push(text(" }"));
        self.item(format!("option {name} = {head} {{ "), list)
    }

    fn cells(&mut self, count: u64, only_counts: bool) -> (Vec<(String, Type)>, Vec<Node>) {
        let mut cells = Vec::new();
        let mut nodes = Vec::new();
        for _ in 0..count {
            let ty = match only_counts {
                true => self.random.pick(super::expr::QUANTITIES),
                false => self.random.pick(Type::CELLS),
            };
            let name = self.fresh("v");
            let default = match only_counts || self.random.one_in(2) {
                true => String::new(),
                false => format!(" = {}", literal(self.random, ty)),
            };
            nodes.push(Node::text(Sort::Other, format!("{name}: {}{default}", ty.name())));
            cells.push((name, ty));
        }
        (cells, nodes)
    }

    fn flow(&mut self) -> Node {
        let count = 1 + self.random.below(4);
        let (cells, nodes) = self.cells(count, false);
        self.declared.flow = cells;
        self.item("flow { ".into(), vec![many("\n", nodes), text(" }")])
    }

    fn table(&mut self) -> Node {
        let name = self.fresh("t");
        let count = 1 + self.random.below(3);
        let keys: Vec<Type> = (0..count).map(|_| self.random.pick(KEYS)).collect();
        let written: Vec<String> = keys
            .iter()
            .map(|ty| match ty {
                Type::Ip if self.random.one_in(2) => {
                    format!("ip/({}, {})", self.random.below(33), self.random.below(129))
                }
                ty => ty.name().to_string(),
            })
            .collect();
        let (lru, per_cpu) = (self.random.one_in(4), self.random.one_in(6));
        let count = 1 + self.random.below(3);
        let (cells, nodes) = self.cells(count, per_cpu);
        let max = self.random.pick(&[1, 2, 16, 1024]);
        // A small `lru` table forgets as the kernel's memory is laid out.
        let max = if lru { 4096 } else { max };
        let words = format!("{}{}", if lru { " lru" } else { "" }, if per_cpu { " per_cpu" } else { "" });
        let head = format!("table {name} by {} max {max}{words} {{ ", written.join(", "));
        self.declared.tables.push(Table { name, keys, cells, lru, per_cpu });
        self.item(head, vec![many("\n", nodes), text(" }")])
    }

    fn record(&mut self) -> Node {
        let name = self.fresh("e");
        let mut fields = Vec::new();
        for _ in 0..1 + self.random.below(4) {
            let ty = if self.random.one_in(4) { Type::Ip } else { self.random.pick(Type::CELLS) };
            fields.push((self.fresh("f"), ty));
        }
        let list: Vec<String> = fields.iter().map(|(name, ty)| format!("{name}: {}", ty.name())).collect();
        let item = Node::text(Sort::Other, format!("event {name} {{ {} }}", list.join(", ")));
        self.declared.records.push((name, fields));
        item
    }

    /// A `let` or a function, for a few events.
    fn let_item(&mut self) -> Node {
        let events = self.events(|_| true, 6);
        let mut site = Site::new(events.clone(), false, false);
        let ty = match self.random.below(4) {
            0 | 1 => Type::Bool,
            2 => Type::Ip,
            _ => self.random.pick(super::expr::QUANTITIES),
        };
        let params = self.random.one_in(2).then(|| {
            let count = 1 + self.random.below(2);
            (0..count)
                .map(|_| {
                    self.random.pick(&[
                        Type::Int,
                        Type::Duration,
                        Type::Bool,
                        Type::Ip,
                        Type::Size,
                        Type::Name,
                    ])
                })
                .collect::<Vec<_>>()
        });
        let mut head = self.fresh("l");
        let name = head.clone();
        if let Some(types) = &params {
            let names: Vec<String> = types.iter().map(|_| self.fresh("a")).collect();
            site.names.extend(names.iter().cloned().zip(types.iter().copied()));
            head = format!("{head}({})", names.join(", "));
        }
        let body = self.moving(&site, ty, 3);
        self.declared.lets.push(Let { name, params, ty, events });
        self.item(format!("let {head} = "), vec![one(body)])
    }

    /// Some of the events that policies can have rules for.
    pub fn events(&mut self, wanted: impl Fn(&Event) -> bool, most: u64) -> Vec<&'static Event> {
        let all: Vec<&'static Event> =
            EVENTS.iter().filter(|event| event.supported && wanted(event)).collect();
        let mut chosen: Vec<&'static Event> = Vec::new();
        for _ in 0..1 + self.random.below(most) {
            let event = self.random.pick(&all);
            if !chosen.contains(&event) {
                chosen.push(event);
            }
        }
        chosen
    }
}

fn percent(value: u64) -> String {
    format!("{}%", (value * 100) >> 32)
}
