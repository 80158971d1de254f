//! Random changes of tables and of the connection's memory: the compiled bytes and a model must agree.

use std::collections::BTreeMap;

use tcpc_compiler::object;
use tcpc_lang::analyze;
use tcpc_lang::hir::{ChangeOp, Program, Row, Stmt, StmtKind, TableId, Value};
use tcpc_lang::source::SourceFile;
use tcpc_runtime::eval::Evaluator;
use tcpc_stdlib::field::Field;

use super::bench::{Bench, MAPPED};
use super::policy::Policy;
use super::random::Random;
use super::world::{Bare, Reads};

/// Tables with and without locks, and the connection's memory: each with cells `a`, `b` and `c`.
const DECLARED: &str = "\
flow { a: int = 3; b: int; c: int }
table locked by remote_ip/(24, 48) max 3 { a: int = 2; b: int; c: int = 9 }
table plain by int, port max 4 { a: int; b: int; c: int = 1 }
";

fn place(random: &mut Random) -> String {
    let cell = random.one_of(&["a", "b", "c"]);
    let row = match random.below(3) {
        0 => "flow".to_string(),
        1 => format!("locked[{}]", random.one_of(&["remote_ip", "10.0.1.7", "10.0.2.9", "2001:db8::1"])),
        _ => format!("plain[{}, remote_port]", random.one_of(&["1", "snd_cwnd", "2"])),
    };
    format!("{row}.{cell}")
}

fn value(random: &mut Random, depth: u32) -> String {
    if depth == 0 {
        return match random.below(3) {
            0 => random.below(5).to_string(),
            1 => "snd_cwnd".to_string(),
            _ => place(random),
        };
    }
    let (a, b) = (value(random, depth - 1), value(random, depth - 1));
    match random.below(5) {
        0 => format!("({a} + {b})"),
        1 => format!("({a} - {b})"),
        2 => format!("max({a}, {b})"),
        3 => format!("({a} * 3 % 7)"),
        _ => format!("(if {a} < {b} then {b} else {})", value(random, depth - 1)),
    }
}

fn statement(random: &mut Random, depth: u32) -> String {
    if depth > 0 && random.below(4) == 0 {
        let (a, b) = (value(random, 1), value(random, 0));
        return format!("if {a} < {b} {{ {} }} else {{ {} }}", statement(random, 0), statement(random, 0));
    }
    let at = place(random);
    let op = if at.starts_with("plain") { "+=" } else { random.one_of(&["=", "+=", "-="]) };
    let value = value(random, 2);
    match random.below(3) {
        // It depends on its own row, which is locked then.
        0 if op == "=" => format!("{at} = ({at} + {value}) / 2"),
        _ => format!("{at} {op} {value}"),
    }
}

/// What a table, or the connection, is supposed to hold.
type Rows = BTreeMap<(Option<u32>, Vec<Vec<u8>>), Vec<u64>>;

/// The model: rows, and the few fields that the policies read.
struct Model<'a> {
    program: &'a Program,
    rows: Rows,
    unkept: BTreeMap<Option<u32>, u64>,
    cwnd: u64,
    port: u64,
    remote: u128,
}

fn part(value: &Value) -> Vec<u8> {
    match value {
        Value::Number(number) => number.to_le_bytes().to_vec(),
        Value::Ip(address) => address.to_be_bytes().to_vec(),
        Value::Name(name) => name.clone().into_bytes(),
    }
}

impl Model<'_> {
    fn run(&mut self, statements: &[Stmt]) {
        let program = self.program;
        for statement in statements {
            match &statement.kind {
                StmtKind::If(condition, then, otherwise) => {
                    let holds = Evaluator::new(program, &mut Bare(self)).condition(condition).unwrap();
                    self.run(if holds { then } else { otherwise });
                }
                StmtKind::Change { row, cell, op, value } => {
                    let Ok(Value::Number(value)) = Evaluator::new(program, &mut Bare(self)).value(value)
                    else {
                        panic!()
                    };
                    self.change(row, usize::from(*cell), *op, value);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn change(&mut self, row: &Row, cell: usize, op: ChangeOp, value: u64) {
        let program = self.program;
        let (table, key, cells, max) = match row {
            Row::Flow => (None, Vec::new(), &program.flow.as_ref().unwrap().cells, u32::MAX),
            Row::Table(id, keys) => {
                let table = &program.tables[id.index()];
                let key = Evaluator::new(program, &mut Bare(self)).key(keys, &table.keys).unwrap();
                (Some(id.0), key, &table.cells, table.max)
            }
        };
        let key = (table, key.iter().map(part).collect());
        let there = self.rows.keys().filter(|(known, _)| *known == table).count();
        if !self.rows.contains_key(&key) && there >= max as usize {
            *self.unkept.entry(table).or_default() += 1;
            return;
        }
        let fresh = || cells.iter().map(|cell| cell.default).collect();
        let old = &mut self.rows.entry(key).or_insert_with(fresh)[cell];
        *old = match op {
            ChangeOp::Set => value,
            ChangeOp::Add => old.wrapping_add(value),
            ChangeOp::Sub => old.saturating_sub(value),
        };
    }
}

impl Reads for Model<'_> {
    fn field(&mut self, field: &'static Field) -> Value {
        match field.name {
            "snd_cwnd" => Value::Number(self.cwnd),
            "remote_port" => Value::Number(self.port),
            "remote_ip" => Value::Ip(self.remote),
            other => panic!("{other}"),
        }
    }
    fn cell(&mut self, table: Option<TableId>, key: &[Value], cell: u8) -> Option<u64> {
        let key = (table.map(|id| id.0), key.iter().map(part).collect());
        self.rows.get(&key).map(|cells| cells[usize::from(cell)])
    }
}

/// What the maps hold, as the model has it.
fn held(bench: &Bench, program: &Program) -> Rows {
    let mut rows = Rows::new();
    for map in &bench.world.memory.maps {
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
        let at = program.tables.iter().position(|table| table.name == map.name());
        let skipped = at.map_or(0, |at| if program.tables[at].locked { 8 } else { 0 });
        for (key, value) in map.rows() {
            let key = match map.name() {
                "flow" => Vec::new(),
                "locked" => vec![key],
                _ => key.chunks(8).map(<[u8]>::to_vec).collect(),
            };
            let cells = value[skipped..].chunks(8).map(number).collect();
            rows.insert((at.map(|at| at as u32), key), cells);
        }
    }
    rows
}

/// Policies of random changes that the checker takes.
pub fn policies(seed: u64, count: usize) -> Vec<Policy> {
    let mut random = Random(seed);
    let texts = (0..count * 8).map(|_| {
        let statements: Vec<String> = (0..2 + random.below(8)).map(|_| statement(&mut random, 1)).collect();
        format!("{DECLARED}on active_established {{\n    {}\n}}\n", statements.join("\n    "))
    });
    let valid = |text: &String| analyze(&SourceFile::new("state.tcp", text.as_str())).is_valid();
    let policies: Vec<Policy> =
        texts.filter(valid).map(|text| Policy::new("state.tcp", text)).take(count).collect();
    assert_eq!(policies.len(), count);
    policies
}

#[test]
fn random_changes_are_those_of_the_model() {
    let mut random = Random(77);
    for policy in policies(8, 200) {
        let (_, analysis) = policy.analyzed();
        let mut bench = Bench::new(policy.object(false));
        let program = &analysis.program;
        let (rows, unkept) = (Rows::new(), BTreeMap::new());
        let mut model = Model { program, rows, unkept, cwnd: 0, port: 0, remote: 0 };
        for _ in 0..6 {
            model.cwnd = random.below(4);
            model.port = 1 + random.below(3);
            model.remote =
                random.one_of(&[MAPPED | 0x0a00_0105, MAPPED | 0x0a00_0305, 0x2001_0db8_0001 << 80]);
            bench.give("snd_cwnd", Value::Number(model.cwnd));
            bench.give("remote_port", Value::Number(model.port));
            bench.give("local_ip", Value::Ip(model.remote));
            bench.give("remote_ip", Value::Ip(model.remote));
            bench.fire("active_established");
            model.run(&program.rules[0].body);
            assert_eq!(held(&bench, program), model.rows, "{}", policy.text);
        }
    }
}

#[test]
fn what_is_not_kept_is_counted() {
    let text = "table t by port max 2 { n: int }\n\
                on active_established { t[remote_port].n += 1; t[remote_port].n += 1 }\n\
                test \"full\" { given remote_port = 1 fire active_established\n\
                given remote_port = 2 fire active_established\n\
                given remote_port = 3 fire active_established expect t[3].n == 0 and t[1].n == 2\n\
                given remote_port = 2 fire active_established expect t[2].n == 4 }\n";
    let policy = Policy::new("full.tcp", text);
    let (source, analysis) = policy.analyzed();
    let object = policy.compile(true).object;
    let report = tcpc_runtime::scenario::run_tests(&object, &analysis.program, &source, None).unwrap();
    assert_eq!((report.passed(), report.failed()), (1, 0));
    let read = object::read(&object).unwrap();
    let state = read.manifest.unwrap().state;
    assert!(read.data.iter().flat_map(|data| &data.symbols).any(|(name, ..)| *name == state.tables[0].full));
}
