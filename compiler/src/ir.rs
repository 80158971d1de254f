//! The intermediate representation: one function in static single assignment form.
//!
//! Blocks, values, instructions, stack slots, maps, globals and tables are indices; what an
//! instruction *is* ([`InstData`]) is kept apart from where it *stands* ([`BlockData::insts`]). A value
//! is a 64-bit unsigned number or an address; blocks take parameters instead of having phi nodes.
//! There are no loops: every edge goes forward, so every program terminates.
//!
//! Decisions come in three forms, so that a policy with very many rules need not be a chain of
//! branches: [`Terminator::Branch`] for one condition, [`Terminator::Switch`] for many values of one
//! number, and [`InstData::TableFind`] for a position in a sorted [`TableData`] of any size
//! (a decision table is a `TableFind`, a load of the row's action, and a `Switch`).

mod build;
mod inst;
mod print;
#[cfg(test)]
mod tests;
mod verify;

use cranelift_entity::{EntityRef, PrimaryMap, entity_impl};
use tcpc_lang::source::Span;

use crate::object::{Global as GlobalData, MapSpec};

pub use build::{Builder, SlotPurpose};
pub use inst::{BinaryOp, BlockCall, Cond, CondOp, InstData, Size, Terminator, UnaryOp};
pub use verify::verify;

/// A basic block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Block(u32);
entity_impl!(Block, "block");

/// The result of an instruction, or a parameter of a block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(u32);
entity_impl!(Value, "v");

/// An instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inst(u32);
entity_impl!(Inst, "inst");

/// Bytes on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(u32);
entity_impl!(Slot, "slot");

/// A map of `.maps`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Map(u32);
entity_impl!(Map, "map");

/// A constant in `.rodata`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Constant(u32);
entity_impl!(Constant, "const");

/// A number in `.bss`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Counter(u32);
entity_impl!(Counter, "count");

/// A number in `.data`, which others change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variable(u32);
entity_impl!(Variable, "var");

/// A sorted table that is searched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Table(u32);
entity_impl!(Table, "table");

/// A whole program.
#[derive(Clone, Debug)]
pub struct Func {
    /// Where it begins; no edge leads there.
    pub entry: Block,
    /// Its blocks.
    pub blocks: PrimaryMap<Block, BlockData>,
    /// Its instructions.
    pub insts: PrimaryMap<Inst, InstData>,
    /// Its values.
    pub values: PrimaryMap<Value, ValueData>,
    /// Stack slots: bytes, a multiple of 8.
    pub slots: PrimaryMap<Slot, u32>,
    /// Maps.
    pub maps: PrimaryMap<Map, MapSpec>,
    /// Constants.
    pub constants: PrimaryMap<Constant, GlobalData>,
    /// Counters and other zero-initialised numbers.
    pub counters: PrimaryMap<Counter, GlobalData>,
    /// Numbers that others change.
    pub variables: PrimaryMap<Variable, GlobalData>,
    /// Tables.
    pub tables: PrimaryMap<Table, TableData>,
}

/// A block: parameters, instructions, and where it goes.
#[derive(Clone, Debug)]
pub struct BlockData {
    /// Values that predecessors pass.
    pub params: Vec<Value>,
    /// Instructions, in order.
    pub insts: Vec<Placed>,
    /// The end.
    pub terminator: Terminator,
    /// Source place of the terminator.
    pub span: Span,
}

/// An instruction in its place.
#[derive(Clone, Copy, Debug)]
pub struct Placed {
    /// Which one.
    pub inst: Inst,
    /// Its result, if it has one.
    pub result: Option<Value>,
    /// Source place.
    pub span: Span,
}

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueData {
    /// The result of an instruction.
    Result(Inst),
    /// A parameter of a block.
    Param(Block),
}

/// A sorted table of keys in `.rodata`, to be searched for the last key that is not above a given one.
///
/// The number of entries is a power of two. The first entries are zero, as many as it takes, so that
/// there always is such a key.
#[derive(Clone, Debug, PartialEq)]
pub struct TableData {
    /// The constant that holds the keys, each of `words` 64-bit numbers, the most significant first.
    pub data: Constant,
    /// 1 or 2.
    pub words: u8,
    /// Number of entries, a power of two, at least 2.
    pub entries: u32,
    /// The number 0 as the verifier cannot know it, where the search starts: with a known start it
    /// would follow each of the possible positions by itself.
    pub zero: Counter,
}

impl Func {
    /// The constant that a value is known to be.
    pub fn constant(&self, value: Value) -> Option<u64> {
        match self.values[value] {
            ValueData::Result(inst) => match self.insts[inst] {
                InstData::Const(number) => Some(number),
                _ => None,
            },
            ValueData::Param(_) => None,
        }
    }

    /// The instruction that makes a value.
    pub fn def(&self, value: Value) -> Option<&InstData> {
        match self.values[value] {
            ValueData::Result(inst) => Some(&self.insts[inst]),
            ValueData::Param(_) => None,
        }
    }

    /// Whether a value is known to be below 2^32, so that 32-bit comparisons decide the same.
    pub fn fits_32(&self, value: Value) -> bool {
        let Some(def) = self.def(value) else { return false };
        match *def {
            InstData::Const(number) => number <= u64::from(u32::MAX),
            InstData::LoadField { field, .. } | InstData::LoadMember { field, .. } => field.size == 4,
            InstData::Load { size, .. } | InstData::LoadSlot { size, .. } => size != Size::Double,
            InstData::Unary(UnaryOp::SwapBytes32 | UnaryOp::SwapBytes16, _) => true,
            InstData::Binary(BinaryOp::And, a, b) => self.fits_32(a) || self.fits_32(b),
            InstData::Binary(BinaryOp::Or | BinaryOp::Xor, a, b) => self.fits_32(a) && self.fits_32(b),
            InstData::Binary(BinaryOp::Shr | BinaryOp::Div | BinaryOp::Rem, a, _) => self.fits_32(a),
            InstData::TableFind { .. } => true,
            _ => false,
        }
    }

    /// Successors of a block, each edge once.
    pub fn successors(&self, block: Block) -> Vec<Block> {
        self.blocks[block].terminator.targets()
    }

    /// Blocks that can be reached, each before all its successors.
    pub fn reverse_postorder(&self) -> Vec<Block> {
        let mut seen = vec![false; self.blocks.len()];
        let mut order = Vec::new();
        let mut stack = vec![(self.entry, 0)];
        seen[self.entry.index()] = true;
        while let Some((block, next)) = stack.pop() {
            match self.successors(block).get(next) {
                None => order.push(block),
                Some(&successor) => {
                    stack.push((block, next + 1));
                    if !seen[successor.index()] {
                        seen[successor.index()] = true;
                        stack.push((successor, 0));
                    }
                }
            }
        }
        order.reverse();
        order
    }
}
