//! Instruction selection: one IR instruction to a few machine instructions over virtual registers.

use cranelift_entity::{EntityRef, SecondaryMap};
use regalloc2::{Operand, PReg, PRegSet, RegClass, VReg};
use tcpc_lang::source::Span;
use tcpc_stdlib::helper::{Helper, helper};
use tcpc_stdlib::signature::{Signature, signature};

use super::{Kind, MachBlock, MachFunc, MachInst};
use crate::bpf::{AluOp, JmpOp, Size};
use crate::ir::{self, BinaryOp, Block, CondOp, Func, InstData, Terminator, UnaryOp, Value};
use crate::object::Target;

/// A register by number.
pub fn preg(number: u8) -> PReg {
    PReg::new(usize::from(number), RegClass::Int)
}

/// The registers that a call leaves undefined, its result aside.
const CALL_CLOBBERS: [u8; 5] = [1, 2, 3, 4, 5];

/// Selects instructions for a function whose switches are expanded and whose critical edges are split.
pub fn select(func: &Func) -> MachFunc {
    let order = func.reverse_postorder();
    let mut number = SecondaryMap::with_default(usize::MAX);
    for (at, &block) in order.iter().enumerate() {
        number[block] = at;
    }
    let mut selector = Selector {
        func,
        mach: MachFunc {
            blocks: Vec::new(),
            insts: Vec::new(),
            vregs: 0,
            slots: func.slots.values().copied().collect(),
        },
        registers: SecondaryMap::new(),
        context: VReg::invalid(),
        span: Span::default(),
    };
    selector.context = selector.vreg();
    for &block in &order {
        selector.select_block(block, &number);
    }
    let edges: Vec<(usize, Vec<regalloc2::Block>)> =
        selector.mach.blocks.iter().map(|block| block.successors.clone()).enumerate().collect();
    for (from, successors) in edges {
        for to in successors {
            selector.mach.blocks[to.index()].predecessors.push(regalloc2::Block::new(from));
        }
    }
    selector.mach
}

struct Selector<'a> {
    func: &'a Func,
    mach: MachFunc,
    registers: SecondaryMap<Value, Option<VReg>>,
    context: VReg,
    span: Span,
}

impl Selector<'_> {
    fn vreg(&mut self) -> VReg {
        self.mach.vregs += 1;
        VReg::new(self.mach.vregs - 1, RegClass::Int)
    }

    /// The virtual register of a value that lives in one.
    fn register(&mut self, value: Value) -> VReg {
        match self.registers[value] {
            Some(register) => register,
            None => {
                let register = self.vreg();
                self.registers[value] = Some(register);
                register
            }
        }
    }

    fn push(&mut self, kind: Kind, operands: Vec<Operand>) {
        self.mach.insts.push(MachInst { kind, operands, clobbers: PRegSet::empty(), span: self.span });
    }

    /// A register that holds the value: numbers and addresses are made here, anew at each use.
    fn used(&mut self, value: Value) -> VReg {
        let kind = match self.func.def(value) {
            Some(InstData::Context) => return self.context,
            Some(InstData::Const(number)) => Kind::Number(*number),
            Some(InstData::SlotAddr(slot, offset)) => Kind::SlotAddress(slot.index(), *offset),
            Some(InstData::MapAddr(map)) => Kind::Address(Target::Map(map.index()), 0),
            Some(InstData::ConstantAddr(constant, offset)) => {
                Kind::Address(Target::Rodata(constant.index()), *offset)
            }
            Some(InstData::CounterAddr(counter, offset)) => {
                Kind::Address(Target::Bss(counter.index()), *offset)
            }
            Some(InstData::VariableAddr(variable)) => Kind::Address(Target::Data(variable.index()), 0),
            _ => return self.register(value),
        };
        self.made(kind)
    }

    /// A new register with a number or an address.
    fn made(&mut self, kind: Kind) -> VReg {
        let register = self.vreg();
        self.push(kind, vec![Operand::reg_def(register)]);
        register
    }

    fn select_block(&mut self, block: Block, number: &SecondaryMap<Block, usize>) {
        let data = &self.func.blocks[block];
        let first = self.mach.insts.len();
        let params = data.params.iter().map(|&param| self.register(param)).collect();
        if block == self.func.entry {
            self.span = data.insts.first().map_or(data.span, |placed| placed.span);
            self.push(Kind::Entry, vec![Operand::reg_fixed_def(self.context, preg(1))]);
        }
        for placed in &data.insts {
            self.span = placed.span;
            let inst = &self.func.insts[placed.inst];
            if !inst.is_immediate() {
                let result = placed.result.map(|result| self.register(result));
                self.select_inst(inst, result);
            }
        }
        self.span = data.span;
        let args = self.select_terminator(&data.terminator);
        let successors = match &data.terminator {
            Terminator::Branch(_, yes, no) => vec![yes.block, no.block],
            terminator => terminator.targets(),
        };
        let successors = successors.into_iter().map(|target| regalloc2::Block::new(number[target])).collect();
        let end = self.mach.insts.len();
        self.mach.blocks.push(MachBlock { first, end, params, successors, predecessors: Vec::new(), args });
    }

    /// Operands: the result first, then what is used.
    fn select_inst(&mut self, inst: &InstData, result: Option<VReg>) {
        let result = result.unwrap_or(self.context);
        match inst {
            InstData::LoadField { field, word } => {
                let (size, offset) = field_access(field, *word);
                // Used at the end: the context stays where it is while the result is written elsewhere.
                let operands = vec![Operand::reg_def(result), Operand::reg_use_at_end(self.context)];
                self.push(Kind::LoadContext(size, offset), operands);
            }
            InstData::StoreField { field, word, value } => {
                let (size, offset) = field_access(field, *word);
                let value = self.used(*value);
                let operands = vec![Operand::reg_use(self.context), Operand::reg_use(value)];
                self.push(Kind::StoreContext(size, offset), operands);
            }
            InstData::LoadMember { field, base } => {
                let (size, offset) = field_access(field, 0);
                let base = self.used(*base);
                let operands = vec![Operand::reg_reuse_def(result, 1), Operand::reg_use(base)];
                self.push(Kind::LoadMember(size, offset), operands);
            }
            InstData::Load { size, addr, offset } => {
                let addr = self.used(*addr);
                self.push(
                    Kind::Load(width(*size), *offset),
                    vec![Operand::reg_def(result), Operand::reg_use(addr)],
                );
            }
            InstData::Store { size, addr, offset, value } => {
                let (addr, value) = (self.used(*addr), self.used(*value));
                let operands = vec![Operand::reg_use(addr), Operand::reg_use(value)];
                self.push(Kind::Store(width(*size), *offset), operands);
            }
            InstData::LookUp { map, slot, key, widths } => {
                let mut at = 0;
                for (part, width) in key.iter().zip(widths) {
                    self.select_store_slot(*width, *slot, at, *part);
                    at += width.bytes() as u16;
                }
                let args = [Kind::Address(Target::Map(map.index()), 0), Kind::SlotAddress(slot.index(), 0)];
                let args = args.map(|kind| self.made(kind)).to_vec();
                self.select_helper("bpf_map_lookup_elem", args, result);
            }
            InstData::LookUpSock { map, sock } => {
                let map = self.made(Kind::Address(Target::Map(map.index()), 0));
                let sock = self.used(*sock);
                let nothing = [self.made(Kind::Number(0)), self.made(Kind::Number(0))];
                self.select_helper("bpf_sk_storage_get", vec![map, sock, nothing[0], nothing[1]], result);
            }
            InstData::AtomicAdd { addr, offset, value } => {
                let (addr, value) = (self.used(*addr), self.used(*value));
                self.push(Kind::AtomicAdd(*offset), vec![Operand::reg_use(addr), Operand::reg_use(value)]);
            }
            InstData::LoadSlot { size, slot, offset } => {
                self.push(
                    Kind::LoadSlot(width(*size), slot.index(), *offset),
                    vec![Operand::reg_def(result)],
                );
            }
            InstData::StoreSlot { size, slot, offset, value } => {
                self.select_store_slot(*size, *slot, *offset, *value)
            }
            InstData::Unary(op, value) => self.select_unary(*op, *value, result),
            InstData::Binary(op, a, b) => self.select_binary(*op, *a, *b, result),
            InstData::Call { helper, args } => {
                let args = args.iter().map(|&arg| self.used(arg)).collect();
                self.select_call(call_of(helper), args, result);
            }
            InstData::CallKernel { kfunc, args } => {
                let args = args.iter().map(|&arg| self.used(arg)).collect();
                self.select_call(Kind::CallKernel(kfunc), args, result);
            }
            InstData::TableFind { table, key } => self.select_find(*table, key, result),
            _ => {}
        }
    }

    fn select_store_slot(&mut self, size: ir::Size, slot: ir::Slot, offset: u16, value: Value) {
        let small = self.func.constant(value).and_then(|number| match size {
            ir::Size::Double => sign_extended(number),
            _ => u32::try_from(number).ok().map(|number| number as i32),
        });
        match small {
            Some(number) => {
                self.push(Kind::StoreSlotNumber(width(size), slot.index(), offset, number), Vec::new())
            }
            None => {
                let value = self.used(value);
                self.push(Kind::StoreSlot(width(size), slot.index(), offset), vec![Operand::reg_use(value)]);
            }
        }
    }

    fn select_unary(&mut self, op: UnaryOp, value: Value, result: VReg) {
        let value = self.used(value);
        let kind = match op {
            UnaryOp::SwapBytes16 => Kind::SwapBytes(16),
            UnaryOp::SwapBytes32 => Kind::SwapBytes(32),
            UnaryOp::SwapBytes64 => Kind::SwapBytes(64),
            UnaryOp::Neg => Kind::Neg,
        };
        self.push(kind, vec![Operand::reg_reuse_def(result, 1), Operand::reg_use(value)]);
    }

    fn select_binary(&mut self, op: BinaryOp, a: Value, b: Value, result: VReg) {
        let bits = matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Xor);
        let narrow = bits && self.func.fits_32(a) && self.func.fits_32(b);
        let number = self.func.constant(b).and_then(|number| match narrow {
            true => Some(number as u32 as i32),
            false => sign_extended(number),
        });
        let left = self.used(a);
        let op = alu_op(op);
        match number {
            Some(number) => {
                let operands = vec![Operand::reg_reuse_def(result, 1), Operand::reg_use(left)];
                self.push(Kind::AluNumber(op, narrow, number), operands);
            }
            None => {
                let right = self.used(b);
                let operands =
                    vec![Operand::reg_reuse_def(result, 1), Operand::reg_use(left), Operand::reg_use(right)];
                self.push(Kind::Alu(op, narrow), operands);
            }
        }
    }

    /// A call of a helper by name; the catalogue's own test shows that it is there.
    fn select_helper(&mut self, name: &str, args: Vec<VReg>, result: VReg) {
        if let Some(helper) = helper(name) {
            self.select_call(call_of(helper), args, result);
        }
    }

    fn select_call(&mut self, kind: Kind, args: Vec<VReg>, result: VReg) {
        let mut operands = vec![Operand::reg_fixed_def(result, preg(0))];
        operands.extend((1u8..).zip(args).map(|(at, arg)| Operand::reg_fixed_use(arg, preg(at))));
        self.push(kind, operands);
        if let Some(inst) = self.mach.insts.last_mut() {
            inst.clobbers =
                CALL_CLOBBERS.into_iter().fold(PRegSet::empty(), |set, number| set.with(preg(number)));
        }
    }

    /// Operands: position, start, base, three scratch registers, the words of the key.
    fn select_find(&mut self, table: ir::Table, key: &[Value], result: VReg) {
        let data = &self.func.tables[table];
        let zero = self.vreg();
        self.push(Kind::Address(Target::Bss(data.zero.index()), 0), vec![Operand::reg_def(zero)]);
        let start = self.vreg();
        self.push(Kind::Load(Size::W, 0), vec![Operand::reg_def(start), Operand::reg_use(zero)]);
        let base = self.vreg();
        self.push(Kind::Address(Target::Rodata(data.data.index()), 0), vec![Operand::reg_def(base)]);
        let key: Vec<VReg> = key.iter().map(|&word| self.used(word)).collect();
        let mut operands =
            vec![Operand::reg_reuse_def(result, 1), Operand::reg_use(start), Operand::reg_use_at_end(base)];
        for _ in 0..3 {
            let scratch = self.vreg();
            operands.push(Operand::reg_temp(scratch));
        }
        operands.extend(key.into_iter().map(Operand::reg_use_at_end));
        self.push(Kind::Find { entries: data.entries, words: data.words }, operands);
    }

    /// Returns what a jump passes.
    fn select_terminator(&mut self, terminator: &Terminator) -> Vec<VReg> {
        match terminator {
            Terminator::Jump(call) => {
                let args = call.args.iter().map(|&arg| self.used(arg)).collect();
                self.push(Kind::Jump, Vec::new());
                return args;
            }
            Terminator::Branch(cond, ..) => self.select_branch(cond),
            Terminator::Switch { .. } | Terminator::Exit => self.push(Kind::Exit, Vec::new()),
        }
        Vec::new()
    }

    /// In 32 bits wherever both sides fit: any number is then an immediate. A 64-bit comparison takes no
    /// negative immediate, which interpreters disagree about.
    fn select_branch(&mut self, cond: &ir::Cond) {
        let narrow = self.func.fits_32(cond.a) && self.func.fits_32(cond.b);
        let number = self.func.constant(cond.b).and_then(|number| match narrow {
            true => Some(number as u32 as i32),
            false => i32::try_from(number).ok(),
        });
        let op = jump_op(cond.op);
        let left = self.used(cond.a);
        let mut operands = vec![Operand::reg_use(left)];
        if number.is_none() {
            let right = self.used(cond.b);
            operands.push(Operand::reg_use(right));
        }
        self.push(Kind::Branch(op, narrow, number), operands);
    }
}

/// A call, and the register of the socket among its arguments, which begin with r1.
fn call_of(helper: &'static Helper) -> Kind {
    let sock = signature(helper.id).and_then(Signature::sock).map(|at| at as u8 + 1);
    Kind::Call(helper, sock)
}

fn field_access(field: &tcpc_stdlib::field::Field, word: u8) -> (Size, u16) {
    let size = if field.size == 8 { Size::DW } else { Size::W };
    (size, field.offset + u16::from(field.size) * u16::from(word))
}

fn width(size: ir::Size) -> Size {
    match size {
        ir::Size::Byte => Size::B,
        ir::Size::Half => Size::H,
        ir::Size::Word => Size::W,
        ir::Size::Double => Size::DW,
    }
}

/// The immediate that is extended to this number, if there is one.
fn sign_extended(number: u64) -> Option<i32> {
    i32::try_from(number as i64).ok()
}

fn alu_op(op: BinaryOp) -> AluOp {
    match op {
        BinaryOp::Add => AluOp::Add,
        BinaryOp::Sub => AluOp::Sub,
        BinaryOp::Mul => AluOp::Mul,
        BinaryOp::Div => AluOp::Div,
        BinaryOp::Rem => AluOp::Mod,
        BinaryOp::And => AluOp::And,
        BinaryOp::Or => AluOp::Or,
        BinaryOp::Xor => AluOp::Xor,
        BinaryOp::Shl => AluOp::Lsh,
        BinaryOp::Shr => AluOp::Rsh,
    }
}

fn jump_op(op: CondOp) -> JmpOp {
    match op {
        CondOp::Eq => JmpOp::Eq,
        CondOp::Ne => JmpOp::Ne,
        CondOp::Lt => JmpOp::Lt,
        CondOp::Le => JmpOp::Le,
        CondOp::Gt => JmpOp::Gt,
        CondOp::Ge => JmpOp::Ge,
        CondOp::Test => JmpOp::Set,
    }
}
