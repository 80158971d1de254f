//! Answers to the kernel.

use tcpc_lang::hir::{Expr, ExprKind, ReplyValue, Value as Constant};
use tcpc_stdlib::event::Reply;
use tcpc_stdlib::kernel::TIMEOUT_INIT_MAX_SECONDS;
use tcpc_stdlib::manifest::JiffiesInfo;
use tcpc_stdlib::unit::{NANOS_PER_SECOND, Unit, jiffies};

use super::{Lowerer, context_field};
use crate::ir::{BinaryOp, CondOp, InstData, Size, Value};
use crate::object::{DataType, Global};

impl Lowerer<'_> {
    /// Writes the answer. It shares its bytes with the first argument, which no rule reads after this.
    pub fn lower_reply(&mut self, value: &ReplyValue) {
        let Some(reply) = self.event.and_then(|event| event.reply) else { return };
        let raw = match value {
            ReplyValue::Raw(expr) => {
                let raw = self.lower_scalar(expr);
                self.at_most(raw, reply.max, Unit::Plain)
            }
            ReplyValue::Typed(expr) if reply.unit == Unit::Jiffies => self.lower_jiffies(expr, &reply),
            ReplyValue::Typed(expr) => {
                let canonical = self.lower_scalar(expr);
                let canonical = self.at_most(canonical, reply.max, reply.unit);
                self.raw_unit(canonical, reply.unit)
            }
        };
        self.b.effect(InstData::StoreField { field: context_field("args"), word: 0, value: raw });
    }

    /// A canonical number that is at most so many of a kernel's unit: the kernel takes 32 bits, and a larger number
    /// would mean something else. Bounded before it is converted, for rounding up must not wrap.
    pub fn at_most(&mut self, value: Value, max: u64, unit: Unit) -> Value {
        let max = self.b.number(max.saturating_mul(unit.scale().unwrap_or(1)));
        self.select(CondOp::Le, value, max, value, max)
    }

    /// A time span in ticks, rounded up. A constant one is a constant of the object that a loader sets for
    /// the running kernel; any other is computed from the constant that holds HZ.
    fn lower_jiffies(&mut self, expr: &Expr, reply: &Reply) -> Value {
        if let ExprKind::Const(Constant::Number(nanos)) = expr.kind {
            return self.constant_jiffies(nanos, expr);
        }
        let nanos = self.lower_scalar(expr);
        let nanos = self.at_most(nanos, TIMEOUT_INIT_MAX_SECONDS, Unit::Seconds);
        let hz = self.hz();
        let ticks = self.b.binary(BinaryOp::Mul, nanos, hz);
        let ticks = self.b.binary_imm(BinaryOp::Add, ticks, NANOS_PER_SECOND - 1);
        let ticks = self.b.binary_imm(BinaryOp::Div, ticks, NANOS_PER_SECOND);
        let one = self.b.number(1);
        let ticks = self.select(CondOp::Gt, ticks, one, ticks, one);
        self.at_most(ticks, reply.max, Unit::Plain)
    }

    fn constant_jiffies(&mut self, nanos: u64, expr: &Expr) -> Value {
        let symbol = format!("jiffies_{nanos}_nanoseconds");
        let ticks = jiffies(nanos, self.options.hz).min(u64::from(u32::MAX)) as u32;
        let global = Global { name: symbol.clone(), ty: DataType::U32, bytes: ticks.to_le_bytes().to_vec() };
        let constant = self.b.constant(global);
        if self.jiffies.iter().all(|known| known.symbol != symbol) {
            self.jiffies.push(JiffiesInfo { symbol, nanos, place: self.source.place(expr.span.start) });
        }
        let addr = self.b.value(InstData::ConstantAddr(constant, 0));
        self.b.value(InstData::Load { size: Size::Word, addr, offset: 0 })
    }

    /// HZ of the kernel that the program runs on.
    pub fn hz(&mut self) -> Value {
        let symbol = "ticks_per_second".to_owned();
        let bytes = self.options.hz.to_le_bytes().to_vec();
        let constant = self.b.constant(Global { name: symbol.clone(), ty: DataType::U32, bytes });
        self.hz_symbol = Some(symbol);
        let addr = self.b.value(InstData::ConstantAddr(constant, 0));
        self.b.value(InstData::Load { size: Size::Word, addr, offset: 0 })
    }
}
