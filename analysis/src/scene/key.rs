//! Texts of expressions, by which equal values are known: equal numbers mean that the values are equal.

use tcpc_lang::hir::{ArithOp, Expr, ExprKind, Row, Value};

use super::{Scene, World};

impl<'p> Scene<'p> {
    /// The number of an expression's text. Names stand for their values, places do not count.
    pub fn key(&mut self, world: &mut World, expr: &'p Expr) -> u32 {
        if let ExprKind::Local(local) = &expr.kind {
            return match self.locals.get(local) {
                Some(bound) => bound.key,
                None => world.node(format!("local {}", local.0)),
            };
        }
        if let ExprKind::Let(local, value, body) = &expr.kind {
            self.bind(world, *local, value);
            return self.key(world, body);
        }
        let text = match &expr.kind {
            ExprKind::Const(Value::Number(number)) => format!("{number}"),
            ExprKind::Const(Value::Ip(address)) => format!("ip {address}"),
            ExprKind::Const(Value::Name(name)) => format!("name {name}"),
            ExprKind::Field(field) if self.told(world, field).is_some() => field.name.to_owned(),
            ExprKind::Arith(op, left, right) => {
                let (mut a, mut b) = (self.key(world, left), self.key(world, right));
                let turns = [ArithOp::Add, ArithOp::Mul, ArithOp::And, ArithOp::Or, ArithOp::Xor];
                if turns.contains(op) && a > b {
                    std::mem::swap(&mut a, &mut b);
                }
                format!("({} {a} {b})", op.text())
            }
            ExprKind::In(element, set) => {
                let ranges = self.program.sets.get(set.index()).map(|set| set.ranges.clone());
                format!("(in {} {ranges:?})", self.key(world, element))
            }
            ExprKind::InMutable(element, set) => {
                let name = self.program.mutable_sets.get(set.index()).map_or("", |set| &set.name);
                let fixed = self.settled.iter().any(|known| known == name);
                let first = self.program.mutable_sets.get(set.index()).filter(|_| fixed);
                let first = first.map(|set| &set.elements);
                format!("(in {} {name} {first:?})", self.key(world, element))
            }
            ExprKind::Compare(op, left, right) => {
                format!("({} {} {})", op.text(), self.key(world, left), self.key(world, right))
            }
            ExprKind::SamePrefix { v4, v6 } => format!("(same {v4:?} {v6:?})"),
            ExprKind::Sampled(share) => format!("(sampled {share})"),
            ExprKind::KernelHas(feature) => format!("(has {})", feature.written()),
            ExprKind::IsRole(role) => format!("(role {role:?})"),
            ExprKind::IsSegment(segments) => {
                let names: Vec<&str> = segments.iter().map(|segment| segment.name).collect();
                format!("(segment {})", names.join(" "))
            }
            ExprKind::Received(id) => {
                let name = self.program.headers.get(id.index()).map_or("", |header| &header.name);
                format!("(received {name})")
            }
            ExprKind::InArm(id, arm, keys) => {
                let experiment = self.program.experiments.get(id.index());
                let arm = experiment.and_then(|experiment| experiment.arms.get(usize::from(*arm)));
                let range = arm.map(|arm| (arm.low, arm.high));
                let name = experiment.map_or("", |experiment| &experiment.name);
                let shape = experiment.map(|experiment| &experiment.keys);
                format!("(arm {name} {shape:?} {range:?} {})", self.keys(world, keys))
            }
            ExprKind::Call(id, args) if !super::is_drawn(expr) || !args.is_empty() => {
                let draw = if super::is_drawn(expr) {
                    self.draws += 1;
                    self.draws
                } else {
                    0
                };
                format!("({id:?} {draw} {})", self.keys(world, args))
            }
            ExprKind::Not(inner) => format!("(not {})", self.key(world, inner)),
            ExprKind::And(left, right) => {
                format!("(and {} {})", self.key(world, left), self.key(world, right))
            }
            ExprKind::Or(left, right) => {
                format!("(or {} {})", self.key(world, left), self.key(world, right))
            }
            ExprKind::If(condition, then, otherwise) => {
                let parts = [self.key(world, condition), self.key(world, then), self.key(world, otherwise)];
                format!("(if {parts:?})")
            }
            _ => match self.leaf(world, expr) {
                Some(leaf) => format!("leaf {}", leaf.0),
                // What only tests have.
                None => format!("{:?}", expr.without_places().kind),
            },
        };
        world.node(text)
    }

    fn keys(&mut self, world: &mut World, parts: &'p [Expr]) -> String {
        let keys: Vec<String> = parts.iter().map(|part| self.key(world, part).to_string()).collect();
        keys.join(" ")
    }

    /// The text of a row and a cell.
    pub fn row_key(&mut self, world: &mut World, row: &'p Row, cell: u8) -> String {
        let program = self.program;
        let name = |cells: &[tcpc_lang::hir::Cell]| {
            cells
                .get(usize::from(cell))
                .map_or(String::new(), |cell| format!("{} {}", cell.name, cell.default))
        };
        match row {
            Row::Flow => {
                format!("flow.{}", program.flow.as_ref().map_or(String::new(), |flow| name(&flow.cells)))
            }
            Row::Table(id, keys) => {
                let parts = self.keys(world, keys);
                let table = program.tables.get(id.index());
                let (title, cells) = table.map_or(("", &[][..]), |table| (&table.name, &table.cells));
                let cuts: Vec<_> = table.iter().flat_map(|table| &table.keys).map(|key| key.cut).collect();
                format!("{title} {cuts:?} [{parts}].{}", name(cells))
            }
        }
    }
}
