//! Random statements.

use tcpc_stdlib::unit::Type;

use super::expr::{CHANGERS, QUANTITIES};
use super::literal::{literal, of_option};
use super::scope::Site;
use super::{Maker, operation};
use crate::tree::{Node, Part, Sort, many, one, optional, text};

/// What a counter can be kept by.
const KEYS: &[Type] =
    &[Type::Ip, Type::Port, Type::Int, Type::State, Type::Family, Type::Bool, Type::Duration];
/// What a histogram can hold, without those that are taken for one another.
const MEASURED: &[Type] = &[Type::Duration, Type::Size, Type::Rate, Type::Percent, Type::Int];

impl Maker<'_> {
    /// `{ STATEMENTS }`.
    pub fn block(&mut self, site: &Site, depth: u32) -> Vec<Part> {
        let mut site = site.clone();
        let mut statements = Vec::new();
        for _ in 0..1 + self.random.below(4) {
            statements.push(self.statement(&mut site, depth));
        }
        if self.random.one_in(12) {
            statements.push(self.end(&site));
        }
        vec![text("{\n"), many("\n", statements), text("\n}")]
    }

    fn statement(&mut self, site: &mut Site, depth: u32) -> Node {
        match self.random.below(15) {
            14 if !site.writable().is_empty() => self.watched(site),
            0..4 => self.assignment(site),
            4 | 5 => self.change(site),
            6 => self.count(site),
            7 => {
                let ty = self.random.pick(MEASURED);
                let value = self.moving(site, ty, 2);
                Node::new(Sort::Statement, [text(format!("observe h_{} = ", ty.name())), one(value)])
            }
            8 => self.emit(site),
            9 | 10 => self.local(site),
            _ if depth == 0 => self.assignment(site),
            _ => self.branch(site, depth - 1),
        }
    }

    /// A field is read before, between and after what may change it.
    fn watched(&mut self, site: &Site) -> Node {
        let field = self.random.pick(&site.writable());
        let mut statements = Vec::new();
        for round in 0..2 + self.random.below(2) {
            let wanted = self.random.below(3);
            let read = format!("if {field} == {wanted} {{ count c{round} }}");
            statements.push(Node::text(Sort::Statement, read));
            let change = Node::text(Sort::Statement, format!("{field} = {}", self.random.below(3)));
            statements.push(match self.random.below(3) {
                0 => change,
                _ => {
                    let condition = self.condition(site, 1);
                    let parts = [text("if "), one(condition), text(" { "), one(change), text(" }")];
                    Node::new(Sort::Statement, parts)
                }
            });
        }
        statements.push(Node::text(Sort::Statement, format!("if {field} == 1 {{ count by_hash }}")));
        Node::new(Sort::Statement, [many("\n", statements)])
    }

    /// `stop`, or an answer where one is asked for.
    fn end(&mut self, site: &Site) -> Node {
        match self.reply(site) {
            Some(reply) if self.random.one_in(2) => reply,
            _ => Node::text(Sort::Statement, "stop"),
        }
    }

    /// `-> VALUE`, if the events ask for values of one type.
    pub fn reply(&mut self, site: &Site) -> Option<Node> {
        let asked: Option<Vec<Type>> = site.events.iter().map(|event| Some(event.reply?.ty)).collect();
        let asked = asked?;
        let ty = *asked.first()?;
        if asked.iter().any(|other| *other != ty) {
            return None;
        }
        let value = match self.random.below(8) {
            0 => Node::text(Sort::Other, "default"),
            // The kernel's own unit.
            1 if ty == Type::Duration => self.moving(site, Type::Int, 2),
            2 | 3 => Node::text(
                Sort::Expr(ty),
                match ty {
                    Type::Bool => "true".to_string(),
                    Type::Packets => (1 + self.random.below(0xffff)).to_string(),
                    _ => (self.random.pick(&["10ms", "1us", "1500us", "3s", "2min", "7ms"])).to_string(),
                },
            ),
            _ => self.moving(site, ty, 3),
        };
        Some(Node::new(Sort::Statement, [text("-> "), one(value)]))
    }

    fn assignment(&mut self, site: &Site) -> Node {
        let writable = site.writable();
        if !writable.is_empty() && self.random.one_in(8) {
            let name = self.random.pick(&writable);
            let value = self.moving(site, Type::Int, 2);
            return Node::new(Sort::Statement, [text(format!("{name} = ")), one(value)]);
        }
        let options = site.assignable();
        if options.is_empty() {
            return self.count(site);
        }
        let changers: Vec<_> = options.iter().copied().filter(|one| CHANGERS.contains(&one.name)).collect();
        let option = match !changers.is_empty() && self.random.one_in(6) {
            true => self.random.pick(&changers),
            false => self.random.pick(&options),
        };
        let alternatives = if self.random.one_in(4) { 2 + self.random.below(2) } else { 1 };
        let values = (0..alternatives).map(|_| {
            if option.ty == Type::Name || self.random.one_in(2) {
                return Node::text(Sort::Expr(option.ty), of_option(self.random, option));
            }
            let mut params = self.declared.params.iter().filter(|param| param.ty == option.ty);
            if let Some(param) = params.next().filter(|_| self.random.one_in(4)) {
                return Node::text(Sort::Expr(option.ty), param.name.clone());
            }
            let value = self.moving(site, option.ty, 2);
            // An alternative is no condition of its own.
            Node::new(Sort::Expr(option.ty), [text("("), one(value), text(")")])
        });
        let values = values.collect();
        Node::new(Sort::Statement, [text(format!("{} = ", option.name)), many(" or ", values)])
    }

    /// `flow.x = …`, `table[key].x += …`
    fn change(&mut self, site: &Site) -> Node {
        let tables = self.declared.tables.len();
        let of_flow =
            !self.declared.flow.is_empty() && site.has_socket() && (tables == 0 || self.random.one_in(2));
        if of_flow {
            let (name, ty) = self.random.one_of(&self.declared.flow).clone();
            let op = self.change_op(ty);
            let value = self.expr(site, ty, 2);
            return Node::new(Sort::Statement, [text(format!("flow.{name} {op} ")), one(value)]);
        }
        if tables == 0 {
            return self.count(site);
        }
        let at = self.random.index(tables);
        let (cell, ty) = self.random.one_of(&self.declared.tables[at].cells).clone();
        let row = self.row(site, at, 1);
        let (lru, per_cpu) = (self.declared.tables[at].lru, self.declared.tables[at].per_cpu);
        let op = match self.change_op(ty) {
            _ if per_cpu => "+=",
            "-=" if lru => "+=",
            op => op,
        };
        let reads_itself = op == "=" && !lru && QUANTITIES.contains(&ty) && self.random.one_in(2);
        // What does not depend on the row is computed before it is locked, also where it is not needed: whether a number
        // is drawn then is nobody's business.
        let other = Site { changing: Some(at), steady: site.steady || reads_itself, ..site.clone() };
        let value = self.expr(&other, ty, 2);
        let value = match reads_itself {
            true => {
                let second = self.expr(&other, ty, 1);
                self.built_on_itself(&row, &cell, value, second)
            }
            false => value,
        };
        Node::new(Sort::Statement, [one(row), text(format!(".{cell} {op} ")), one(value)])
    }

    /// A value that depends on the cell that it is for.
    fn built_on_itself(&mut self, row: &Node, cell: &str, value: Node, second: Node) -> Node {
        let Sort::Expr(ty) = value.sort else { return value };
        let itself = || Node::new(Sort::Expr(ty), [one(row.clone()), text(format!(".{cell}"))]);
        match self.random.below(4) {
            0 => operation(ty, itself(), "+", value),
            1 => super::call(ty, "min", vec![operation(ty, itself(), "+", value), second]),
            2 => super::call(ty, "max", vec![itself(), value]),
            _ => {
                let limit = self.constant(ty);
                let test = operation(Type::Bool, itself(), ">", limit);
                Node::new(
                    Sort::Expr(ty),
                    [
                        text("(if "),
                        one(test),
                        text(" then "),
                        one(value),
                        text(" else "),
                        one(itself()),
                        text(")"),
                    ],
                )
            }
        }
    }

    fn change_op(&mut self, ty: Type) -> &'static str {
        let ops: &[&'static str] = if QUANTITIES.contains(&ty) { &["=", "+=", "+=", "-="] } else { &["="] };
        self.random.pick(ops)
    }

    fn count(&mut self, site: &Site) -> Node {
        if self.random.one_in(2) {
            // The first counter of the module `names` is `names::c0`.
            let name = self.random.pick(&["c0", "c1", "c2", "names__c0"]);
            return Node::text(Sort::Statement, format!("count {name}"));
        }
        let ty = self.random.pick(KEYS);
        let key = self.moving(site, ty, 1);
        // Names of maps that the kernel cuts to the same.
        let name = if self.random.one_in(3) { "counted_so_often_by" } else { "by" };
        Node::new(Sort::Statement, [text(format!("count {name}_{} by ", ty.name())), one(key)])
    }

    fn emit(&mut self, site: &Site) -> Node {
        if self.declared.records.is_empty() {
            return self.count(site);
        }
        let (name, fields) = self.random.one_of(&self.declared.records).clone();
        let mut parts = vec![text(format!("emit {name} {{ "))];
        for (field, ty) in fields {
            let value = self.expr(site, ty, 1);
            parts.extend([text(format!("{field} = ")), one(value), text("; ")]);
        }
        parts.push(text("}"));
        Node::new(Sort::Statement, parts)
    }

    /// `let NAME = EXPR`: the name can be used from then on.
    fn local(&mut self, site: &mut Site) -> Node {
        let ty = match self.random.below(5) {
            0 => Type::Ip,
            1 => self.random.pick(Type::CELLS),
            _ => self.random.pick(QUANTITIES),
        };
        let value = self.moving(site, ty, 3);
        let name = self.fresh("x");
        site.names.push((name.clone(), ty));
        Node::new(Sort::Statement, [text(format!("let {name} = ")), one(value)])
    }

    fn branch(&mut self, site: &Site, depth: u32) -> Node {
        let asks_role = !site.full && site.has_role() && self.random.one_in(4);
        let condition = match asks_role {
            true => Node::text(Sort::Other, "role == client"),
            false => self.moving(site, Type::Bool, 2),
        };
        let inside = Site { full: site.full || asks_role, ..site.clone() };
        let then = self.block(&inside, depth);
        let otherwise = self.random.one_in(2).then(|| self.block(site, depth));
        let otherwise = otherwise.map(|block| {
            let mut parts = vec![text(" else ")];
            parts.extend(block);
            Node::new(Sort::Other, parts)
        });
        let mut parts = vec![text("if "), one(condition), text(" ")];
        parts.extend(then);
        parts.push(optional(otherwise));
        Node::new(Sort::Statement, parts)
    }

    /// The fields of a header option with values, as they are sent.
    pub fn header_values(&mut self, site: &Site, header: usize) -> Vec<Node> {
        let fields = self.declared.headers[header].fields.clone();
        let mut values = Vec::new();
        for (name, bits) in fields {
            if self.random.one_in(4) {
                continue;
            }
            let value = match self.random.one_in(2) {
                true => self.moving(site, Type::Int, 2),
                false => Node::text(Sort::Expr(Type::Int), self.field_value(bits)),
            };
            values.push(Node::new(Sort::Other, [text(format!("{name} = ")), one(value)]));
        }
        values
    }

    /// A number that fits into so many bits.
    pub fn field_value(&mut self, bits: u8) -> String {
        let max = u64::MAX >> (64 - u32::from(bits));
        let value = literal(self.random, Type::Int).parse::<u64>().unwrap_or(0);
        (value & max).to_string()
    }
}
