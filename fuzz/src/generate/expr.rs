//! Random expressions, by type.

use tcpc_stdlib::builtin::{BUILTINS, BuiltinId};
use tcpc_stdlib::unit::Type;

use super::literal::{literal, number, share, written};
use super::scope::Site;
use super::{Maker, call, operation};
use crate::tree::{Node, Sort, one, text};

/// Types whose values are larger and smaller.
pub const QUANTITIES: &[Type] =
    &[Type::Int, Type::Duration, Type::Size, Type::Rate, Type::Percent, Type::Packets];
/// Quantities with a unit.
const UNITS: &[Type] = &[Type::Duration, Type::Size, Type::Rate, Type::Percent];

/// Fields that assignments change, and one that must not be touched in all events.
const CHANGING: &[&str] = &["sk_txhash", "snd_cwnd", "snd_ssthresh", "rtt_min"];
/// Options that change them.
pub const CHANGERS: &[&str] = &["init_cwnd", "cwnd_clamp"];

impl Maker<'_> {
    /// Any expression of a type; constants, too.
    pub fn expr(&mut self, site: &Site, ty: Type, depth: u32) -> Node {
        if self.random.one_in(4) { self.constant(ty) } else { self.moving(site, ty, depth) }
    }

    /// A constant: a literal, or a name for one.
    pub fn constant(&mut self, ty: Type) -> Node {
        let named: Vec<&String> =
            self.declared.consts.iter().filter(|(_, other)| *other == ty).map(|(name, _)| name).collect();
        if !named.is_empty() && self.random.one_in(3) {
            return Node::text(Sort::Expr(ty), self.random.one_of(&named).as_str());
        }
        Node::text(Sort::Expr(ty), literal(self.random, ty))
    }

    /// An expression that depends on the connection, if there is one of this type.
    pub fn moving(&mut self, site: &Site, ty: Type, depth: u32) -> Node {
        if depth == 0 {
            return self.leaf(site, ty);
        }
        let depth = depth - 1;
        match ty {
            Type::Bool => self.condition(site, depth),
            _ if self.random.one_in(4) => self.leaf(site, ty),
            _ if self.random.one_in(6) => self.choice(site, ty, depth),
            _ if self.random.one_in(6) => self.called(site, ty, depth),
            Type::Int => self.int(site, depth),
            Type::Duration | Type::Size | Type::Rate | Type::Percent | Type::Packets => {
                self.quantity(site, ty, depth)
            }
            Type::Port => self.extremum(site, ty, depth),
            _ => self.leaf(site, ty),
        }
    }

    /// A name with a value of its own.
    fn leaf(&mut self, site: &Site, ty: Type) -> Node {
        let mut names: Vec<&str> = Vec::new();
        let of = |known: &Type| *known == ty;
        names.extend(site.names.iter().filter(|(_, known)| of(known)).map(|(name, _)| name.as_str()));
        let params = self.declared.params.iter().filter(|param| of(&param.ty));
        names.extend(params.map(|param| param.name.as_str()));
        let mut names: Vec<String> = names.into_iter().map(str::to_string).collect();
        if site.state {
            let cells = self.declared.flow.iter().filter(|(_, known)| of(known));
            names.extend(cells.map(|(name, _)| format!("flow.{name}")));
        }
        if site.receives && ty == Type::Int {
            let headers = self.declared.headers.iter();
            names.extend(headers.flat_map(|header| {
                header.fields.iter().map(|(field, _)| format!("{}.{field}", header.name))
            }));
        }
        for row in BUILTINS.iter().filter(|row| site.within(row.events)) {
            match row.id {
                BuiltinId::Now if ty == Type::Duration && !site.steady => names.push("now()".into()),
                BuiltinId::Random if ty == Type::Int && !site.steady => names.push("random()".into()),
                BuiltinId::SynTos if ty == Type::Int => names.push(row.name.into()),
                _ => {}
            }
        }
        if names.is_empty() {
            return self.constant(ty);
        }
        // What a rule can change is read before and after it, and what is read in several events may be moved before them.
        let changing: Vec<&String> = names.iter().filter(|name| CHANGING.contains(&name.as_str())).collect();
        let name = match !changing.is_empty() && self.random.one_in(4) {
            true => self.random.pick(&changing),
            false => self.random.one_of(&names),
        };
        Node::text(Sort::Expr(ty), name.as_str())
    }

    /// `if C then A else B`.
    pub fn choice(&mut self, site: &Site, ty: Type, depth: u32) -> Node {
        let condition = self.moving(site, Type::Bool, depth);
        let (then, otherwise) = (self.moving(site, ty, depth), self.expr(site, ty, depth));
        Node::new(
            Sort::Expr(ty),
            [
                text("(if "),
                one(condition),
                text(" then "),
                one(then),
                text(" else "),
                one(otherwise),
                text(")"),
            ],
        )
    }

    /// A `let`, a call of a function of the policy, or a cell of a table.
    pub fn called(&mut self, site: &Site, ty: Type, depth: u32) -> Node {
        let fits = |events: &[&'static tcpc_stdlib::event::Event]| {
            site.events.iter().all(|event| events.contains(event))
        };
        let lets: Vec<usize> = (0..self.declared.lets.len())
            .filter(|&at| {
                let row = &self.declared.lets[at];
                row.ty == ty && fits(&row.events) && !site.steady && site.changing.is_none()
            })
            .collect();
        let tables = (0..self.declared.tables.len())
            .filter(|&at| site.state && site.changing != Some(at) && !self.declared.tables[at].per_cpu);
        let cells: Vec<(usize, String)> = tables
            .flat_map(|at| {
                let cells = self.declared.tables[at].cells.iter().filter(|(_, known)| *known == ty);
                cells.map(move |(name, _)| (at, name.clone())).collect::<Vec<_>>()
            })
            .collect();
        match (lets.as_slice(), cells.as_slice()) {
            ([], []) => self.leaf(site, ty),
            (_, []) | ([_, ..], _) if !lets.is_empty() && (cells.is_empty() || self.random.one_in(2)) => {
                let at = self.random.pick(&lets);
                self.use_let(site, at, depth)
            }
            _ => {
                let (table, cell) = self.random.one_of(&cells).clone();
                let row = self.row(site, table, depth);
                Node::new(Sort::Expr(ty), [one(row), text(format!(".{cell}"))])
            }
        }
    }

    fn use_let(&mut self, site: &Site, at: usize, depth: u32) -> Node {
        let (name, ty) = (self.declared.lets[at].name.clone(), self.declared.lets[at].ty);
        let Some(params) = self.declared.lets[at].params.clone() else {
            return Node::text(Sort::Expr(ty), name);
        };
        let args = params.into_iter().map(|ty| match ty {
            // A name that is compared with a name, once the function's body stands here.
            Type::Name if self.random.one_in(2) => self.constant(ty),
            _ => self.moving(site, ty, depth),
        });
        let args = args.collect();
        call(ty, &name, args)
    }

    /// `TABLE[KEYS]`.
    pub fn row(&mut self, site: &Site, table: usize, depth: u32) -> Node {
        let (name, keys) =
            (self.declared.tables[table].name.clone(), self.declared.tables[table].keys.clone());
        let mut parts = vec![text(format!("{name}["))];
        for (index, ty) in keys.into_iter().enumerate() {
            if index > 0 {
                parts.push(text(", "));
            }
            parts.push(one(self.expr(site, ty, depth.min(1))));
        }
        parts.push(text("]"));
        Node::new(Sort::Other, parts)
    }

    fn int(&mut self, site: &Site, depth: u32) -> Node {
        let ty = Type::Int;
        match self.random.below(8) {
            0..4 => {
                let op = self.random.pick(&["+", "-", "*", "/", "%", "|", "^", "&", "<<", ">>"]);
                let left = self.moving(site, ty, depth);
                let right = if matches!(op, "/" | "%") {
                    self.divisor(site, ty, depth)
                } else {
                    self.expr(site, ty, depth)
                };
                operation(ty, left, op, right)
            }
            4 => {
                let unit = self.random.pick(UNITS);
                let (left, right) = (self.moving(site, unit, depth), self.divisor(site, unit, depth));
                operation(ty, left, "/", right)
            }
            5 => {
                let count = 1 + self.random.below(3);
                let types =
                    [Type::Int, Type::Ip, Type::Port, Type::State, Type::Family, Type::Bool, Type::Duration];
                let args = (0..count).map(|_| {
                    let ty = self.random.pick(&types);
                    self.moving(site, ty, depth.min(1))
                });
                let args = args.collect();
                call(ty, "hash", args)
            }
            6 => self.share_of(site, ty, depth),
            _ => self.extremum(site, ty, depth),
        }
    }

    fn quantity(&mut self, site: &Site, ty: Type, depth: u32) -> Node {
        match self.random.below(7) {
            0 | 1 => {
                let op = self.random.pick(&["+", "-"]);
                let (left, right) = (self.moving(site, ty, depth), self.expr(site, ty, depth));
                operation(ty, left, op, right)
            }
            2 => {
                let (left, right) = (self.moving(site, ty, depth), self.divisor(site, Type::Int, depth));
                operation(ty, left, "/", right)
            }
            // A percentage of a number is a number.
            3 if ty != Type::Percent && self.random.one_in(2) => {
                let (left, right) = (self.moving(site, ty, depth), self.expr(site, Type::Int, depth));
                operation(ty, left, "*", right)
            }
            3 if ty != Type::Percent => {
                let (left, right) = (self.moving(site, Type::Int, depth), self.expr(site, ty, depth));
                operation(ty, left, "*", right)
            }
            4 => {
                let (left, right) = (self.moving(site, ty, depth), self.divisor(site, ty, depth));
                operation(ty, left, "%", right)
            }
            5 if ty != Type::Percent => self.share_of(site, ty, depth),
            _ => self.extremum(site, ty, depth),
        }
    }

    /// What something is divided by: no constant zero.
    fn divisor(&mut self, site: &Site, ty: Type, depth: u32) -> Node {
        let divisor = self.moving(site, ty, depth);
        let is_constant =
            divisor.to_string().starts_with(|first: char| first.is_ascii_digit() || first == 'K');
        let nonzero = 1 + (number(self.random) >> 1);
        match ty {
            Type::Percent if is_constant => Node::text(Sort::Expr(ty), share(self.random)),
            _ if is_constant => Node::text(Sort::Expr(ty), written(ty, nonzero)),
            _ => divisor,
        }
    }

    fn share_of(&mut self, site: &Site, ty: Type, depth: u32) -> Node {
        let left = self.moving(site, ty, depth);
        let share = Node::text(Sort::Expr(Type::Percent), share(self.random));
        operation(ty, left, "*", share)
    }

    fn extremum(&mut self, site: &Site, ty: Type, depth: u32) -> Node {
        let first = self.moving(site, ty, depth);
        if self.random.one_in(3) {
            let (low, high) = match ty != Type::Percent && self.random.one_in(2) {
                true => {
                    let (a, b) = (number(self.random) & 0xffff, number(self.random) & 0xffff);
                    let bound = |value| Node::text(Sort::Expr(ty), written(ty, value));
                    (bound(a.min(b)), bound(a.max(b)))
                }
                false => (self.moving(site, ty, depth), self.moving(site, ty, depth)),
            };
            return call(ty, "clamp", vec![first, low, high]);
        }
        let name = self.random.pick(&["min", "max"]);
        let second = self.expr(site, ty, depth);
        call(ty, name, vec![first, second])
    }
}
