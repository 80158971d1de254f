//! Making IR: a builder that stands in one block at a time and folds constants as it goes.

use cranelift_entity::PrimaryMap;
use tcpc_lang::source::Span;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::helper::Helper;
use tcpc_stdlib::kfunc::Kfunc;

use super::{
    BinaryOp, Block, BlockCall, BlockData, Cond, CondOp, Constant, Counter, Func, Inst, InstData, Map,
    Placed, Size, Slot, Table, TableData, Terminator, UnaryOp, Value, ValueData, Variable,
};
use crate::object::{DataType, Global, MapSpec};

/// So many instructions can share what they load.
const STRETCH: usize = 256;

/// What a stack slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotPurpose {
    /// The value of a socket option to be set.
    Set,
    /// The value of a socket option that is read.
    Get,
    /// The key of a map.
    Key,
    /// The value of a map's new row.
    Row,
    /// A TCP header option.
    Header,
    /// A record for user space.
    Record,
}

/// Builds a [`Func`].
pub struct Builder {
    func: Func,
    /// How many instructions there were when what had been loaded was forgotten.
    remembered: usize,
    slots: Vec<(SlotPurpose, Slot)>,
    block: Block,
    span: Span,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// A function with an empty entry block, and the builder in it.
    pub fn new() -> Builder {
        let mut blocks = PrimaryMap::new();
        let entry = blocks.push(empty_block());
        let func = Func {
            entry,
            blocks,
            insts: PrimaryMap::new(),
            values: PrimaryMap::new(),
            slots: PrimaryMap::new(),
            maps: PrimaryMap::new(),
            constants: PrimaryMap::new(),
            counters: PrimaryMap::new(),
            variables: PrimaryMap::new(),
            tables: PrimaryMap::new(),
        };
        Builder { func, remembered: 0, slots: Vec::new(), block: entry, span: Span::default() }
    }

    /// The finished function.
    pub fn finish(self) -> Func {
        self.func
    }

    /// The function so far.
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// The source place that what comes next belongs to; returns the one before.
    pub fn set_span(&mut self, span: Span) -> Span {
        std::mem::replace(&mut self.span, span)
    }

    /// A new block without parameters.
    pub fn new_block(&mut self) -> Block {
        self.func.blocks.push(empty_block())
    }

    /// A new block with one parameter.
    pub fn new_block_with_param(&mut self) -> (Block, Value) {
        let (block, [param]) = self.new_block_with_params();
        (block, param)
    }

    /// A new block with so many parameters.
    pub fn new_block_with_params<const N: usize>(&mut self) -> (Block, [Value; N]) {
        let block = self.new_block();
        let params = std::array::from_fn(|_| self.func.values.push(ValueData::Param(block)));
        self.func.blocks[block].params.extend(params);
        (block, params)
    }

    /// A new block with so many parameters, where that is known only now.
    pub fn new_block_with(&mut self, count: usize) -> (Block, Vec<Value>) {
        let block = self.new_block();
        let params: Vec<Value> = (0..count).map(|_| self.func.values.push(ValueData::Param(block))).collect();
        self.func.blocks[block].params.extend(&params);
        (block, params)
    }

    /// Goes on in this block.
    pub fn switch_to(&mut self, block: Block) {
        self.block = block;
    }

    /// The block that the builder stands in.
    pub fn current(&self) -> Block {
        self.block
    }

    /// Ends the block.
    pub fn terminate(&mut self, terminator: Terminator) {
        let data = &mut self.func.blocks[self.block];
        data.terminator = terminator;
        data.span = self.span;
    }

    /// Ends the block with a jump.
    pub fn jump(&mut self, block: Block) {
        self.terminate(Terminator::Jump(BlockCall { block, args: Vec::new() }));
    }

    /// Ends the block with a jump that passes a value.
    pub fn jump_with(&mut self, block: Block, value: Value) {
        self.jump_with_all(block, &[value]);
    }

    /// Ends the block with a jump that passes values.
    pub fn jump_with_all(&mut self, block: Block, values: &[Value]) {
        self.terminate(Terminator::Jump(BlockCall { block, args: values.to_vec() }));
    }

    /// Ends the block with a branch; decided here if both sides are constants.
    pub fn branch(&mut self, op: CondOp, a: Value, b: Value, yes: Block, no: Block) {
        if let (Some(x), Some(y)) = (self.func.constant(a), self.func.constant(b)) {
            let target = if op.holds(x, y) { yes } else { no };
            return self.jump(target);
        }
        let (op, a, b) = if self.func.constant(a).is_some() { (op.swapped(), b, a) } else { (op, a, b) };
        let call = |block| BlockCall { block, args: Vec::new() };
        self.terminate(Terminator::Branch(Cond { op, a, b }, call(yes), call(no)));
    }

    /// Adds an instruction with a result.
    pub fn value(&mut self, data: InstData) -> Value {
        let inst = self.func.insts.push(data);
        let result = self.func.values.push(ValueData::Result(inst));
        self.place(inst, Some(result));
        result
    }

    /// Adds an instruction without a result.
    pub fn effect(&mut self, data: InstData) {
        let inst = self.func.insts.push(data);
        self.place(inst, None);
    }

    fn place(&mut self, inst: Inst, result: Option<Value>) {
        let span = self.span;
        self.func.blocks[self.block].insts.push(Placed { inst, result, span });
    }

    /// A number.
    pub fn number(&mut self, number: u64) -> Value {
        self.value(InstData::Const(number))
    }

    /// A word of a field, as the kernel has it.
    pub fn field(&mut self, field: &'static Field, word: u8) -> Value {
        self.value(InstData::LoadField { field, word })
    }

    /// An operation on one number.
    pub fn unary(&mut self, op: UnaryOp, a: Value) -> Value {
        match self.func.constant(a) {
            Some(number) => self.number(op.apply(number)),
            None => self.value(InstData::Unary(op, a)),
        }
    }

    /// An operation on two numbers; identities vanish, and a constant is put on the right.
    pub fn binary(&mut self, op: BinaryOp, a: Value, b: Value) -> Value {
        let (known_a, known_b) = (self.func.constant(a), self.func.constant(b));
        if let (Some(x), Some(y)) = (known_a, known_b) {
            return self.number(op.apply(x, y));
        }
        let commutes =
            matches!(op, BinaryOp::Add | BinaryOp::Mul | BinaryOp::And | BinaryOp::Or | BinaryOp::Xor);
        if known_a.is_some() && commutes {
            return self.binary(op, b, a);
        }
        match (op, known_b) {
            (
                BinaryOp::Add | BinaryOp::Sub | BinaryOp::Or | BinaryOp::Xor | BinaryOp::Shl | BinaryOp::Shr,
                Some(0),
            ) => a,
            (BinaryOp::Mul | BinaryOp::Div, Some(1)) => a,
            (BinaryOp::Mul | BinaryOp::And | BinaryOp::Div, Some(0)) => self.number(0),
            (BinaryOp::Rem, Some(0)) => a,
            (BinaryOp::Rem, Some(1)) => self.number(0),
            (BinaryOp::Mul, Some(n)) if n.is_power_of_two() => {
                self.binary_imm(BinaryOp::Shl, a, u64::from(n.trailing_zeros()))
            }
            (BinaryOp::Div, Some(n)) if n.is_power_of_two() => {
                self.binary_imm(BinaryOp::Shr, a, u64::from(n.trailing_zeros()))
            }
            (BinaryOp::Rem, Some(n)) if n.is_power_of_two() => self.binary_imm(BinaryOp::And, a, n - 1),
            _ => self.value(InstData::Binary(op, a, b)),
        }
    }

    /// An operation with a constant on the right.
    pub fn binary_imm(&mut self, op: BinaryOp, a: Value, b: u64) -> Value {
        let b = self.number(b);
        self.binary(op, a, b)
    }

    /// Calls a helper.
    pub fn call(&mut self, helper: &'static Helper, args: Vec<Value>) -> Value {
        self.value(InstData::Call { helper, args })
    }

    /// Calls a kernel function.
    pub fn call_kernel(&mut self, kfunc: &'static Kfunc, args: Vec<Value>) -> Value {
        self.value(InstData::CallKernel { kfunc, args })
    }

    /// Lets what comes next load anew what was loaded before, if that was long ago.
    ///
    /// The verifier keeps the ways apart on which it knows different things of a value, as long as the value is still
    /// used: each comparison of a value that all of a long program shares could double what it has to follow.
    pub fn forget_sometimes(&mut self) {
        if self.func.insts.len() - self.remembered > STRETCH {
            self.remembered = self.func.insts.len();
            self.effect(InstData::Forget);
        }
    }

    /// Stores to the stack.
    pub fn store_slot(&mut self, size: Size, slot: Slot, offset: u16, value: Value) {
        self.effect(InstData::StoreSlot { size, slot, offset, value });
    }

    /// The stack slot for a purpose, of at least so many bytes. One of the same purpose and size is the
    /// same slot: what stands in it is used up before the next use of the purpose begins.
    pub fn slot(&mut self, purpose: SlotPurpose, bytes: u32) -> Slot {
        let bytes = bytes.next_multiple_of(8);
        match self.slots.iter().find(|(known, slot)| *known == purpose && self.func.slots[*slot] == bytes) {
            Some(&(_, slot)) => slot,
            None => {
                let slot = self.func.slots.push(bytes);
                self.slots.push((purpose, slot));
                slot
            }
        }
    }

    /// A map; one of the same name is the same map.
    pub fn map(&mut self, spec: MapSpec) -> Map {
        match self.func.maps.iter().find(|(_, map)| map.name == spec.name) {
            Some((map, _)) => map,
            None => self.func.maps.push(spec),
        }
    }

    /// A constant in `.rodata`; one of the same name is the same constant.
    pub fn constant(&mut self, global: Global) -> Constant {
        match self.func.constants.iter().find(|(_, other)| other.name == global.name) {
            Some((constant, _)) => constant,
            None => self.func.constants.push(global),
        }
    }

    /// A zero-initialised number in `.bss`; one of the same name is the same number.
    pub fn counter(&mut self, name: impl Into<String>, ty: DataType) -> Counter {
        let name = name.into();
        match self.func.counters.iter().find(|(_, other)| other.name == name) {
            Some((counter, _)) => counter,
            None => self.func.counters.push(Global { name, ty, bytes: Vec::new() }),
        }
    }

    /// A number in `.data`; one of the same name is the same number.
    pub fn variable(&mut self, name: &str, start: u64) -> Variable {
        match self.func.variables.iter().find(|(_, other)| other.name == name) {
            Some((variable, _)) => variable,
            None => {
                let bytes = start.to_le_bytes().to_vec();
                self.func.variables.push(Global { name: name.to_owned(), ty: DataType::U64, bytes })
            }
        }
    }

    /// A table.
    pub fn table(&mut self, data: TableData) -> Table {
        self.func.tables.push(data)
    }
}

fn empty_block() -> BlockData {
    BlockData { params: Vec::new(), insts: Vec::new(), terminator: Terminator::Exit, span: Span::default() }
}
