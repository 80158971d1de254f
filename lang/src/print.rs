//! Tokens and trees as text, for golden files and for looking at what the parser saw.
//!
//! A tree is printed one node to a line and by depth; expressions are prefix notation on one line,
//! so that precedence shows: `a + b * c` is `(+ a (* b c))`.

use std::fmt::Write;

use crate::ast::*;
use crate::source::SourceFile;
use crate::token::lex;

/// Every token with its place: `3:1 On`.
pub fn tokens(source: &SourceFile) -> String {
    let mut text = String::new();
    for (token, span) in lex(source.text()).0 {
        let (line, column) = source.line_column(span.start);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{line}:{column}-{} {token:?}", column + span.end - span.start);
    }
    text
}

/// A whole tree.
pub fn policy(policy: &Policy) -> String {
    let mut printer = Printer::default();
    policy.items.iter().for_each(|item| printer.item(item));
    printer.text
}

#[derive(Default)]
struct Printer {
    text: String,
    depth: usize,
}

impl Printer {
    fn line(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.text, "{:indent$}{}", "", line.as_ref(), indent = 2 * self.depth);
    }

    fn nested(&mut self, body: impl FnOnce(&mut Printer)) {
        self.depth += 1;
        body(self);
        self.depth -= 1;
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Const(Const { name, value, .. }) => {
                self.line(format!("const {} {}", name.text, expr(value)))
            }
            Item::Let(Let { name, params: None, value, .. }) => {
                self.line(format!("let {} {}", name.text, expr(value)));
            }
            Item::Let(Let { name, params: Some(params), value, .. }) => {
                let params: Vec<&str> = params.iter().map(|param| param.text.as_str()).collect();
                self.line(format!("let {}({}) {}", name.text, params.join(" "), expr(value)));
            }
            Item::Set(Set { name, from: Some(from), .. }) => {
                self.line(format!("set {} from {:?}", name.text, from.text));
            }
            Item::Set(Set { name, elements, .. }) => {
                self.line(format!("set {} {}", name.text, list(elements)))
            }
            Item::Use(item) => self.line(used(item)),
            Item::Param(param) => {
                let Param { name, ty, value, range, .. } = &**param;
                let ty = ty.as_ref().map_or(String::new(), |ty| format!(": {}", ty.text));
                let range = range.as_ref().map_or(String::new(), |range| format!(" in {}", expr(range)));
                self.line(format!("param {}{ty} {}{range}", name.text, expr(value)));
            }
            Item::MutableSet(set) => {
                let MutableSet { name, element, limit, elements, from, .. } = &**set;
                let limit =
                    limit.as_ref().map_or(String::new(), |(word, n)| format!(" {} {}", word.text, expr(n)));
                let elements = match from {
                    Some(from) => format!("from {:?}", from.text),
                    None => list(elements),
                };
                self.line(format!("mutable set {}: {}{limit} {elements}", name.text, element.text));
            }
            Item::Header(header) => self.header(header),
            Item::Flow(flow) => {
                self.line("flow");
                self.cells(&flow.cells);
            }
            Item::Table(table) => {
                let keys: Vec<String> = table.keys.iter().map(key).collect();
                let clause = |(word, number): &(Name, Option<(u64, crate::source::Span)>)| match number {
                    Some((number, _)) => format!(" {} {number}", word.text),
                    None => format!(" {}", word.text),
                };
                let clauses: String = table.clauses.iter().map(clause).collect();
                self.line(format!("table {} by {}{clauses}", table.name.text, keys.join(" ")));
                self.cells(&table.cells);
            }
            Item::Record(record) => {
                self.line(format!("event {}", record.name.text));
                self.nested(|inner| {
                    let fields = record.fields.iter();
                    fields.for_each(|(name, ty)| inner.line(format!("{} {}", name.text, ty.text)));
                });
            }
            Item::Experiment(experiment) => self.experiment(experiment),
            Item::Rule(rule) => self.rule(rule),
            Item::Test(test) => {
                self.line(format!("test {:?}", test.name));
                self.nested(|inner| test.steps.iter().for_each(|step| inner.step(step)));
            }
            Item::Error(_) => self.line("error"),
        }
    }

    fn header(&mut self, header: &Header) {
        let id =
            header.id.as_ref().map_or(String::new(), |(word, id)| format!(" {} {:#06x}", word.text, id.0));
        self.line(format!("option {} {} {:#x}{id}", header.name.text, header.word.text, header.number.0));
        self.nested(|inner| {
            header.fields.iter().for_each(|(name, ty)| inner.line(format!("{} {}", name.text, ty.text)));
        });
    }

    fn cells(&mut self, cells: &[Cell]) {
        self.nested(|inner| {
            for cell in cells {
                let default =
                    cell.default.as_ref().map_or(String::new(), |value| format!(" {}", expr(value)));
                inner.line(format!("{} {}{default}", cell.name.text, cell.ty.text));
            }
        });
    }

    fn experiment(&mut self, experiment: &Experiment) {
        let keys: Vec<String> = experiment.keys.iter().map(key).collect();
        self.line(format!("experiment {} {}", experiment.name.text, keys.join(" ")));
        self.nested(|inner| {
            for part in &experiment.parts {
                match part {
                    ExperimentPart::Arm(name, rules) => {
                        inner.line(format!("arm {}", name.text));
                        inner.nested(|inner| rules.iter().for_each(|rule| inner.rule(rule)));
                    }
                    ExperimentPart::Split(shares, _) => inner.line(format!("split {shares:?}")),
                    ExperimentPart::Measure(metrics) => metrics.iter().for_each(|(name, value)| {
                        let value = value.as_ref().map_or(String::new(), |value| format!(" {}", expr(value)));
                        inner.line(format!("measure {}{value}", name.text));
                    }),
                }
            }
        });
    }

    fn rule(&mut self, rule: &Rule) {
        let label = rule.label.as_ref().map_or(String::new(), |label| format!(" {}:", label.text));
        let names: Vec<&str> = rule.head.names().into_iter().map(|name| name.text.as_str()).collect();
        let word = match &rule.head {
            Head::On(_) => "rule",
            Head::Receive(..) => "receive",
            Head::Send(..) => "send",
        };
        self.line(format!("{word}{label} {}", names.join(" ")));
        self.nested(|inner| {
            if let Some(sample) = &rule.sample {
                inner.line(format!("sample {}", expr(sample)));
            }
            if let Some(condition) = &rule.condition {
                inner.line(format!("when {}", expr(condition)));
            }
            match &rule.body {
                Body::Reply(reply) => inner.reply(reply),
                Body::Fields(fields) => {
                    fields
                        .iter()
                        .for_each(|(name, value)| inner.line(format!("{} {}", name.text, expr(value))));
                }
                Body::Block(block) => block.iter().for_each(|stmt| inner.stmt(stmt)),
            }
        });
    }

    fn reply(&mut self, reply: &Reply) {
        self.line(format!("reply {}", reply.value.as_ref().map_or("default".into(), expr)));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Assign { target, alternatives, .. } => {
                let values: Vec<String> = alternatives.iter().map(expr).collect();
                self.line(format!("assign {} {}", target.text, values.join(" else ")));
            }
            Stmt::Change { place, op, value, .. } => {
                self.line(format!("change {} {} {}", self::place(place), op.text(), expr(value)));
            }
            Stmt::Count { name, by, .. } => {
                let by = by.as_ref().map_or(String::new(), |by| format!(" by {}", expr(by)));
                self.line(format!("count {}{by}", name.text));
            }
            Stmt::Observe { name, value, .. } => self.line(format!("observe {} {}", name.text, expr(value))),
            Stmt::Emit { name, fields, .. } => {
                let fields = fields.iter().map(|(name, value)| format!(" {}={}", name.text, expr(value)));
                self.line(format!("emit {}{}", name.text, fields.collect::<String>()));
            }
            Stmt::Let { name, value, .. } => self.line(format!("let {} {}", name.text, expr(value))),
            Stmt::If { condition, then, otherwise, .. } => {
                self.line(format!("if {}", expr(condition)));
                self.nested(|inner| then.iter().for_each(|stmt| inner.stmt(stmt)));
                if !otherwise.is_empty() {
                    self.line("else");
                    self.nested(|inner| otherwise.iter().for_each(|stmt| inner.stmt(stmt)));
                }
            }
            Stmt::Stop(_) => self.line("stop"),
            Stmt::Reply(reply) => self.reply(reply),
            Stmt::Unsupported(keyword) => self.line(format!("unsupported {}", keyword.text)),
            Stmt::Error(_) => self.line("error"),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Given(settings) => settings.iter().for_each(|given| self.line(setting(given))),
            Step::Fire { event, args, expect, .. } => {
                let args: String =
                    args.iter().map(|(name, value)| format!(" {}={}", name.text, expr(value))).collect();
                let expect =
                    expect.as_ref().map_or(String::new(), |value| format!(" expect {}", expr(value)));
                self.line(format!("fire {}{args}{expect}", event.text));
            }
            Step::Transmit { segment, expect, .. } => {
                let expect =
                    expect.as_ref().map_or(String::new(), |value| format!(" expect {}", expr(value)));
                self.line(format!("transmit {}{expect}", segment.text));
            }
            Step::Advance(value) => self.line(format!("advance {}", expr(value))),
            Step::Expect(value) => self.line(format!("expect {}", expr(value))),
            Step::Connection { name, steps, .. } => {
                self.line(format!("connection {}", name.text));
                self.nested(|inner| steps.iter().for_each(|step| inner.step(step)));
            }
            Step::Error(_) => self.line("error"),
        }
    }
}

fn setting(given: &Given) -> String {
    match given {
        Given::Value { name, value, port, .. } => {
            let port = port.as_ref().map_or(String::new(), |port| format!(" port {}", expr(port)));
            format!("given {} {}{port}", name.text, expr(value))
        }
        Given::Fails { name, value, errno, .. } => {
            let value = value.as_ref().map_or(String::new(), |value| format!(" {}", expr(value)));
            format!("given {}{value} fails {}", name.text, errno.text)
        }
        Given::Header { name, fields, .. } => {
            let fields: String =
                fields.iter().map(|(name, value)| format!(" {}={}", name.text, expr(value))).collect();
            format!("given {}{fields}", name.text)
        }
        Given::Cell { place, value, .. } => format!("given {} {}", self::place(place), expr(value)),
        Given::Has { name, elements, .. } => format!("given {} has {}", name.text, list(elements)),
        Given::Kernel { version: (major, minor), .. } => format!("given kernel {major}.{minor}"),
    }
}

fn key(key: &Key) -> String {
    match key.cut {
        Some((v4, Some(v6), _)) => format!("{}/({v4} {v6})", key.name.text),
        Some((bits, None, _)) => format!("{}/{bits}", key.name.text),
        None => key.name.text.clone(),
    }
}

fn place(place: &Place) -> String {
    let keys: Vec<String> = place.keys.iter().flatten().map(expr).collect();
    let keys = if keys.is_empty() { String::new() } else { format!("[{}]", keys.join(" ")) };
    let cell = place.cell.as_ref().map_or("?", |cell| cell.text.as_str());
    format!("{}{keys}.{cell}", place.object.text)
}

fn list(elements: &[Expr]) -> String {
    let elements: Vec<String> = elements.iter().map(expr).collect();
    format!("{{{}}}", elements.join(" "))
}

fn expr(expr: &Expr) -> String {
    let node = |head: &str, operands: &[&Expr]| {
        let operands: String = operands.iter().map(|operand| format!(" {}", self::expr(operand))).collect();
        format!("({head}{operands})")
    };
    match &expr.kind {
        ExprKind::Int(value) => value.to_string(),
        ExprKind::Quantity(quantity, value) => format!("{value}{}", unit(*quantity)),
        ExprKind::Str(text) => format!("{text:?}"),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Ip(ip) => std::net::Ipv6Addr::from(*ip).to_string(),
        ExprKind::Prefix(ip, length) => format!("{}/{length}", std::net::Ipv6Addr::from(*ip)),
        ExprKind::Name(name) => name.clone(),
        ExprKind::Member(object, field) => format!("{}.{}", object.text, field.text),
        ExprKind::Cell(place) => self::place(place),
        ExprKind::Call(name, args) => {
            let args = args.iter().map(|(name, value)| match name {
                Some(name) => format!(" {}:{}", name.text, self::expr(value)),
                None => format!(" {}", self::expr(value)),
            });
            format!("({}(){})", name.text, args.collect::<String>())
        }
        ExprKind::Not(operand) => node("not", &[operand]),
        ExprKind::Binary(op, left, right) => node(symbol(*op), &[left, right]),
        ExprKind::In(left, right) => node("in", &[left, right]),
        ExprKind::Range(low, high) => node("..", &[low, high]),
        ExprKind::List(elements) => list(elements),
        ExprKind::If(condition, then, otherwise) => node("if", &[condition, then, otherwise]),
        ExprKind::Counter(name) => format!("(counter {})", name.text),
        ExprKind::Observed(name) => format!("(observed {})", name.text),
        ExprKind::Emitted(name) => format!("(emitted {})", name.text),
        ExprKind::Rule(name) => format!("(rule {})", name.text),
        ExprKind::KernelHas { reading, name } => {
            format!("(kernel has{} {})", if *reading { " reading" } else { "" }, name.text)
        }
        ExprKind::Default => "default".into(),
        ExprKind::Error => "error".into(),
    }
}

fn unit(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Duration => "ns",
        Quantity::Size => "B",
        Quantity::Rate => "B/s",
        Quantity::Percent => "/2^32",
    }
}

fn used(item: &Use) -> String {
    let word = if item.include { "include" } else { "use" };
    let alias = item.alias.as_ref().map_or(String::new(), |alias| format!(" as {}", alias.text));
    let names = item.names.as_ref().map_or(String::new(), |names| {
        let names: Vec<&str> = names.iter().map(|name| name.text.as_str()).collect();
        format!(" {{ {} }}", names.join(" "))
    });
    format!("{word} {}{alias}{names}", item.module)
}

fn symbol(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Or => "or",
        BinaryOp::And => "and",
        BinaryOp::Eq => "==",
        BinaryOp::Ne => "!=",
        BinaryOp::Lt => "<",
        BinaryOp::Le => "<=",
        BinaryOp::Gt => ">",
        BinaryOp::Ge => ">=",
        BinaryOp::BitOr => "|",
        BinaryOp::BitXor => "^",
        BinaryOp::BitAnd => "&",
        BinaryOp::Shl => "<<",
        BinaryOp::Shr => ">>",
        BinaryOp::Add => "+",
        BinaryOp::Sub => "-",
        BinaryOp::Mul => "*",
        BinaryOp::Div => "/",
        BinaryOp::Rem => "%",
    }
}
