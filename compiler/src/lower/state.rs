//! What a policy remembers: the connection's own cells, and tables.
//!
//! ```text
//! read    look up ─▶ NULL? default : load
//! change  look up ─▶ NULL? make, look up again ─▶ NULL? count it : change
//! ```
//!
//! A row that is not there is made with what its cells start with, and looked up again: whoever makes it, nobody's
//! change is lost. An addition to a table is one atomic instruction. Where a change depends on what rows of the table
//! hold, all changes of the table are made under the row's lock, in which nothing is called. The connection's own
//! cells need neither: the kernel raises its events one after another.

use tcpc_lang::hir::{ArithOp, Cell, ChangeOp, Expr, ExprKind, Key, LocalId, Row, Stmt, StmtKind, Table};
use tcpc_stdlib::field::Struct;
use tcpc_stdlib::kernel::{BPF_NOEXIST, SK_STORAGE_CREATE};
use tcpc_stdlib::manifest::state::{ADDRESS_BYTES, CellInfo, FlowInfo, KeyInfo, NUMBER_BYTES, TableInfo};
use tcpc_stdlib::unit::Type;

use super::action::symbol_part;
use super::address::words_of;
use super::expr::Operand;
use super::{Lowerer, kernel_helper};
use crate::ir::{BinaryOp, Block, InstData, Map, Size, SlotPurpose, Value};
use crate::object::{DataType, Global, MapKind, MapSpec};

/// The maps of what is remembered.
#[derive(Default)]
pub struct Kept {
    flow: Option<Map>,
    tables: Vec<Map>,
    /// The row that is being changed, and where it is.
    at_hand: Option<(Row, Value)>,
    /// Names that stand for values that were computed before a row was locked.
    prepared: u32,
}

/// Bytes before the first cell: those of the lock, padded.
fn first_cell(locked: bool) -> u32 {
    if locked { NUMBER_BYTES } else { 0 }
}

impl Lowerer<'_> {
    /// Makes the maps, and says what is in them; also those that no rule uses.
    pub fn declare_state(&mut self) {
        let program = self.program;
        if let Some(flow) = &program.flow {
            let name = self.map_name("flow");
            let spec = MapSpec {
                name: name.clone(),
                kind: MapKind::SockStorage,
                key: DataType::I32,
                value: row_type(&name, &flow.cells, false),
                max_entries: 0,
            };
            self.kept.flow = Some(self.b.map(spec));
            self.state.flow = Some(FlowInfo {
                full: full_symbol(&name),
                map: name,
                cells: describe_cells(&flow.cells, false),
                line: self.source.line(flow.span.start),
            });
        }
        for table in &program.tables {
            let name = self.map_name(&table.name);
            let spec = MapSpec {
                name: name.clone(),
                kind: kind_of(table),
                key: key_type(&name, table),
                value: row_type(&name, &table.cells, table.locked),
                max_entries: table.max,
            };
            let map = self.b.map(spec);
            self.kept.tables.push(map);
            self.state.tables.push(TableInfo {
                name: table.name.clone(),
                full: full_symbol(&name),
                map: name,
                keys: describe_keys(&table.keys),
                cells: describe_cells(&table.cells, table.locked),
                max: table.max,
                lru: table.lru,
                per_cpu: table.per_cpu,
                line: self.source.line(table.span.start),
            });
        }
        // They count from the beginning, and are there to be read.
        let flow = self.state.flow.iter().map(|flow| &flow.full);
        let symbols: Vec<String> =
            flow.chain(self.state.tables.iter().map(|table| &table.full)).cloned().collect();
        for symbol in symbols {
            self.b.counter(symbol, DataType::U64);
        }
    }

    /// A cell of a row; what it starts with if the row is not there.
    pub fn lower_cell(&mut self, row: &Row, cell: u8) -> Value {
        let default = self.cells(row).get(usize::from(cell)).map_or(0, |cell| cell.default);
        let offset = self.cell_offset(row, cell);
        if let Some((_, at)) = self.kept.at_hand.as_ref().filter(|(known, _)| known.is_same(row)) {
            let addr = *at;
            return self.b.value(InstData::Load { size: Size::Double, addr, offset });
        }
        let found = self.look_up_row(row);
        let absent = self.b.new_block();
        let (present, addr) = self.b.new_block_with_param();
        let (end, result) = self.b.new_block_with_param();
        self.branch_null(found, absent, present);
        self.b.switch_to(present);
        let value = self.b.value(InstData::Load { size: Size::Double, addr, offset });
        self.b.jump_with(end, value);
        self.b.switch_to(absent);
        let default = self.b.number(default);
        self.b.jump_with(end, default);
        self.b.switch_to(end);
        result
    }

    /// Changes of one row.
    pub fn lower_changes(&mut self, changes: &[Stmt]) {
        let Some(StmtKind::Change { row, .. }) = changes.first().map(|stmt| &stmt.kind) else { return };
        let outer = self.b.set_span(changes.first().map(|stmt| stmt.span).unwrap_or_default());
        let (full, done) = (self.b.new_block(), self.b.new_block());
        let addr = self.row_to_change(row, full);
        let before = self.kept.at_hand.replace((row.clone(), addr));
        for stmt in changes {
            if let StmtKind::Change { cell, op, value, .. } = &stmt.kind {
                self.b.set_span(stmt.span);
                self.lower_change(row, addr, *cell, *op, value);
            }
        }
        self.kept.at_hand = before;
        self.b.jump(done);
        self.b.switch_to(full);
        let lost = match row {
            Row::Flow => self.state.flow.as_ref().map(|flow| flow.full.clone()),
            Row::Table(id, _) => self.state.tables.get(id.index()).map(|table| table.full.clone()),
        };
        if let Some(symbol) = lost {
            let counter = self.b.counter(symbol, DataType::U64);
            self.add_one(counter);
        }
        self.b.jump(done);
        self.b.switch_to(done);
        self.b.set_span(outer);
    }

    fn lower_change(&mut self, row: &Row, addr: Value, cell: u8, op: ChangeOp, value: &Expr) {
        let offset = self.cell_offset(row, cell);
        let table = match row {
            Row::Flow => None,
            Row::Table(id, _) => self.program.tables.get(id.index()),
        };
        match table {
            Some(table) if table.locked => {
                let prepared = self.prepare(value, row, &mut Vec::new());
                self.b.call(kernel_helper("bpf_spin_lock"), vec![addr]);
                self.change_plainly(addr, offset, op, &prepared);
                self.b.call(kernel_helper("bpf_spin_unlock"), vec![addr]);
            }
            Some(_) if op == ChangeOp::Add => {
                let value = self.lower_scalar(value);
                self.b.effect(InstData::AtomicAdd { addr, offset, value });
            }
            _ => self.change_plainly(addr, offset, op, value),
        }
    }

    /// A change that nobody else makes at the same time.
    fn change_plainly(&mut self, addr: Value, offset: i16, op: ChangeOp, value: &Expr) {
        let mut value = self.lower_scalar(value);
        if op != ChangeOp::Set {
            let old = self.b.value(InstData::Load { size: Size::Double, addr, offset });
            let op = if op == ChangeOp::Add { ArithOp::Add } else { ArithOp::Sub };
            value = self.lower_arith(op, old, value);
        }
        self.b.effect(InstData::Store { size: Size::Double, addr, offset, value });
    }

    /// Computes all that does not depend on the row; what is left needs no calls. `dependent` are names of values
    /// that do.
    fn prepare(&mut self, expr: &Expr, row: &Row, dependent: &mut Vec<LocalId>) -> Expr {
        let depends = expr.any(&mut |part| match &part.kind {
            ExprKind::Cell(other, _) => other.is_same(row),
            ExprKind::Local(local) => dependent.contains(local),
            _ => false,
        });
        if !depends {
            if matches!(expr.kind, ExprKind::Const(_)) {
                return expr.clone();
            }
            // Numbers that no name of the policy has.
            self.kept.prepared += 1;
            let local = LocalId(u32::MAX - self.kept.prepared);
            let operand = self.lower_operand(expr);
            self.locals.insert(local, operand);
            return Expr { kind: ExprKind::Local(local), ..expr.clone() };
        }
        if let ExprKind::Let(local, value, body) = &expr.kind {
            let value = self.prepare(value, row, dependent);
            dependent.push(*local);
            let body = self.prepare(body, row, dependent);
            return Expr { kind: ExprKind::Let(*local, Box::new(value), Box::new(body)), ..expr.clone() };
        }
        if matches!(expr.kind, ExprKind::Cell(..)) {
            return expr.clone();
        }
        let mut prepared = expr.clone();
        for child in prepared.children_mut() {
            *child = self.prepare(child, row, dependent);
        }
        prepared
    }

    /// A row, made if it is not there; goes to `full` where that is not possible.
    fn row_to_change(&mut self, row: &Row, full: Block) -> Value {
        let (change, addr) = self.b.new_block_with_param();
        match row {
            Row::Flow => {
                let first = self.first_row(row);
                let map = self.kept.flow.map(|map| self.b.value(InstData::MapAddr(map)));
                let map = map.unwrap_or(first);
                let sock = self.lower_struct(Struct::Sock);
                let create = self.b.number(SK_STORAGE_CREATE);
                let made = self.b.call(kernel_helper("bpf_sk_storage_get"), vec![map, sock, first, create]);
                self.branch_null(made, full, change);
            }
            Row::Table(..) => {
                let missing = self.b.new_block();
                let (map, key, widths) = self.lower_key(row);
                let found = self.look_up_key(map, &key, &widths);
                self.branch_null(found, missing, change);
                self.b.switch_to(missing);
                self.make_first_row(row, map, &key, &widths);
                let again = self.look_up_key(map, &key, &widths);
                self.branch_null(again, full, change);
            }
        }
        self.b.switch_to(change);
        addr
    }

    fn look_up_row(&mut self, row: &Row) -> Value {
        match (row, self.kept.flow) {
            (Row::Flow, Some(map)) => {
                let sock = self.lower_struct(Struct::Sock);
                self.b.value(InstData::LookUpSock { map, sock })
            }
            (Row::Flow, None) => self.b.number(0),
            _ => {
                let (map, key, widths) = self.lower_key(row);
                self.look_up_key(map, &key, &widths)
            }
        }
    }

    fn look_up_key(&mut self, map: Map, key: &[Value], widths: &[Size]) -> Value {
        let slot = self.key_slot_for(widths);
        self.b.value(InstData::LookUp { map, slot, key: key.to_vec(), widths: widths.to_vec() })
    }

    fn make_first_row(&mut self, row: &Row, map: Map, key: &[Value], widths: &[Size]) {
        let slot = self.key_slot_for(widths);
        let mut at = 0;
        for (&part, &width) in key.iter().zip(widths) {
            self.b.store_slot(width, slot, at, part);
            at += width.bytes() as u16;
        }
        let value = self.first_row(row);
        let map = self.b.value(InstData::MapAddr(map));
        let key = self.b.value(InstData::SlotAddr(slot, 0));
        let flags = self.b.number(BPF_NOEXIST);
        self.b.call(kernel_helper("bpf_map_update_elem"), vec![map, key, value, flags]);
    }

    fn key_slot_for(&mut self, widths: &[Size]) -> crate::ir::Slot {
        self.b.slot(SlotPurpose::Key, widths.iter().map(|width| width.bytes()).sum())
    }

    /// The key as it stands in the map: each part a cell, addresses cut.
    fn lower_key(&mut self, row: &Row) -> (Map, Vec<Value>, Vec<Size>) {
        let Row::Table(id, parts) = row else { return (Map::from_u32(0), Vec::new(), Vec::new()) };
        let program = self.program;
        let keys = program.tables.get(id.index()).map_or(&[][..], |table| &table.keys);
        let (mut key, mut widths) = (Vec::new(), Vec::new());
        for (part, shape) in parts.iter().zip(keys) {
            match self.lower_operand(part) {
                Operand::Scalar(value) => {
                    key.push(value);
                    widths.push(Size::Double);
                }
                Operand::Ip(words) => {
                    key.extend(self.cut(shape, words));
                    widths.extend([Size::Word; 4]);
                }
            }
        }
        let map = self.kept.tables.get(id.index()).copied().unwrap_or(Map::from_u32(0));
        (map, key, widths)
    }

    /// An address without the bits that do not count in its family.
    pub fn cut(&mut self, key: &Key, words: [Value; 4]) -> [Value; 4] {
        let (v4, v6) = key.masks();
        if v4 == v6 {
            return self.masked(words, v4);
        }
        let (four, six) = (self.b.new_block(), self.b.new_block());
        self.branch_mapped(&words, four, six);
        let (end, cut) = self.b.new_block_with_params::<4>();
        for (block, mask) in [(four, v4), (six, v6)] {
            self.b.switch_to(block);
            let masked = self.masked(words, mask);
            self.b.jump_with_all(end, &masked);
        }
        self.b.switch_to(end);
        cut
    }

    fn masked(&mut self, words: [Value; 4], mask: u128) -> [Value; 4] {
        let masks = words_of(mask);
        [0, 1, 2, 3].map(|word| match masks[word] {
            u32::MAX => words[word],
            mask => self.b.binary_imm(BinaryOp::And, words[word], u64::from(mask)),
        })
    }

    /// What a row starts with, as a constant.
    fn first_row(&mut self, row: &Row) -> Value {
        let (map, locked) = match row {
            Row::Flow => (self.kept.flow, false),
            Row::Table(id, _) => {
                let locked = self.program.tables.get(id.index()).is_some_and(|table| table.locked);
                (self.kept.tables.get(id.index()).copied(), locked)
            }
        };
        let Some(map) = map.map(|map| self.b.func().maps[map].clone()) else { return self.b.number(0) };
        let mut bytes = vec![0; first_cell(locked) as usize];
        bytes.extend(self.cells(row).iter().flat_map(|cell| cell.default.to_le_bytes()));
        let constant = self.b.constant(Global { name: format!("first_{}", map.name), ty: map.value, bytes });
        self.b.value(InstData::ConstantAddr(constant, 0))
    }

    fn cells(&self, row: &Row) -> &'_ [Cell] {
        let program = self.program;
        match row {
            Row::Flow => program.flow.as_ref().map_or(&[], |flow| &flow.cells),
            Row::Table(id, _) => program.tables.get(id.index()).map_or(&[], |table| &table.cells),
        }
    }

    fn cell_offset(&self, row: &Row, cell: u8) -> i16 {
        let locked = match row {
            Row::Flow => false,
            Row::Table(id, _) => self.program.tables.get(id.index()).is_some_and(|table| table.locked),
        };
        (first_cell(locked) + NUMBER_BYTES * u32::from(cell)) as i16
    }
}

fn kind_of(table: &Table) -> MapKind {
    match (table.lru, table.per_cpu) {
        (false, false) => MapKind::Hash,
        (true, false) => MapKind::LruHash,
        (false, true) => MapKind::PerCpuHash,
        (true, true) => MapKind::LruPerCpuHash,
    }
}

/// The number that counts what was not kept in a map. No two maps have one name, as tables of a module and of the
/// policy could.
fn full_symbol(map: &str) -> String {
    format!("unkept_{map}")
}

fn key_type(map: &str, table: &Table) -> DataType {
    let mut members: Vec<(String, DataType)> = Vec::new();
    for key in &table.keys {
        let ty = match key.ty {
            Type::Ip => DataType::Array(Box::new(DataType::U8), ADDRESS_BYTES),
            _ => DataType::U64,
        };
        // Two parts may be declared by one name: `by port, port`.
        let twice = members.iter().any(|(name, _)| *name == key.name);
        let name = if twice { format!("{}_{}", key.name, members.len()) } else { key.name.clone() };
        members.push((name, ty));
    }
    DataType::Struct(format!("{map}_key"), members)
}

fn row_type(map: &str, cells: &[Cell], locked: bool) -> DataType {
    let lock = locked.then(|| ("_lock".to_owned(), DataType::SpinLock));
    let cells = cells.iter().map(|cell| (symbol_part(&cell.name), DataType::U64));
    DataType::Struct(format!("{map}_row"), lock.into_iter().chain(cells).collect())
}

fn describe_cells(cells: &[Cell], locked: bool) -> Vec<CellInfo> {
    let describe = |(index, cell): (u32, &Cell)| CellInfo {
        name: cell.name.clone(),
        ty: cell.ty.name().to_owned(),
        offset: first_cell(locked) + NUMBER_BYTES * index,
        default: cell.default,
    };
    (0..).zip(cells).map(describe).collect()
}

fn describe_keys(keys: &[Key]) -> Vec<KeyInfo> {
    let mut offset = 0;
    let describe = |key: &Key| {
        let at = offset;
        offset += if key.ty == Type::Ip { ADDRESS_BYTES } else { NUMBER_BYTES };
        KeyInfo { name: key.name.clone(), ty: key.ty.name().to_owned(), cut: key.cut, offset: at }
    };
    keys.iter().map(describe).collect()
}
