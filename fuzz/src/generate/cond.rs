//! Random conditions.

use tcpc_stdlib::builtin::{BUILTINS, BuiltinId};
use tcpc_stdlib::feature::{Feature, features};
use tcpc_stdlib::unit::Type;

use super::expr::QUANTITIES;
use super::literal::{SYN_TOS, address, literal, number, share, show, written};
use super::scope::Site;
use super::{Maker, operation};
use crate::tree::{Node, Sort, many, one, text};

impl Maker<'_> {
    pub fn condition(&mut self, site: &Site, depth: u32) -> Node {
        let ty = Type::Bool;
        match self.random.below(12) {
            0..3 => {
                let op = self.random.pick(&["and", "or"]);
                let (left, right) = (self.moving(site, ty, depth), self.moving(site, ty, depth));
                operation(ty, left, op, right)
            }
            3 => {
                let operand = self.moving(site, ty, depth);
                Node::new(Sort::Expr(ty), [text("(not "), one(operand), text(")")])
            }
            4 if self.random.one_in(4) => self.masked(site, depth),
            4 | 5 => {
                let side = match self.random.below(8) {
                    0 => Type::Port,
                    _ => self.random.pick(QUANTITIES),
                };
                let op = self.random.pick(&["==", "!=", "<", "<=", ">", ">="]);
                self.compared(site, side, op, depth)
            }
            6 => {
                let side = self.random.pick(&[Type::State, Type::Family, Type::Ip, Type::Ip, Type::Bool]);
                let op = self.random.pick(&["==", "!="]);
                self.compared(site, side, op, depth)
            }
            7 | 8 => self.membership(site, depth),
            9 => self.choice(site, ty, depth),
            10 => self.called(site, ty, depth),
            _ => self.question(site),
        }
    }

    fn compared(&mut self, site: &Site, ty: Type, op: &str, depth: u32) -> Node {
        let (left, right) = (self.moving(site, ty, depth), self.expr(site, ty, depth));
        operation(Type::Bool, left, op, right)
    }

    /// `A & MASK == B`, or a product that is often larger than all numbers.
    fn masked(&mut self, site: &Site, depth: u32) -> Node {
        let value = self.moving(site, Type::Int, depth.min(1));
        if self.random.one_in(2) {
            let factor = self.random.pick(&[3, 255, 65_537, 0xffff_ffff_u64]);
            let (shift, op) = (self.random.pick(&[31, 40, 61]), self.random.pick(&["==", "<", ">="]));
            let product = format!(" << {shift}) * {factor} {op} {})", number(self.random));
            return Node::new(Sort::Expr(Type::Bool), [text("(("), one(value), text(product)]);
        }
        let mask = self.random.pick(&[1, 2, 3, 7, 0x10, 0xff, 0xff00]);
        let wanted = if self.random.one_in(2) { 0 } else { mask & self.random.number() };
        let op = self.random.pick(&["==", "!="]);
        Node::new(Sort::Expr(Type::Bool), [text("("), one(value), text(format!(" & {mask} {op} {wanted})"))])
    }

    /// `A in B`.
    fn membership(&mut self, site: &Site, depth: u32) -> Node {
        let either_port = site.has_peer() && self.random.one_in(8);
        let ty = match self.random.below(6) {
            _ if either_port => Type::Port,
            0 | 1 => Type::Ip,
            2 | 3 => Type::Port,
            4 => Type::State,
            _ => self.random.pick(QUANTITIES),
        };
        let element = match either_port {
            true => Node::text(Sort::Other, "port"),
            false => self.moving(site, ty, depth.min(2)),
        };
        let members = self.members(ty);
        Node::new(Sort::Expr(Type::Bool), [text("("), one(element), text(" in "), one(members), text(")")])
    }

    fn members(&mut self, ty: Type) -> Node {
        let plain = |element: Type, largest: u64| match ty {
            Type::Port => element == Type::Port || (element == Type::Int && largest <= 0xffff),
            Type::Int | Type::Packets => element == Type::Int,
            _ => element == ty,
        };
        let sets = self.declared.sets.iter().filter(|(_, element, largest)| plain(*element, *largest));
        let mut named: Vec<String> = sets.map(|(name, ..)| name.clone()).collect();
        let mutable = self.declared.mutable_sets.iter().filter(|(_, element)| {
            (ty == Type::Ip && *element != Type::Port) || (ty == Type::Port && *element == Type::Port)
        });
        named.extend(mutable.map(|(name, _)| name.clone()));
        if ty == Type::Ip {
            let prefixes = self.declared.consts.iter().filter(|(_, ty)| *ty == Type::Prefix);
            named.extend(prefixes.map(|(name, _)| name.clone()));
        }
        if !named.is_empty() && self.random.one_in(2) {
            return Node::text(Sort::Other, self.random.one_of(&named).as_str());
        }
        if ty == Type::Ip && self.random.one_in(2) {
            return Node::text(Sort::Other, literal(self.random, Type::Prefix));
        }
        let count = 1 + self.random.below(5);
        let elements = (0..count).map(|_| self.element(ty)).collect();
        Node::new(Sort::Other, [text("{ "), many(", ", elements), text(" }")])
    }

    /// An element of a set that is written down: a constant, a prefix or a range.
    pub fn element(&mut self, ty: Type) -> Node {
        let ordered = matches!(ty, Type::Port) || QUANTITIES.contains(&ty);
        if ordered && self.random.one_in(3) {
            let most = if ty == Type::Port { 0xffff } else { u64::MAX };
            let (a, b) = (number(self.random).min(most), number(self.random).min(most));
            let (low, high) = match ty {
                Type::Percent => ("1%".into(), share(self.random)),
                _ => (written(ty, a.min(b)), written(ty, a.max(b))),
            };
            return Node::text(Sort::Other, format!("{low}..{high}"));
        }
        if ty == Type::Ip && self.random.one_in(4) {
            let v4 = self.random.one_in(2);
            let low = address(self.random, v4);
            // Up to the end of its network at most, so that it stays in its family.
            let high = low | ((1 << self.random.below(if v4 { 24 } else { 64 })) - 1);
            let high = if self.random.one_in(2) {
                high
            } else {
                low + self.random.below((high - low + 1) as u64) as u128
            };
            return Node::text(Sort::Other, format!("{}..{}", show(low), show(high)));
        }
        let ty = if ty == Type::Ip && self.random.one_in(2) { Type::Prefix } else { ty };
        Node::text(Sort::Other, literal(self.random, ty))
    }

    /// What has a form of its own.
    fn question(&mut self, site: &Site) -> Node {
        let mut forms: Vec<String> = Vec::new();
        let random = &mut *self.random;
        for row in BUILTINS.iter().filter(|row| site.within(row.events)) {
            match row.id {
                BuiltinId::SamePrefix if site.has_peer() => {
                    let (v4, v6) = (random.below(33), random.below(129));
                    self.declared.prefixes.extend([(true, v4 as u32), (false, v6 as u32)]);
                    forms.push(match random.below(4) {
                        0 => format!("same_prefix({v6})"),
                        1 => format!("same_prefix(v4: {v4})"),
                        2 => format!("same_prefix(v6: {v6})"),
                        _ => format!("same_prefix(v4: {v4}, v6: {v6})"),
                    });
                }
                BuiltinId::Port if site.has_peer() => {
                    let op = random.pick(&["==", "!=", "<", ">="]);
                    forms.push(format!("(port {op} {})", literal(random, Type::Port)));
                }
                BuiltinId::Role if site.has_role() => {
                    let op = random.pick(&["==", "!="]);
                    forms.push(format!("(role {op} {})", literal(random, Type::Role)));
                }
                BuiltinId::SynTos => {
                    let op = random.pick(&["==", "!=", "<", ">="]);
                    forms.push(format!("(syn_tos {op} {})", random.pick(SYN_TOS)));
                }
                BuiltinId::Sample if !site.steady => {
                    let shares = self.declared.params.iter().filter(|param| param.ty == Type::Percent);
                    let mut shares: Vec<String> = shares.map(|param| param.name.clone()).collect();
                    shares.push(share(random));
                    forms.push(format!("sample({})", random.one_of(&shares)));
                }
                BuiltinId::Received if site.receives => {
                    forms.extend(
                        self.declared.headers.iter().map(|header| format!("received({})", header.name)),
                    );
                }
                // Values and functions that other expressions have, and what only tests ask.
                BuiltinId::SamePrefix
                | BuiltinId::Port
                | BuiltinId::Role
                | BuiltinId::Sample
                | BuiltinId::Received
                | BuiltinId::Min
                | BuiltinId::Max
                | BuiltinId::Clamp
                | BuiltinId::Now
                | BuiltinId::Random
                | BuiltinId::Hash
                | BuiltinId::Sent => {}
            }
        }
        let features: Vec<Feature> = features().filter(|one| !one.is_everywhere()).collect();
        forms.push(format!("(kernel has {})", random.one_of(&features).written()));
        for (name, _) in site.names.iter().filter(|(_, ty)| *ty == Type::Name) {
            let (one, other) = (literal(random, Type::Name), literal(random, Type::Name));
            forms.push(match random.below(3) {
                0 => format!("({name} != {one})"),
                1 => format!("({name} in {{ {one}, {other} }})"),
                _ => format!("({name} == {one})"),
            });
        }
        if random.one_in(8) {
            let (one, other) = (literal(random, Type::Name), literal(random, Type::Name));
            forms.push(format!("({one} {} {other})", random.pick(&["==", "!="])));
        }
        for (name, arms, needs_peer) in &self.declared.experiments {
            if (!needs_peer || site.has_peer()) && !arms.is_empty() {
                let op = random.pick(&["==", "!="]);
                forms.push(format!("({name} {op} {})", random.one_of(arms)));
            }
        }
        Node::text(Sort::Expr(Type::Bool), random.one_of(&forms).as_str())
    }
}
