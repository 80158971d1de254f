//! Instructions and terminators.

use tcpc_stdlib::field::Field;
use tcpc_stdlib::helper::Helper;
use tcpc_stdlib::kfunc::Kfunc;

use super::{Block, Constant, Counter, Map, Slot, Table, Value, Variable};

/// What an instruction does.
#[derive(Clone, Debug, PartialEq)]
pub enum InstData {
    /// A number.
    Const(u64),
    /// The context, as an argument of a helper.
    Context,
    /// The address of a map, as an argument of a helper.
    MapAddr(Map),
    /// An address in a stack slot.
    SlotAddr(Slot, u16),
    /// An address in a constant.
    ConstantAddr(Constant, u32),
    /// An address in a counter.
    CounterAddr(Counter, u32),
    /// The address of a variable.
    VariableAddr(Variable),
    /// A word of a context field as it is, zero-extended.
    LoadField {
        /// The field.
        field: &'static Field,
        /// Which of its words.
        word: u8,
    },
    /// Write a word of a context field.
    StoreField {
        /// The field; it is writable.
        field: &'static Field,
        /// Which of its words.
        word: u8,
        /// What to write.
        value: Value,
    },
    /// A field of a structure that a pointer leads to, zero-extended; 0 if the pointer is NULL.
    LoadMember {
        /// The field; it has one word.
        field: &'static Field,
        /// The pointer: the context's `sk`, or what a helper made of it.
        base: Value,
    },
    /// Zero-extending load through an address.
    Load {
        /// Bytes.
        size: Size,
        /// The address of a map value, a constant, a counter or a variable.
        addr: Value,
        /// Added to the address.
        offset: i16,
    },
    /// Store through an address.
    Store {
        /// Bytes.
        size: Size,
        /// The address of a map value.
        addr: Value,
        /// Added to the address.
        offset: i16,
        /// What to store.
        value: Value,
    },
    /// The row of a map with this key, or NULL. The same until the next call.
    LookUp {
        /// The map.
        map: Map,
        /// Where the key is put together.
        slot: Slot,
        /// The parts of the key and their widths, without gaps.
        key: Vec<Value>,
        /// Widths.
        widths: Vec<Size>,
    },
    /// The value that a map keeps with a socket, or NULL, also if there is no socket. The same until the next call.
    LookUpSock {
        /// The map.
        map: Map,
        /// The socket.
        sock: Value,
    },
    /// Add to a 64-bit number in memory, atomically.
    AtomicAdd {
        /// The address of a map value or a counter.
        addr: Value,
        /// Added to the address.
        offset: i16,
        /// What to add.
        value: Value,
    },
    /// Zero-extending load from the stack.
    LoadSlot {
        /// Bytes.
        size: Size,
        /// The slot.
        slot: Slot,
        /// Offset in it.
        offset: u16,
    },
    /// Store to the stack.
    StoreSlot {
        /// Bytes.
        size: Size,
        /// The slot.
        slot: Slot,
        /// Offset in it.
        offset: u16,
        /// What to store.
        value: Value,
    },
    /// Here what was loaded is forgotten: what comes after loads it again.
    Forget,
    /// An operation on one number.
    Unary(UnaryOp, Value),
    /// An operation on two numbers.
    Binary(BinaryOp, Value, Value),
    /// Call a helper; the result is its 64-bit return value. A helper that takes a socket is not called without
    /// one: the result is 0 then.
    Call {
        /// The helper.
        helper: &'static Helper,
        /// At most five arguments.
        args: Vec<Value>,
    },
    /// Call a kernel function; the result is its 64-bit return value.
    CallKernel {
        /// The function.
        kfunc: &'static Kfunc,
        /// At most five arguments.
        args: Vec<Value>,
    },
    /// The position of the last key of a table that is not above the given one.
    TableFind {
        /// The table.
        table: Table,
        /// As many numbers as the table's keys have, the most significant first.
        key: Vec<Value>,
    },
}

/// Width of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// 1 byte.
    Byte,
    /// 2 bytes.
    Half,
    /// 4 bytes.
    Word,
    /// 8 bytes.
    Double,
}

/// Operations on one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// Reverse the low two bytes and clear the rest: network order to host order on a little-endian machine.
    SwapBytes16,
    /// Reverse the low four bytes and clear the rest.
    SwapBytes32,
    /// Reverse all eight bytes.
    SwapBytes64,
    /// Two's complement.
    Neg,
}

/// Operations on two 64-bit numbers, with BPF's meaning: they wrap, a division by zero gives zero, a
/// remainder by zero the left side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    /// Sum.
    Add,
    /// Difference.
    Sub,
    /// Product.
    Mul,
    /// Unsigned quotient.
    Div,
    /// Unsigned remainder.
    Rem,
    /// Bits in both.
    And,
    /// Bits in either.
    Or,
    /// Bits in one.
    Xor,
    /// Left by less than 64.
    Shl,
    /// Right by less than 64, zeros come in.
    Shr,
}

/// A comparison of two unsigned numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cond {
    /// How.
    pub op: CondOp,
    /// Left side.
    pub a: Value,
    /// Right side.
    pub b: Value,
}

/// Comparisons of unsigned numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CondOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// They share a bit.
    Test,
}

impl CondOp {
    /// The comparison that holds when this one does not; `Test` has none.
    pub fn inverse(self) -> Option<CondOp> {
        Some(match self {
            CondOp::Eq => CondOp::Ne,
            CondOp::Ne => CondOp::Eq,
            CondOp::Lt => CondOp::Ge,
            CondOp::Le => CondOp::Gt,
            CondOp::Gt => CondOp::Le,
            CondOp::Ge => CondOp::Lt,
            CondOp::Test => return None,
        })
    }

    /// The comparison with its sides exchanged.
    pub fn swapped(self) -> CondOp {
        match self {
            CondOp::Lt => CondOp::Gt,
            CondOp::Le => CondOp::Ge,
            CondOp::Gt => CondOp::Lt,
            CondOp::Ge => CondOp::Le,
            same => same,
        }
    }

    /// Decides it for two numbers.
    pub fn holds(self, a: u64, b: u64) -> bool {
        match self {
            CondOp::Eq => a == b,
            CondOp::Ne => a != b,
            CondOp::Lt => a < b,
            CondOp::Le => a <= b,
            CondOp::Gt => a > b,
            CondOp::Ge => a >= b,
            CondOp::Test => a & b != 0,
        }
    }
}

impl BinaryOp {
    /// Computes it.
    pub fn apply(self, a: u64, b: u64) -> u64 {
        match self {
            BinaryOp::Add => a.wrapping_add(b),
            BinaryOp::Sub => a.wrapping_sub(b),
            BinaryOp::Mul => a.wrapping_mul(b),
            BinaryOp::Div => a.checked_div(b).unwrap_or(0),
            BinaryOp::Rem => a.checked_rem(b).unwrap_or(a),
            BinaryOp::And => a & b,
            BinaryOp::Or => a | b,
            BinaryOp::Xor => a ^ b,
            BinaryOp::Shl => a.wrapping_shl(b as u32),
            BinaryOp::Shr => a.wrapping_shr(b as u32),
        }
    }
}

impl UnaryOp {
    /// Computes it.
    pub fn apply(self, a: u64) -> u64 {
        match self {
            UnaryOp::SwapBytes16 => u64::from((a as u16).swap_bytes()),
            UnaryOp::SwapBytes32 => u64::from((a as u32).swap_bytes()),
            UnaryOp::SwapBytes64 => a.swap_bytes(),
            UnaryOp::Neg => a.wrapping_neg(),
        }
    }
}

/// A block and the values for its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockCall {
    /// Where to.
    pub block: Block,
    /// One value for each parameter.
    pub args: Vec<Value>,
}

/// How a block ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Terminator {
    /// Go there.
    Jump(BlockCall),
    /// Go to the first if the condition holds, else to the second.
    Branch(Cond, BlockCall, BlockCall),
    /// Go where the number says; the blocks take no parameters.
    Switch {
        /// The number; below 2^32.
        value: Value,
        /// Numbers and their blocks, ascending.
        cases: Vec<(u32, Block)>,
        /// For every other number; `None` if the number is always one of the cases.
        default: Option<Block>,
    },
    /// Return 1.
    Exit,
}

impl Terminator {
    /// Where it can go, each edge once.
    pub fn targets(&self) -> Vec<Block> {
        match self {
            Terminator::Jump(call) => vec![call.block],
            Terminator::Branch(_, yes, no) => vec![yes.block, no.block],
            Terminator::Switch { cases, default, .. } => {
                let mut targets: Vec<Block> = cases.iter().map(|&(_, block)| block).chain(*default).collect();
                targets.sort();
                targets.dedup();
                targets
            }
            Terminator::Exit => Vec::new(),
        }
    }

    /// Replaces each target.
    pub fn map_targets(&mut self, mut map: impl FnMut(Block) -> Block) {
        match self {
            Terminator::Jump(call) => call.block = map(call.block),
            Terminator::Branch(_, yes, no) => {
                yes.block = map(yes.block);
                no.block = map(no.block);
            }
            Terminator::Switch { cases, default, .. } => {
                cases.iter_mut().for_each(|(_, block)| *block = map(*block));
                if let Some(block) = default {
                    *block = map(*block);
                }
            }
            Terminator::Exit => {}
        }
    }

    /// The values it uses.
    pub fn operands(&self) -> Vec<Value> {
        match self {
            Terminator::Jump(call) => call.args.clone(),
            Terminator::Branch(cond, yes, no) => [cond.a, cond.b]
                .into_iter()
                .chain(yes.args.iter().copied())
                .chain(no.args.iter().copied())
                .collect(),
            Terminator::Switch { value, .. } => vec![*value],
            Terminator::Exit => Vec::new(),
        }
    }

    /// Replaces each value it uses.
    pub fn map_operands(&mut self, mut map: impl FnMut(Value) -> Value) {
        match self {
            Terminator::Jump(call) => call.args.iter_mut().for_each(|arg| *arg = map(*arg)),
            Terminator::Branch(cond, yes, no) => {
                cond.a = map(cond.a);
                cond.b = map(cond.b);
                yes.args.iter_mut().chain(&mut no.args).for_each(|arg| *arg = map(*arg));
            }
            Terminator::Switch { value, .. } => *value = map(*value),
            Terminator::Exit => {}
        }
    }
}

impl InstData {
    /// The values it uses.
    pub fn operands(&self) -> Vec<Value> {
        match self {
            InstData::StoreField { value, .. }
            | InstData::StoreSlot { value, .. }
            | InstData::Unary(_, value) => {
                vec![*value]
            }
            InstData::LoadMember { base, .. } => vec![*base],
            InstData::Load { addr, .. } => vec![*addr],
            InstData::AtomicAdd { addr, value, .. } | InstData::Store { addr, value, .. } => {
                vec![*addr, *value]
            }
            InstData::LookUp { key, .. } => key.clone(),
            InstData::LookUpSock { sock, .. } => vec![*sock],
            InstData::Binary(_, a, b) => vec![*a, *b],
            InstData::Call { args, .. } | InstData::CallKernel { args, .. } => args.clone(),
            InstData::TableFind { key, .. } => key.clone(),
            _ => Vec::new(),
        }
    }

    /// Replaces each value it uses.
    pub fn map_operands(&mut self, mut map: impl FnMut(Value) -> Value) {
        match self {
            InstData::StoreField { value, .. }
            | InstData::StoreSlot { value, .. }
            | InstData::Unary(_, value) => {
                *value = map(*value);
            }
            InstData::LoadMember { base, .. } => *base = map(*base),
            InstData::Load { addr, .. } => *addr = map(*addr),
            InstData::LookUp { key, .. } => key.iter_mut().for_each(|part| *part = map(*part)),
            InstData::LookUpSock { sock, .. } => *sock = map(*sock),
            InstData::AtomicAdd { addr, value, .. } | InstData::Store { addr, value, .. } => {
                *addr = map(*addr);
                *value = map(*value);
            }
            InstData::Binary(_, a, b) => {
                *a = map(*a);
                *b = map(*b);
            }
            InstData::Call { args, .. } | InstData::CallKernel { args, .. } => {
                args.iter_mut().for_each(|arg| *arg = map(*arg));
            }
            InstData::TableFind { key, .. } => key.iter_mut().for_each(|word| *word = map(*word)),
            _ => {}
        }
    }

    /// Whether it makes a value.
    pub fn has_result(&self) -> bool {
        !matches!(
            self,
            InstData::StoreField { .. }
                | InstData::StoreSlot { .. }
                | InstData::Store { .. }
                | InstData::AtomicAdd { .. }
                | InstData::Forget
        )
    }

    /// Whether it changes something beside its result, so that it must stay even if that is not used.
    pub fn has_effect(&self) -> bool {
        match self {
            InstData::Call { helper, .. } => !helper.is_constant(),
            InstData::CallKernel { .. } => true,
            InstData::Forget => false,
            _ => !self.has_result(),
        }
    }

    /// Whether it is made anew at each use instead of being kept in a register: a number or an address.
    pub fn is_immediate(&self) -> bool {
        matches!(
            self,
            InstData::Const(_)
                | InstData::Context
                | InstData::MapAddr(_)
                | InstData::SlotAddr(..)
                | InstData::ConstantAddr(..)
                | InstData::CounterAddr(..)
                | InstData::VariableAddr(_)
        )
    }
}

impl Size {
    /// Width in bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Size::Byte => 1,
            Size::Half => 2,
            Size::Word => 4,
            Size::Double => 8,
        }
    }
}
