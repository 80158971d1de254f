//! Expressions that make a number or an address.

use tcpc_lang::hir::{ArithOp, CompareOp, Expr, ExprKind, Value as Constant};
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::field::{Field, Order, Struct};
use tcpc_stdlib::option::{OptionValue, Readback, SockOption};
use tcpc_stdlib::unit::{Type, Unit};

use super::address::words_of;
use super::{Lowerer, context_field, kernel_helper};
use crate::ir::{BinaryOp, CondOp, InstData, Size, Slot, SlotPurpose, UnaryOp, Value};

/// What an expression makes.
#[derive(Clone, Copy)]
pub enum Operand {
    /// A number in the canonical unit of its type.
    Scalar(Value),
    /// The four words of an address, in network order as the context has them.
    Ip([Value; 4]),
}

impl Lowerer<'_> {
    /// An expression of any type but a name or a prefix.
    pub fn lower_operand(&mut self, expr: &Expr) -> Operand {
        match &expr.kind {
            ExprKind::Const(Constant::Ip(address)) => {
                Operand::Ip(words_of(*address).map(|word| self.b.number(u64::from(word))))
            }
            ExprKind::Field(field) if field.ty == Type::Ip => Operand::Ip(self.address_words(field)),
            ExprKind::Local(local) => match self.locals.get(local) {
                Some(&operand) => operand,
                None => Operand::Scalar(self.b.number(0)),
            },
            ExprKind::Let(local, value, body) => {
                let operand = self.lower_operand(value);
                self.locals.insert(*local, operand);
                self.lower_operand(body)
            }
            ExprKind::If(condition, then, otherwise) if expr.ty == Type::Ip => Operand::Ip(self.choose(
                condition,
                |lowerer| lowerer.words(then),
                |lowerer| lowerer.words(otherwise),
            )),
            _ => Operand::Scalar(self.lower_scalar(expr)),
        }
    }

    fn words(&mut self, address: &Expr) -> [Value; 4] {
        match self.lower_operand(address) {
            Operand::Ip(words) => words,
            Operand::Scalar(value) => [value; 4],
        }
    }

    /// A number in the canonical unit of the expression's type.
    pub fn lower_scalar(&mut self, expr: &Expr) -> Value {
        let outer = self.b.set_span(expr.span);
        let value = self.lower_number(expr);
        self.b.set_span(outer);
        value
    }

    fn lower_number(&mut self, expr: &Expr) -> Value {
        match &expr.kind {
            ExprKind::Const(Constant::Number(number)) => self.b.number(*number),
            ExprKind::Field(field) => self.lower_field(field),
            ExprKind::Arg(index, arg) => {
                let raw = self.b.field(context_field("args"), *index);
                self.canonical(raw, arg.unit)
            }
            ExprKind::Option(option) => self.lower_option(option),
            ExprKind::Cell(row, cell) => self.lower_cell(row, *cell),
            ExprKind::Param(param, _) => self.lower_param(*param),
            ExprKind::HeaderField(header, index) => self.lower_header_field(*header, *index),
            ExprKind::Arith(op, a, b) => {
                let (a, b) = (self.lower_scalar(a), self.lower_scalar(b));
                self.lower_arith(*op, a, b)
            }
            ExprKind::If(condition, then, otherwise) => self.choose_one(
                condition,
                |lowerer| lowerer.lower_scalar(then),
                |lowerer| lowerer.lower_scalar(otherwise),
            ),
            // A draw is a condition; as a value it is one of two numbers.
            ExprKind::Call(id, args) if *id != BuiltinId::Sample => self.lower_call(*id, args),
            ExprKind::Local(_) | ExprKind::Let(..) => match self.lower_operand(expr) {
                Operand::Scalar(value) => value,
                Operand::Ip(words) => words[0],
            },
            _ => self.choose_one(expr, |lowerer| lowerer.b.number(1), |lowerer| lowerer.b.number(0)),
        }
    }

    /// One of two numbers, as a condition says.
    fn choose_one(
        &mut self,
        condition: &Expr,
        then: impl FnOnce(&mut Self) -> Value,
        otherwise: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let [result] = self.choose(condition, |lowerer| [then(lowerer)], |lowerer| [otherwise(lowerer)]);
        result
    }

    /// Some numbers or others, as a condition says that is tested once for all of them.
    fn choose<const N: usize>(
        &mut self,
        condition: &Expr,
        then: impl FnOnce(&mut Self) -> [Value; N],
        otherwise: impl FnOnce(&mut Self) -> [Value; N],
    ) -> [Value; N] {
        let (yes, no) = (self.b.new_block(), self.b.new_block());
        self.lower_cond(condition, yes, no);
        let (end, result) = self.b.new_block_with_params();
        self.b.switch_to(yes);
        let values = then(self);
        self.b.jump_with_all(end, &values);
        self.b.switch_to(no);
        let values = otherwise(self);
        self.b.jump_with_all(end, &values);
        self.b.switch_to(end);
        result
    }

    /// One of two numbers, as a comparison says.
    pub fn select(&mut self, op: CondOp, a: Value, b: Value, then: Value, otherwise: Value) -> Value {
        if let (Some(x), Some(y)) = (self.b.func().constant(a), self.b.func().constant(b)) {
            return if op.holds(x, y) { then } else { otherwise };
        }
        let (yes, no) = (self.b.new_block(), self.b.new_block());
        self.b.branch(op, a, b, yes, no);
        let (end, result) = self.b.new_block_with_param();
        self.b.switch_to(yes);
        self.b.jump_with(end, then);
        self.b.switch_to(no);
        self.b.jump_with(end, otherwise);
        self.b.switch_to(end);
        result
    }

    fn lower_field(&mut self, field: &'static Field) -> Value {
        if field.ty == Type::Family {
            return self.lower_family();
        }
        let raw = match field.of {
            Struct::SockOps => self.b.field(field, 0),
            of => {
                let base = self.lower_struct(of);
                self.b.value(InstData::LoadMember { field, base })
            }
        };
        match field.order {
            Order::NetworkHighHalf | Order::Network => self.b.unary(UnaryOp::SwapBytes32, raw),
            Order::Host | Order::Pointer => self.canonical(raw, field.unit),
        }
    }

    /// The pointer to a structure of the socket, or NULL. It is the same wherever it is made in one run.
    pub fn lower_struct(&mut self, of: Struct) -> Value {
        match of {
            Struct::SockOps => self.b.value(InstData::Context),
            Struct::Sock => self.b.field(context_field("sk"), 0),
            Struct::TcpSock => {
                let sock = self.lower_struct(Struct::Sock);
                self.b.call(kernel_helper("bpf_tcp_sock"), vec![sock])
            }
        }
    }

    /// A number in a kernel unit, in the canonical unit of its type.
    fn canonical(&mut self, raw: Value, unit: Unit) -> Value {
        match unit.scale() {
            Some(scale) => self.b.binary_imm(BinaryOp::Mul, raw, scale),
            None => {
                let hz = self.hz();
                let nanos = self.b.binary_imm(BinaryOp::Mul, raw, tcpc_stdlib::unit::NANOS_PER_SECOND);
                self.b.binary(BinaryOp::Div, nanos, hz)
            }
        }
    }

    /// A canonical number in a kernel unit: rounded up, so that a time span never becomes 0.
    pub fn raw_unit(&mut self, value: Value, unit: Unit) -> Value {
        match unit.scale() {
            None | Some(1) => value,
            Some(scale) => {
                let rounded = self.b.binary_imm(BinaryOp::Add, value, scale - 1);
                self.b.binary_imm(BinaryOp::Div, rounded, scale)
            }
        }
    }

    pub fn lower_arith(&mut self, op: ArithOp, a: Value, b: Value) -> Value {
        let op = match op {
            ArithOp::Sub => {
                let difference = self.b.binary(BinaryOp::Sub, a, b);
                let zero = self.b.number(0);
                return self.select(CondOp::Lt, a, b, zero, difference);
            }
            ArithOp::Shl | ArithOp::Shr => {
                let op = if op == ArithOp::Shl { BinaryOp::Shl } else { BinaryOp::Shr };
                return self.lower_shift(op, a, b);
            }
            ArithOp::Add => BinaryOp::Add,
            ArithOp::Mul => BinaryOp::Mul,
            ArithOp::Div => BinaryOp::Div,
            ArithOp::Rem => BinaryOp::Rem,
            ArithOp::And => BinaryOp::And,
            ArithOp::Or => BinaryOp::Or,
            ArithOp::Xor => BinaryOp::Xor,
        };
        self.b.binary(op, a, b)
    }

    /// BPF takes a shift modulo 64; the language shifts everything out.
    fn lower_shift(&mut self, op: BinaryOp, a: Value, b: Value) -> Value {
        match self.b.func().constant(b) {
            Some(64..) => self.b.number(0),
            Some(_) => self.b.binary(op, a, b),
            None => {
                let masked = self.b.binary_imm(BinaryOp::And, b, 63);
                let shifted = self.b.binary(op, a, masked);
                let (zero, width) = (self.b.number(0), self.b.number(64));
                self.select(CondOp::Lt, b, width, shifted, zero)
            }
        }
    }

    fn lower_call(&mut self, id: BuiltinId, args: &[Expr]) -> Value {
        let call = |lowerer: &mut Self, name| {
            let helper = kernel_helper(name);
            lowerer.b.call(helper, Vec::new())
        };
        match (id, args) {
            (BuiltinId::Min, [a, b]) => self.lower_min_max(CondOp::Le, a, b),
            (BuiltinId::Max, [a, b]) => self.lower_min_max(CondOp::Ge, a, b),
            (BuiltinId::Clamp, [x, low, high]) => {
                let (x, low, high) = (self.lower_scalar(x), self.lower_scalar(low), self.lower_scalar(high));
                let capped = self.select(CondOp::Le, x, high, x, high);
                self.select(CondOp::Ge, capped, low, capped, low)
            }
            (BuiltinId::Now, _) => call(self, "bpf_ktime_get_boot_ns"),
            (BuiltinId::Random, _) => {
                let random = call(self, "bpf_get_prandom_u32");
                self.b.binary_imm(BinaryOp::And, random, u64::from(u32::MAX))
            }
            (BuiltinId::SynTos, _) => self.lower_syn_tos(),
            (BuiltinId::Hash, args) => self.lower_hash(args),
            _ => self.b.number(0),
        }
    }

    fn lower_min_max(&mut self, op: CondOp, a: &Expr, b: &Expr) -> Value {
        let (a, b) = (self.lower_scalar(a), self.lower_scalar(b));
        self.select(op, a, b, a, b)
    }

    fn lower_hash(&mut self, args: &[Expr]) -> Value {
        let mut hash = self.b.number(tcpc_stdlib::builtin::HASH_START);
        for arg in args {
            let words = match self.lower_operand(arg) {
                Operand::Ip(words) => words.map(|word| self.b.unary(UnaryOp::SwapBytes32, word)).to_vec(),
                Operand::Scalar(value) => vec![value],
            };
            for word in words {
                let mixed = self.b.binary(BinaryOp::Xor, hash, word);
                let spread = self.b.binary_imm(BinaryOp::Mul, mixed, tcpc_stdlib::builtin::HASH_FACTOR);
                let upper = self.b.binary_imm(BinaryOp::Shr, spread, 32);
                hash = self.b.binary(BinaryOp::Xor, spread, upper);
            }
        }
        self.b.binary_imm(BinaryOp::And, hash, u64::from(u32::MAX))
    }

    /// Reads a socket option into a stack slot of `bytes` bytes. The kernel zeroes it on failure.
    pub fn read_option(&mut self, option: &SockOption, bytes: u32) -> Slot {
        let slot = self.b.slot(SlotPurpose::Get, bytes);
        let context = self.b.value(InstData::Context);
        let level = self.b.number(u64::from(option.level));
        let number = self.b.number(u64::from(option.number));
        let buffer = self.b.value(InstData::SlotAddr(slot, 0));
        let length = self.b.number(u64::from(bytes));
        self.b.call(kernel_helper("bpf_getsockopt"), vec![context, level, number, buffer, length]);
        slot
    }

    fn lower_option(&mut self, option: &'static SockOption) -> Value {
        let bytes = if option.value == OptionValue::Name { 16 } else { 4 };
        let slot = self.read_option(option, bytes);
        let raw = self.b.value(InstData::LoadSlot { size: Size::Word, slot, offset: 0 });
        let set = match option.readback {
            Readback::Doubled => self.b.binary_imm(BinaryOp::Shr, raw, 1),
            _ => raw,
        };
        self.canonical(set, option.unit)
    }

    /// The service class in the IP header of the SYN: an IPv4 header has it in its second byte, an IPv6
    /// header in the eight bits after the version. Without a saved SYN the buffer is all zero.
    fn lower_syn_tos(&mut self) -> Value {
        let Some(option) = tcpc_stdlib::option::option("bpf_syn_ip") else { return self.b.number(0) };
        let slot = self.read_option(option, 4);
        let first = self.b.value(InstData::LoadSlot { size: Size::Byte, slot, offset: 0 });
        let second = self.b.value(InstData::LoadSlot { size: Size::Byte, slot, offset: 1 });
        let version = self.b.binary_imm(BinaryOp::Shr, first, 4);
        let upper = self.b.binary_imm(BinaryOp::Shl, first, 4);
        let lower = self.b.binary_imm(BinaryOp::Shr, second, 4);
        let class = self.b.binary(BinaryOp::Or, upper, lower);
        let class = self.b.binary_imm(BinaryOp::And, class, 0xff);
        let six = self.b.number(6);
        self.select(CondOp::Eq, version, six, class, second)
    }
}

/// The IR's comparison for the language's.
pub fn cond_op(op: CompareOp) -> CondOp {
    match op {
        CompareOp::Eq => CondOp::Eq,
        CompareOp::Ne => CondOp::Ne,
        CompareOp::Lt => CondOp::Lt,
        CompareOp::Le => CondOp::Le,
        CompareOp::Gt => CondOp::Gt,
        CompareOp::Ge => CondOp::Ge,
    }
}
