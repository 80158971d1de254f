//! Assignments to socket options.

use tcpc_lang::hir::{AssignId, Expr, ExprKind, SendId, Value as Constant};
use tcpc_stdlib::kernel::CONGESTION_NAME_MAX;
use tcpc_stdlib::manifest::FAILURE_SLOTS;
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::Type;

use super::{Lowerer, kernel_helper};
use crate::ir::{BinaryOp, CondOp, InstData, Size, SlotPurpose, UnaryOp, Value};
use crate::object::{DataType, Global};

impl Lowerer<'_> {
    /// Tries the values in order until the kernel takes one. A refusal is counted and does not stop the
    /// rule. Each attempt has blocks of its own, so that rules that do the same can share them.
    pub fn lower_assign(&mut self, alternatives: &[AssignId]) {
        let done = self.b.new_block();
        for &id in alternatives {
            let attempt = self.b.new_block();
            self.b.jump(attempt);
            self.b.switch_to(attempt);
            let assignment = &self.program.assignments[id.index()];
            let outer = self.b.set_span(assignment.span);
            let result = self.set_option(assignment.option, &assignment.value);
            if self.options.stats || assignment.has_fallback {
                let refused = self.b.new_block();
                let zero = self.b.number(0);
                self.b.branch(CondOp::Eq, result, zero, done, refused);
                self.b.switch_to(refused);
                self.count_failure(id, result);
            }
            self.b.set_span(outer);
        }
        self.b.jump(done);
        self.b.switch_to(done);
    }

    /// `bpf_setsockopt(ctx, level, option, &value, length)`; returns 0 or a negative error number.
    fn set_option(&mut self, option: &'static SockOption, value: &Expr) -> Value {
        let (buffer, length) = match &value.kind {
            ExprKind::Const(Constant::Name(name)) => self.name_buffer(name),
            _ => self.number_buffer(option, value),
        };
        self.setsockopt(option, buffer, length)
    }

    fn setsockopt(&mut self, option: &SockOption, buffer: Value, length: u64) -> Value {
        let context = self.b.value(InstData::Context);
        let level = self.b.number(u64::from(option.level));
        let number = self.b.number(u64::from(option.number));
        let length = self.b.number(length);
        self.b.call(kernel_helper("bpf_setsockopt"), vec![context, level, number, buffer, length])
    }

    /// A name is a constant of its own, padded with zeros as the kernel keeps it.
    fn name_buffer(&mut self, name: &str) -> (Value, u64) {
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize(CONGESTION_NAME_MAX, 0);
        let symbol = format!("name_{}", distinct_symbol_part(name));
        let ty = DataType::Array(Box::new(DataType::U8), CONGESTION_NAME_MAX as u32);
        let constant = self.b.constant(Global { name: symbol, ty, bytes });
        (self.b.value(InstData::ConstantAddr(constant, 0)), CONGESTION_NAME_MAX as u64)
    }

    /// A number goes through the stack. One that is computed is held at the option's maximum, so that neither a value
    /// that the kernel refuses comes of it, nor cutting it to 32 bits turns a huge one into a small one.
    fn number_buffer(&mut self, option: &SockOption, value: &Expr) -> (Value, u64) {
        let mut canonical = self.lower_scalar(value);
        let max = u64::try_from(option.max).unwrap_or(u64::from(u32::MAX));
        let most = max.saturating_mul(option.unit.scale().unwrap_or(1));
        let is_within = match value.kind {
            // The checker has looked at constants.
            ExprKind::Const(_) => true,
            ExprKind::Param(_, (_, high)) => high <= most,
            _ => value.ty == Type::Bool || (most >= u32::MAX.into() && self.b.func().fits_32(canonical)),
        };
        if !is_within {
            canonical = self.at_most(canonical, max, option.unit);
        }
        let raw = self.raw_unit(canonical, option.unit);
        self.raw_buffer(raw)
    }

    fn raw_buffer(&mut self, raw: Value) -> (Value, u64) {
        let slot = self.b.slot(SlotPurpose::Set, 4);
        self.b.store_slot(Size::Word, slot, 0, raw);
        (self.b.value(InstData::SlotAddr(slot, 0)), 4)
    }

    /// Sets an option that is a number to a raw one.
    pub fn set_number(&mut self, option: &'static SockOption, raw: Value) {
        let (buffer, length) = self.raw_buffer(raw);
        self.setsockopt(option, buffer, length);
    }

    /// Counts a refusal under the assignment and its error number; numbers past the end go to the first.
    fn count_failure(&mut self, id: AssignId, result: Value) {
        if !self.options.stats {
            return;
        }
        let assignment = &self.program.assignments[id.index()];
        let rule = &self.program.rules[assignment.rule.index()];
        let symbol = format!("failed_{}_{}_{}", symbol_part(&rule.name), assignment.option.name, id.index());
        self.failures[id.index()] = Some(symbol.clone());
        self.count_errno(symbol, result);
    }

    /// Counts a header option that the kernel did not take.
    pub fn count_refused_send(&mut self, id: SendId, result: Value) {
        let send = &self.program.sends[id.index()];
        let rule = &self.program.rules[send.rule.index()];
        let symbol = format!("unsent_{}_{}", symbol_part(&rule.name), id.index());
        self.unsent[id.index()] = Some(symbol.clone());
        self.count_errno(symbol, result);
    }

    /// Counts a helper's refusal by its error number.
    fn count_errno(&mut self, symbol: String, result: Value) {
        let ty = DataType::Array(Box::new(DataType::U64), FAILURE_SLOTS as u32);
        let counter = self.b.counter(symbol, ty);
        let errno = self.b.unary(UnaryOp::Neg, result);
        let (limit, zero) = (self.b.number(FAILURE_SLOTS as u64), self.b.number(0));
        let index = self.select(CondOp::Lt, errno, limit, errno, zero);
        let offset = self.b.binary_imm(BinaryOp::Shl, index, 3);
        let base = self.b.value(InstData::CounterAddr(counter, 0));
        let addr = self.b.binary(BinaryOp::Add, base, offset);
        let one = self.b.number(1);
        self.b.effect(InstData::AtomicAdd { addr, offset: 0, value: one });
    }
}

/// A name as a part of a symbol that no other name has: what is no letter or digit is spelt out.
fn distinct_symbol_part(name: &str) -> String {
    let spelt = |byte: u8| match byte {
        b'_' => "__".to_owned(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("_{byte:02x}"),
    };
    name.bytes().map(spelt).collect()
}

/// A name as a part of a symbol; different names may give the same.
pub fn symbol_part(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
