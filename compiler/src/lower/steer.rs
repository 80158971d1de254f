//! What an operator can change: parameters, and sets.
//!
//! Each is one 64-bit number that is loaded as a whole, so a change is seen at once and never in part. What is used
//! more than once in an event is loaded at its beginning: all that happens in the event sees the same.

use std::collections::HashMap;

use tcpc_lang::hir::{Expr, ExprKind, MutableSetId, ParamId};
use tcpc_stdlib::manifest::PROGRAM_NAME_MAX;
use tcpc_stdlib::manifest::state::{MutableSetInfo, ParamInfo};
use tcpc_stdlib::unit::Type;

use super::action::symbol_part;
use super::expr::Operand;
use super::plan::Planned;
use super::{Lowerer, kernel_helper};
use crate::ir::{Block, CondOp, InstData, Map, Size, Slot, SlotPurpose, Value, Variable};
use crate::object::{DataType, MapKind, MapSpec};

/// Where what an operator can change is.
#[derive(Default)]
pub struct Steered {
    /// Of each parameter, in the order of the source.
    params: Vec<Variable>,
    /// Of each set.
    sets: Vec<SetPlace>,
    /// What was loaded at the beginning of the event.
    loaded: HashMap<Variable, Value>,
}

/// Where a set is.
#[derive(Clone, Copy)]
struct SetPlace {
    maps: [Map; 2],
    /// Which of them is asked.
    selector: Variable,
}

impl Lowerer<'_> {
    /// Gives each parameter its place, in the order of the source, used or not.
    pub fn declare_params(&mut self) {
        for param in &self.program.params {
            let symbol = self.variable_symbol("param", &param.name);
            let variable = self.b.variable(&symbol, param.default);
            self.steered.params.push(variable);
            self.state.params.push(ParamInfo {
                name: param.name.clone(),
                symbol,
                ty: param.ty.name().to_owned(),
                default: param.default,
                range: param.range,
                line: self.source.line(param.span.start),
            });
        }
    }

    /// Loads what the rules of these events, which begin here, use more than once.
    pub fn load_variables(&mut self, events: &[Planned<'_>]) {
        self.steered.loaded.clear();
        let mut uses: HashMap<Variable, usize> = HashMap::new();
        for rule in events.iter().flat_map(Planned::rules) {
            let program = self.program;
            rule.any(program, &mut |expr| {
                if let Some(variable) = self.variable_of(expr) {
                    *uses.entry(variable).or_default() += 1;
                }
                false
            });
        }
        let mut shared: Vec<Variable> =
            uses.into_iter().filter(|(_, uses)| *uses > 1).map(|(one, _)| one).collect();
        shared.sort_unstable();
        for variable in shared {
            let value = self.load(variable);
            self.steered.loaded.insert(variable, value);
        }
    }

    /// The variable that an expression reads itself, if it reads one.
    fn variable_of(&self, expr: &Expr) -> Option<Variable> {
        match expr.kind {
            ExprKind::Param(id, _) => Some(self.param(id)),
            ExprKind::InMutable(_, id) => Some(self.steered.sets[id.index()].selector),
            _ => None,
        }
    }

    /// The value of a parameter.
    pub fn lower_param(&mut self, id: ParamId) -> Value {
        let variable = self.param(id);
        self.variable(variable)
    }

    fn param(&self, id: ParamId) -> Variable {
        self.steered.params[id.index()]
    }

    fn variable(&mut self, variable: Variable) -> Value {
        match self.steered.loaded.get(&variable) {
            Some(&value) => value,
            None => self.load(variable),
        }
    }

    fn load(&mut self, variable: Variable) -> Value {
        let addr = self.b.value(InstData::VariableAddr(variable));
        self.b.value(InstData::Load { size: Size::Double, addr, offset: 0 })
    }

    /// A symbol of its own: two names can have one, `base::rto` and `base__rto`.
    fn variable_symbol(&self, what: &str, name: &str) -> String {
        let plain = format!("{what}_{}", symbol_part(name));
        let numbered = (1..).map(|number| format!("{plain}_{number}"));
        let is_free = |symbol: &String| self.b.func().variables.values().all(|other| other.name != *symbol);
        std::iter::once(plain.clone()).chain(numbered).find(is_free).unwrap_or_default()
    }

    /// Gives each set its maps and its selector.
    pub fn declare_mutable_sets(&mut self) {
        for set in &self.program.mutable_sets {
            let maps = ["a", "b"].map(|half| {
                let stem: String = set.name.chars().take(PROGRAM_NAME_MAX - 2).collect();
                let name = self.map_name(&format!("{stem}_{half}"));
                let (kind, key, spare) = match set.element {
                    // One for IPv4 as a whole.
                    Type::Prefix => (MapKind::LpmTrie, prefix_key(), 1),
                    Type::Ip => (MapKind::Hash, address(), 0),
                    _ => (MapKind::Hash, DataType::U32, 0),
                };
                let max_entries = set.max + spare;
                let spec = MapSpec { name: name.clone(), kind, key, value: DataType::U8, max_entries };
                (self.b.map(spec), name)
            });
            let symbol = self.variable_symbol("asked", &set.name);
            let selector = self.b.variable(&symbol, 0);
            let [first, second] = maps;
            self.steered.sets.push(SetPlace { maps: [first.0, second.0], selector });
            self.state.sets.push(MutableSetInfo {
                name: set.name.clone(),
                element: set.element.name().to_owned(),
                max: set.max,
                maps: [first.1, second.1],
                selector: symbol,
                elements: set
                    .elements
                    .iter()
                    .map(|&(address, length)| ([(address >> 64) as u64, address as u64], length))
                    .collect(),
                line: self.source.line(set.span.start),
            });
        }
    }

    /// `element in SET`: one look-up, in the map that the selector says. Each map has a look-up of its own, for the
    /// verifier must know at each which one it is. What is found among prefixes tells by its value whether it is an
    /// element.
    pub fn lower_in_mutable(&mut self, element: &Expr, id: MutableSetId, yes: Block, no: Block) {
        let SetPlace { maps, selector } = self.steered.sets[id.index()];
        let is_prefix = self.program.mutable_sets[id.index()].element == Type::Prefix;
        let key = self.set_key(element, is_prefix);
        let selected = self.variable(selector);
        let blocks = maps.map(|_| self.b.new_block());
        let zero = self.b.number(0);
        self.b.branch(CondOp::Eq, selected, zero, blocks[0], blocks[1]);
        for (map, block) in maps.into_iter().zip(blocks) {
            self.b.switch_to(block);
            let map = self.b.value(InstData::MapAddr(map));
            let key = self.b.value(InstData::SlotAddr(key, 0));
            let found = self.b.call(kernel_helper("bpf_map_lookup_elem"), vec![map, key]);
            let zero = self.b.number(0);
            if !is_prefix {
                self.b.branch(CondOp::Ne, found, zero, yes, no);
                continue;
            }
            let some = self.b.new_block();
            self.b.branch(CondOp::Ne, found, zero, some, no);
            self.b.switch_to(some);
            let value = self.b.value(InstData::Load { size: Size::Byte, addr: found, offset: 0 });
            let zero = self.b.number(0);
            self.b.branch(CondOp::Ne, value, zero, yes, no);
        }
    }

    /// The key on the stack.
    fn set_key(&mut self, element: &Expr, is_prefix: bool) -> Slot {
        match self.lower_operand(element) {
            Operand::Ip(words) => {
                let at = if is_prefix { 4 } else { 0 };
                let slot = self.b.slot(SlotPurpose::Key, u32::from(at) + 16);
                if is_prefix {
                    let whole = self.b.number(128);
                    self.b.store_slot(Size::Word, slot, 0, whole);
                }
                for (index, word) in (0..).zip(words) {
                    self.b.store_slot(Size::Word, slot, at + index * 4, word);
                }
                slot
            }
            Operand::Scalar(value) => {
                let slot = self.b.slot(SlotPurpose::Key, 4);
                self.b.store_slot(Size::Word, slot, 0, value);
                slot
            }
        }
    }
}

/// `struct bpf_lpm_trie_key` with an address.
fn prefix_key() -> DataType {
    DataType::Struct("prefix".into(), vec![("length".into(), DataType::U32), ("address".into(), address())])
}

fn address() -> DataType {
    DataType::Array(Box::new(DataType::U8), 16)
}
