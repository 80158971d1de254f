//! The typed tree as text, for golden files and for people who look for a mistake.
//!
//! Every operation is in parentheses with its operator first, as in `(== remote_port 443)`.

use std::fmt::{self, Display, Formatter, Write};

use super::{
    Cell, Expr, ExprKind, Given, HeaderOption, Key, Program, ReplyValue, Role, Row, Rule, Set, Step, Stmt,
    StmtKind, Table, Test,
};
use crate::show::{show, show_element, show_ip, show_value};
use tcpc_stdlib::builtin::BUILTINS;
use tcpc_stdlib::unit::Type;

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, set) in self.sets.iter().enumerate() {
            write_set(f, index, set)?;
        }
        for param in &self.params {
            let (low, high) = param.range;
            let (default, low, high) =
                (show(param.ty, param.default), show(param.ty, low), show(param.ty, high));
            writeln!(f, "param {} of {}: {default} in {low} .. {high}", param.name, param.ty)?;
        }
        for set in &self.mutable_sets {
            writeln!(f, "mutable set {} of {}, at most {}", set.name, set.element, set.max)?;
            for &(address, length) in &set.elements {
                writeln!(f, "    {}", show_element(set.element, address, length))?;
            }
        }
        for counter in &self.counters {
            match counter.key {
                Some(key) => writeln!(f, "counter {} by {key}", counter.name)?,
                None => writeln!(f, "counter {}", counter.name)?,
            }
        }
        for histogram in &self.histograms {
            writeln!(f, "histogram {} of {}", histogram.name, histogram.ty)?;
        }
        for record in &self.records {
            writeln!(f, "event {}, {} bytes", record.name, record.size())?;
            for field in &record.fields {
                writeln!(f, "    {} at {}: {}", field.name, field.offset, field.ty)?;
            }
        }
        for header in &self.headers {
            write_header(f, header)?;
        }
        if let Some(flow) = &self.flow {
            writeln!(f, "flow")?;
            write_cells(f, &flow.cells)?;
        }
        for table in &self.tables {
            write_table(f, table)?;
        }
        for experiment in &self.experiments {
            writeln!(f, "experiment {} by {}", experiment.name, experiment.key)?;
            for arm in &experiment.arms {
                writeln!(f, "    arm {}: {}..{}", arm.name, arm.low, arm.high)?;
            }
            for metric in &experiment.metrics {
                writeln!(f, "    measure {} in {:?}", metric.name, metric.unit)?;
            }
        }
        for rule in &self.rules {
            self.write_rule(f, rule)?;
        }
        for test in &self.tests {
            self.write_test(f, test)?;
        }
        for requirement in &self.requirements {
            writeln!(f, "requires {} for {}", requirement.since, requirement.construct)?;
        }
        for row in &self.reliances {
            writeln!(f, "{} stands for {}", row.asked.written(), row.needed.construct)?;
        }
        Ok(())
    }
}

impl Program {
    /// An expression as text.
    pub fn show_expr(&self, expr: &Expr) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_expr(&mut text, expr);
        text
    }

    fn write_rule(&self, f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
        let events: Vec<&str> = rule.events.iter().map(|event| event.name).collect();
        write!(f, "rule {} on {}", rule.name, events.join(", "))?;
        if let Some(condition) = &rule.condition {
            write!(f, "\n    when {}", self.show_expr(condition))?;
        }
        writeln!(f)?;
        self.write_block(f, &rule.body, 1)
    }

    fn write_block(&self, f: &mut Formatter<'_>, block: &[Stmt], depth: usize) -> fmt::Result {
        for stmt in block {
            let indent = "    ".repeat(depth);
            match &stmt.kind {
                StmtKind::Assign(ids) => {
                    let rows = ids.iter().filter_map(|id| self.assignments.get(id.index()));
                    let rows: Vec<_> = rows.collect();
                    let option = rows.first().map_or("", |row| row.option.name);
                    let values: Vec<String> = rows.iter().map(|row| self.show_expr(&row.value)).collect();
                    writeln!(f, "{indent}{option} = {}", values.join(" or "))?;
                }
                StmtKind::SetField(field, value) => {
                    writeln!(f, "{indent}{} = {}", field.name, self.show_expr(value))?;
                }
                StmtKind::Send(id) => writeln!(f, "{indent}send {}", self.show_send(id.index()))?,
                StmtKind::Change { row, cell, op, value } => {
                    let (cell, value) = (self.show_cell(row, *cell), self.show_expr(value));
                    writeln!(f, "{indent}{cell} {} {value}", op.text())?;
                }
                StmtKind::Open(id, arm) => writeln!(f, "{indent}open {}", self.arm(id.index(), *arm))?,
                StmtKind::Outcome(id, arm, values) => {
                    let values: Vec<String> = values.iter().map(|value| self.show_expr(value)).collect();
                    writeln!(f, "{indent}outcome {} {{{}}}", self.arm(id.index(), *arm), values.join(", "))?;
                }
                StmtKind::Count(id, key) => {
                    let name = self.counters.get(id.index()).map_or("", |counter| &counter.name);
                    match key {
                        Some(key) => writeln!(f, "{indent}count {name} by {}", self.show_expr(key))?,
                        None => writeln!(f, "{indent}count {name}")?,
                    }
                }
                StmtKind::Observe(id, value) => {
                    writeln!(
                        f,
                        "{indent}observe {} = {}",
                        self.histogram(id.index()),
                        self.show_expr(value)
                    )?;
                }
                StmtKind::Emit(id, values) => {
                    let values: Vec<String> = values.iter().map(|value| self.show_expr(value)).collect();
                    writeln!(f, "{indent}emit {} {{{}}}", self.record(id.index()), values.join(", "))?;
                }
                StmtKind::Let(id, value) => {
                    writeln!(f, "{indent}let {} = {}", self.local(id.index()), self.show_expr(value))?;
                }
                StmtKind::If(condition, then, otherwise) => {
                    writeln!(f, "{indent}if {}", self.show_expr(condition))?;
                    self.write_block(f, then, depth + 1)?;
                    if !otherwise.is_empty() {
                        writeln!(f, "{indent}else")?;
                        self.write_block(f, otherwise, depth + 1)?;
                    }
                }
                StmtKind::Stop => writeln!(f, "{indent}stop")?,
                StmtKind::Reply(ReplyValue::Typed(value)) => {
                    writeln!(f, "{indent}reply {}", self.show_expr(value))?;
                }
                StmtKind::Reply(ReplyValue::Raw(value)) => {
                    writeln!(f, "{indent}reply raw {}", self.show_expr(value))?;
                }
            }
        }
        Ok(())
    }

    fn write_test(&self, f: &mut Formatter<'_>, test: &Test) -> fmt::Result {
        writeln!(f, "test \"{}\"", test.name)?;
        self.write_steps(f, &test.steps, 1)
    }

    fn write_steps(&self, f: &mut Formatter<'_>, steps: &[Step], depth: usize) -> fmt::Result {
        let indent = "    ".repeat(depth);
        for step in steps {
            match step {
                Step::Given(given) => writeln!(f, "{indent}given {}", show_given(given))?,
                Step::Fire { event, args, .. } if event.args.is_empty() => {
                    debug_assert_eq!(args, &[0; 4]);
                    writeln!(f, "{indent}fire {}", event.name)?;
                }
                Step::Fire { event, args, .. } => writeln!(f, "{indent}fire {} {args:?}", event.name)?,
                Step::Transmit { segment, .. } => writeln!(f, "{indent}transmit {}", segment.name)?,
                Step::Advance(nanos) => writeln!(f, "{indent}advance {}", show(Type::Duration, *nanos))?,
                Step::Expect(expect) => writeln!(f, "{indent}expect {}", self.show_expr(expect))?,
                Step::Connection { name, steps } => {
                    writeln!(f, "{indent}connection {name}")?;
                    self.write_steps(f, steps, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    fn show_cell(&self, row: &Row, cell: u8) -> String {
        let name = |cells: &[Cell]| cells.get(usize::from(cell)).map_or("?".into(), |cell| cell.name.clone());
        match row {
            Row::Flow => format!("flow.{}", self.flow.as_ref().map_or("?".into(), |flow| name(&flow.cells))),
            Row::Table(id, keys) => {
                let Some(table) = self.tables.get(id.index()) else { return "?".into() };
                let keys: Vec<String> = keys.iter().map(|key| self.show_expr(key)).collect();
                format!("{}[{}].{}", table.name, keys.join(", "), name(&table.cells))
            }
        }
    }

    fn histogram(&self, index: usize) -> &str {
        self.histograms.get(index).map_or("?", |histogram| &histogram.name)
    }

    fn record(&self, index: usize) -> &str {
        self.records.get(index).map_or("?", |record| &record.name)
    }

    fn header(&self, index: usize) -> &str {
        self.headers.get(index).map_or("?", |header| &header.name)
    }

    fn header_field(&self, header: usize, index: u8) -> String {
        let fields = self.headers.get(header).map(|header| header.fields.as_slice()).unwrap_or_default();
        let field = fields.get(usize::from(index)).map_or("?", |field| &field.name);
        format!("{}.{field}", self.header(header))
    }

    fn arm(&self, experiment: usize, arm: u8) -> String {
        let experiment = self.experiments.get(experiment);
        let arm = experiment.and_then(|experiment| experiment.arms.get(usize::from(arm)));
        let name = experiment.map_or("?", |experiment| &experiment.name);
        format!("{name}.{}", arm.map_or("?", |arm| &arm.name))
    }

    fn show_send(&self, index: usize) -> String {
        let Some(send) = self.sends.get(index) else { return "?".to_string() };
        let values: Vec<String> = send.values.iter().map(|value| self.show_expr(value)).collect();
        format!("{} {{{}}}", self.header(send.header.index()), values.join(", "))
    }

    fn local(&self, index: usize) -> String {
        let name = self.locals.get(index).map_or("?", |local| &local.name);
        format!("{name}.{index}")
    }

    fn write_expr(&self, out: &mut String, expr: &Expr) -> fmt::Result {
        match &expr.kind {
            ExprKind::Const(value) => out.write_str(&show_value(expr.ty, value)),
            ExprKind::Field(field) => out.write_str(field.name),
            ExprKind::Arg(_, arg) => out.write_str(arg.name),
            ExprKind::Option(option) => out.write_str(option.name),
            ExprKind::Local(id) => out.write_str(&self.local(id.index())),
            ExprKind::Let(id, value, body) => {
                write!(out, "(let {} ", self.local(id.index()))?;
                self.write_operands(out, &[value, body])
            }
            ExprKind::Not(operand) => {
                out.write_str("(not ")?;
                self.write_operands(out, &[operand])
            }
            ExprKind::And(left, right) => self.write_operation(out, "and", left, right),
            ExprKind::Or(left, right) => self.write_operation(out, "or", left, right),
            ExprKind::Compare(op, left, right) => self.write_operation(out, op.text(), left, right),
            ExprKind::Arith(op, left, right) => self.write_operation(out, op.text(), left, right),
            ExprKind::If(condition, then, otherwise) => {
                out.write_str("(if ")?;
                self.write_operands(out, &[condition, then, otherwise])
            }
            ExprKind::Call(id, args) => {
                let row = BUILTINS.iter().find(|row| row.id == *id);
                let name = row.map_or("?", |row| row.name);
                if args.is_empty() {
                    return write!(out, "({name})");
                }
                write!(out, "({name} ")?;
                self.write_operands(out, &args.iter().collect::<Vec<_>>())
            }
            ExprKind::SamePrefix { v4, v6 } => {
                let bits = |bits: &Option<u8>| bits.map_or("-".to_string(), |bits| bits.to_string());
                write!(out, "(same_prefix v4={} v6={})", bits(v4), bits(v6))
            }
            ExprKind::In(element, id) => {
                let index = id.index();
                let name = self.sets.get(index).and_then(|set| set.name.clone());
                out.write_str("(in ")?;
                self.write_expr(out, element)?;
                write!(out, " {})", name.unwrap_or_else(|| format!("set.{index}")))
            }
            ExprKind::InMutable(element, id) => {
                out.write_str("(in ")?;
                self.write_expr(out, element)?;
                let name = self.mutable_sets.get(id.index()).map_or("?", |set| &set.name);
                write!(out, " {name})")
            }
            ExprKind::Param(id, _) => {
                out.write_str(self.params.get(id.index()).map_or("?", |param| &param.name))
            }
            ExprKind::Sampled(share) => write!(out, "(sampled {share})"),
            ExprKind::KernelHas(feature) => write!(out, "(kernel has {})", feature.written()),
            ExprKind::IsRole(role) => write!(out, "(role {})", show_role(*role)),
            ExprKind::IsSegment(segments) => {
                let names: Vec<&str> = segments.iter().map(|segment| segment.name).collect();
                write!(out, "(segment {})", names.join(" "))
            }
            ExprKind::InArm(id, arm, key) => {
                let key: Vec<String> = key.iter().map(|part| self.show_expr(part)).collect();
                write!(
                    out,
                    "(arm {}{})",
                    self.arm(id.index(), *arm),
                    key.iter().map(|part| format!(" {part}")).collect::<String>()
                )
            }
            ExprKind::Received(id) => write!(out, "(received {})", self.header(id.index())),
            ExprKind::HeaderField(id, index) => out.write_str(&self.header_field(id.index(), *index)),
            ExprKind::Cell(row, cell) => out.write_str(&self.show_cell(row, *cell)),
            ExprKind::Reply(event) => write!(out, "(reply {})", event.name),
            ExprKind::HasReply => out.write_str("(has_reply)"),
            ExprKind::Counter(id) => {
                let name = self.counters.get(id.index()).map_or("?", |counter| &counter.name);
                write!(out, "(counter {name})")
            }
            ExprKind::Observed(id) => write!(out, "(observed {})", self.histogram(id.index())),
            ExprKind::Emitted(id) => write!(out, "(emitted {})", self.record(id.index())),
            ExprKind::RecordField(id, index) => {
                let fields = self.records.get(id.index()).map(|record| record.fields.as_slice());
                let field = fields.and_then(|fields| fields.get(usize::from(*index)));
                write!(out, "{}.{}", self.record(id.index()), field.map_or("?", |field| &field.name))
            }
            ExprKind::RuleHits(id) => {
                let name = self.rules.get(id.index()).map_or("?", |rule| &rule.name);
                write!(out, "(hits {name})")
            }
        }
    }

    fn write_operation(&self, out: &mut String, op: &str, left: &Expr, right: &Expr) -> fmt::Result {
        write!(out, "({op} ")?;
        self.write_operands(out, &[left, right])
    }

    fn write_operands(&self, out: &mut String, operands: &[&Expr]) -> fmt::Result {
        for (index, operand) in operands.iter().enumerate() {
            if index > 0 {
                out.push(' ');
            }
            self.write_expr(out, operand)?;
        }
        out.write_char(')')
    }
}

fn write_header(f: &mut Formatter<'_>, header: &HeaderOption) -> fmt::Result {
    write!(f, "option {} of kind {}", header.name, header.kind)?;
    if let Some(id) = header.exid {
        write!(f, " with {id:#06x}")?;
    }
    writeln!(f, ", {} bytes", header.length())?;
    for field in &header.fields {
        writeln!(f, "    {} at {}: {} bits", field.name, field.at, field.bits)?;
    }
    Ok(())
}

fn write_cells(f: &mut Formatter<'_>, cells: &[Cell]) -> fmt::Result {
    cells
        .iter()
        .try_for_each(|cell| writeln!(f, "    {}: {} = {}", cell.name, cell.ty, show(cell.ty, cell.default)))
}

fn write_table(f: &mut Formatter<'_>, table: &Table) -> fmt::Result {
    let key = |key: &Key| match key.cut {
        Some((v4, v6)) => format!("{}/({v4}, {v6})", key.ty),
        None => key.ty.to_string(),
    };
    let keys: Vec<String> = table.keys.iter().map(key).collect();
    write!(f, "table {} by {} max {}", table.name, keys.join(", "), table.max)?;
    for (word, holds) in [("lru", table.lru), ("per_cpu", table.per_cpu), ("locked", table.locked)] {
        if holds {
            write!(f, " {word}")?;
        }
    }
    writeln!(f)?;
    write_cells(f, &table.cells)
}

fn write_set(f: &mut Formatter<'_>, index: usize, set: &Set) -> fmt::Result {
    let name = set.name.clone().unwrap_or_else(|| format!("set.{index}"));
    write!(f, "set {name} of {}", set.element)?;
    for &(low, high) in &set.ranges {
        let shown = |bound: u128| match set.element {
            Type::Ip => show_ip(bound),
            ty => show(ty, bound as u64),
        };
        if low == high {
            write!(f, "\n    {}", shown(low))?;
        } else {
            write!(f, "\n    {} .. {}", shown(low), shown(high))?;
        }
    }
    writeln!(f)
}

fn show_given(given: &Given) -> String {
    match given {
        // Shown with the names of the program.
        Given::Header(id, values) => format!("header.{} = {values:?}", id.index()),
        Given::Cell(row, cell, value) => {
            let keys = row.keys().iter().map(|key| match &key.kind {
                ExprKind::Const(constant) => show_value(key.ty, constant),
                _ => "?".to_string(),
            });
            let keys: Vec<String> = keys.collect();
            match row {
                Row::Flow => format!("flow.{cell} = {value}"),
                Row::Table(id, _) => format!("table.{}[{}].{cell} = {value}", id.index(), keys.join(", ")),
            }
        }
        Given::Field(field, value) => format!("{} = {}", field.name, show_value(field.ty, value)),
        Given::Option(option, value) => format!("{} = {}", option.name, show_value(option.ty, value)),
        Given::Role(role) => format!("role = {}", show_role(*role)),
        Given::Hz(hz) => format!("hz = {hz}"),
        Given::Kernel(version) => format!("kernel = {version}"),
        Given::Fails(option, Some(value), errno) => {
            format!("{} {} fails {errno}", option.name, show_value(option.ty, value))
        }
        Given::Fails(option, None, errno) => format!("{} fails {errno}", option.name),
        Given::WmemMax(bytes) => format!("wmem_max = {}", show(Type::Size, *bytes)),
        Given::RmemMax(bytes) => format!("rmem_max = {}", show(Type::Size, *bytes)),
        Given::Param(id, value) => format!("param.{} = {value}", id.index()),
        Given::Has(id, elements) => {
            let elements: Vec<String> =
                elements.iter().map(|&(address, length)| format!("{}/{length}", show_ip(address))).collect();
            format!("set.{} has {}", id.index(), elements.join(" "))
        }
        Given::SynTos(tos) => format!("syn_tos = {tos:#x}"),
    }
}

fn show_role(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}
