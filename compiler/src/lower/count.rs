//! Counting: hits of rules, and the counters that a policy declares.

use tcpc_lang::hir::{CounterId, Expr, Rule};
use tcpc_stdlib::kernel::BPF_NOEXIST;
use tcpc_stdlib::manifest::state::RING_NAME;
use tcpc_stdlib::manifest::{COUNTER_ROWS, CounterInfo, PROGRAM_NAME_MAX};
use tcpc_stdlib::unit::Type;

use super::action::symbol_part;
use super::expr::Operand;
use super::{Lowerer, kernel_helper};
use crate::ir::{CondOp, Counter, InstData, Map, Size, Slot, SlotPurpose, Value};
use crate::object::{DataType, MapKind, MapSpec};

impl Lowerer<'_> {
    /// Gives each number its place, in the order of the source; also to a rule that is never reached, for whoever
    /// reads the counters.
    pub fn declare_counters(&mut self) {
        for counter in &self.program.counters {
            let symbol = match counter.key {
                None => self.count_symbol(&counter.name),
                Some(_) => self.map_name(&counter.name),
            };
            let key = counter.key.map(|key| key.name().to_owned());
            let full = counter.key.map(|_| format!("full_{}", symbol_part(&counter.name)));
            self.counters.push(CounterInfo { name: counter.name.clone(), symbol, key, full });
        }
        if self.options.stats {
            for (index, rule) in self.program.rules.iter().enumerate() {
                let symbol = self.hits_symbol(index, rule);
                self.b.counter(symbol.clone(), DataType::U64);
                self.hits[index] = Some(symbol);
            }
        }
    }

    /// Numbers that no rule reaches are there all the same, after the others.
    pub fn complete_counters(&mut self) {
        for counter in &self.counters {
            let symbol = counter.full.as_ref().unwrap_or(&counter.symbol);
            self.b.counter(symbol.clone(), DataType::U64);
        }
    }

    /// Two rules' names can have one symbol: `tcp_listen@3` and `tcp_listen_3`.
    fn hits_symbol(&self, index: usize, rule: &Rule) -> String {
        let plain = format!("hits_{}", symbol_part(&rule.name));
        let numbered = (index..).map(|number| format!("{plain}_{number}"));
        let is_free = |symbol: &String| self.hits.iter().flatten().all(|other| other != symbol);
        std::iter::once(plain.clone()).chain(numbered).find(is_free).unwrap_or_default()
    }

    /// The counter `b` of a module `a` is `a::b`, and nothing keeps a policy from having an `a__b`.
    fn count_symbol(&self, name: &str) -> String {
        let plain = format!("count_{}", symbol_part(name));
        let numbered = (self.counters.len()..).map(|number| format!("{plain}_{number}"));
        let is_free = |symbol: &String| self.counters.iter().all(|other| other.symbol != *symbol);
        std::iter::once(plain.clone()).chain(numbered).find(is_free).unwrap_or_default()
    }

    /// A counter's name as the kernel can keep it. Of two that only differ further back, the second gets a
    /// number at its end.
    pub fn map_name(&self, name: &str) -> String {
        let name = symbol_part(name);
        let cut = |length: usize| name.chars().take(length).collect::<String>();
        let numbered = (self.counters.len()..).map(|number| {
            let number = format!("_{number}");
            cut(PROGRAM_NAME_MAX - number.len()) + &number
        });
        let is_free = |symbol: &String| {
            symbol != RING_NAME
                && self.counters.iter().all(|other| other.symbol != *symbol)
                && self.b.func().maps.values().all(|map| map.name != *symbol)
        };
        std::iter::once(cut(PROGRAM_NAME_MAX)).chain(numbered).find(is_free).unwrap_or_default()
    }

    /// Counts that a rule's condition held: one atomic addition to a number of its own. A look-up in a
    /// per-CPU array would cost a call and a check, and could lose counts when one run interrupts another.
    pub fn count_hit(&mut self, index: usize) {
        if let Some(symbol) = self.hits[index].clone() {
            let counter = self.b.counter(symbol, DataType::U64);
            self.add_one(counter);
        }
    }

    pub fn add_one(&mut self, counter: Counter) {
        let addr = self.b.value(InstData::CounterAddr(counter, 0));
        self.add_one_at(addr);
    }

    fn add_one_at(&mut self, addr: Value) {
        let one = self.b.number(1);
        self.b.effect(InstData::AtomicAdd { addr, offset: 0, value: one });
    }

    /// `count NAME` and `count NAME by KEY`.
    pub fn lower_count(&mut self, id: CounterId, key: Option<&Expr>) {
        let info = &self.counters[id.index()];
        let (name, symbol) = (info.name.clone(), info.symbol.clone());
        match key {
            None => {
                let counter = self.b.counter(symbol, DataType::U64);
                self.add_one(counter);
            }
            Some(key) => self.count_by(&name, symbol, key),
        }
    }

    /// Adds one to the row of a key. A row that is not there is made with 0 first, and looked up again:
    /// whoever makes it, nobody's count is lost. A full map is counted.
    fn count_by(&mut self, name: &str, symbol: String, key: &Expr) {
        let (slot, key_type) = self.key_slot(key);
        let map = self.b.map(MapSpec {
            name: symbol,
            kind: MapKind::Hash,
            key: key_type,
            value: DataType::U64,
            max_entries: COUNTER_ROWS,
        });
        let (missing, full, done) = (self.b.new_block(), self.b.new_block(), self.b.new_block());
        let (add, row) = self.b.new_block_with_param();
        let first = self.look_up(map, slot);
        self.branch_null(first, missing, add);
        self.b.switch_to(missing);
        self.make_row(map, slot);
        let second = self.look_up(map, slot);
        self.branch_null(second, full, add);
        self.b.switch_to(add);
        self.add_one_at(row);
        self.b.jump(done);
        self.b.switch_to(full);
        let lost = self.b.counter(format!("full_{}", symbol_part(name)), DataType::U64);
        self.add_one(lost);
        self.b.jump(done);
        self.b.switch_to(done);
    }

    /// Goes to `null`, or passes the pointer to `some`.
    pub fn branch_null(&mut self, pointer: Value, null: crate::ir::Block, some: crate::ir::Block) {
        let found = self.b.new_block();
        let zero = self.b.number(0);
        self.b.branch(CondOp::Eq, pointer, zero, null, found);
        self.b.switch_to(found);
        self.b.jump_with(some, pointer);
    }

    fn look_up(&mut self, map: Map, key: Slot) -> Value {
        let map = self.b.value(InstData::MapAddr(map));
        let key = self.b.value(InstData::SlotAddr(key, 0));
        self.b.call(kernel_helper("bpf_map_lookup_elem"), vec![map, key])
    }

    fn make_row(&mut self, map: Map, key: Slot) {
        let zero = self.b.number(0);
        let value = self.b.slot(SlotPurpose::Row, 8);
        self.b.store_slot(Size::Double, value, 0, zero);
        let map = self.b.value(InstData::MapAddr(map));
        let key = self.b.value(InstData::SlotAddr(key, 0));
        let value = self.b.value(InstData::SlotAddr(value, 0));
        let flags = self.b.number(BPF_NOEXIST);
        self.b.call(kernel_helper("bpf_map_update_elem"), vec![map, key, value, flags]);
    }

    /// The key on the stack: an address as its 16 bytes, a small number as 4 bytes, any other as 8.
    fn key_slot(&mut self, key: &Expr) -> (Slot, DataType) {
        match self.lower_operand(key) {
            Operand::Ip(words) => {
                let slot = self.b.slot(SlotPurpose::Key, 16);
                for (index, word) in words.into_iter().enumerate() {
                    self.b.store_slot(Size::Word, slot, index as u16 * 4, word);
                }
                (slot, DataType::Array(Box::new(DataType::U8), 16))
            }
            Operand::Scalar(value) => {
                let narrow = matches!(key.ty, Type::Bool | Type::Port | Type::State | Type::Family);
                let (size, ty) =
                    if narrow { (Size::Word, DataType::U32) } else { (Size::Double, DataType::U64) };
                let slot = self.b.slot(SlotPurpose::Key, size.bytes());
                self.b.store_slot(size, slot, 0, value);
                (slot, ty)
            }
        }
    }
}
