//! Conditions: they branch, and are never a number that is tested again.

use tcpc_lang::hir::{CompareOp, Expr, ExprKind, Role, Value as Constant};
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::EventRole;
use tcpc_stdlib::kernel::{CONGESTION_NAME_MAX, tcp_state};
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::Type;

use super::expr::cond_op;
use super::{Lowerer, context_field, kernel_helper};
use crate::ir::{BinaryOp, Block, CondOp, InstData, Size};

impl Lowerer<'_> {
    /// Branches to `yes` if the condition holds, else to `no`.
    pub fn lower_cond(&mut self, expr: &Expr, yes: Block, no: Block) {
        let outer = self.b.set_span(expr.span);
        self.lower_cond_kind(expr, yes, no);
        self.b.set_span(outer);
    }

    fn lower_cond_kind(&mut self, expr: &Expr, yes: Block, no: Block) {
        match &expr.kind {
            ExprKind::Not(inner) => self.lower_cond(inner, no, yes),
            ExprKind::And(a, b) => {
                let next = self.b.new_block();
                self.lower_cond(a, next, no);
                self.b.switch_to(next);
                self.lower_cond(b, yes, no);
            }
            ExprKind::Or(a, b) => {
                let next = self.b.new_block();
                self.lower_cond(a, yes, next);
                self.b.switch_to(next);
                self.lower_cond(b, yes, no);
            }
            ExprKind::If(condition, then, otherwise) => {
                let (holds, fails) = (self.b.new_block(), self.b.new_block());
                self.lower_cond(condition, holds, fails);
                self.b.switch_to(holds);
                self.lower_cond(then, yes, no);
                self.b.switch_to(fails);
                self.lower_cond(otherwise, yes, no);
            }
            ExprKind::Let(local, value, body) => {
                let operand = self.lower_operand(value);
                self.locals.insert(*local, operand);
                self.lower_cond(body, yes, no);
            }
            ExprKind::Compare(op, a, b) => self.lower_compare(*op, a, b, yes, no),
            ExprKind::SamePrefix { v4, v6 } => self.lower_same_prefix(*v4, *v6, yes, no),
            ExprKind::InMutable(value, set) => self.lower_in_mutable(value, *set, yes, no),
            ExprKind::In(value, set) => self.lower_in(value, *set, yes, no),
            ExprKind::IsRole(role) => self.lower_role(*role, yes, no),
            ExprKind::KernelHas(feature) if feature.is_everywhere() => self.b.jump(yes),
            ExprKind::KernelHas(feature) => self.lower_kernel_has(*feature, yes, no),
            ExprKind::IsSegment(segments) => self.lower_is_segment(segments, yes, no),
            ExprKind::InArm(experiment, arm, keys) => self.lower_in_arm(*experiment, *arm, keys, yes, no),
            ExprKind::Received(header) => {
                let (present, zero) = (self.lower_received(*header), self.b.number(0));
                self.b.branch(CondOp::Ne, present, zero, yes, no);
            }
            ExprKind::Sampled(share) if *share > u64::from(u32::MAX) => self.b.jump(yes),
            ExprKind::Sampled(share) => {
                let drawn = self.draw();
                let share = self.b.number(*share);
                self.b.branch(CondOp::Lt, drawn, share, yes, no);
            }
            ExprKind::Call(BuiltinId::Sample, args) => self.lower_sample(args, yes, no),
            _ => {
                let value = self.lower_scalar(expr);
                let zero = self.b.number(0);
                self.b.branch(CondOp::Ne, value, zero, yes, no);
            }
        }
    }

    fn lower_compare(&mut self, op: CompareOp, a: &Expr, b: &Expr, yes: Block, no: Block) {
        let (yes, no) =
            if op == CompareOp::Ne && matches!(a.ty, Type::Ip | Type::Name) { (no, yes) } else { (yes, no) };
        match (a.ty, &a.kind, &b.kind) {
            (Type::Ip, ..) => self.lower_ip_equal(a, b, yes, no),
            (Type::Name, ExprKind::Option(option), ExprKind::Const(Constant::Name(name))) => {
                self.lower_name_equal(option, name, yes, no);
            }
            (Type::Name, ExprKind::Const(Constant::Name(x)), ExprKind::Const(Constant::Name(y))) => {
                self.b.jump(if x == y { yes } else { no });
            }
            _ => {
                let (a, b) = (self.lower_scalar(a), self.lower_scalar(b));
                self.b.branch(cond_op(op), a, b, yes, no);
            }
        }
    }

    /// Compares all bytes of a name at once: the kernel keeps names padded with zeros.
    fn lower_name_equal(&mut self, option: &SockOption, name: &str, yes: Block, no: Block) {
        let slot = self.read_option(option, CONGESTION_NAME_MAX as u32);
        let mut bytes = [0u8; CONGESTION_NAME_MAX];
        for (byte, given) in bytes.iter_mut().zip(name.bytes()) {
            *byte = given;
        }
        for (index, half) in bytes.as_chunks::<8>().0.iter().enumerate() {
            let next = self.b.new_block();
            let offset = index as u16 * 8;
            let actual = self.b.value(InstData::LoadSlot { size: Size::Double, slot, offset });
            let wanted = self.b.number(u64::from_le_bytes(*half));
            self.b.branch(CondOp::Eq, actual, wanted, next, no);
            self.b.switch_to(next);
        }
        self.b.jump(yes);
    }

    fn lower_role(&mut self, role: Role, yes: Block, no: Block) {
        let (client, server) = if role == Role::Client { (yes, no) } else { (no, yes) };
        match self.event.map(|event| event.role) {
            Some(EventRole::Client) => self.b.jump(client),
            Some(EventRole::Server) => self.b.jump(server),
            _ => {
                let state = self.b.field(context_field("state"), 0);
                let syn_sent = self.b.number(u64::from(tcp_state("SYN_SENT").unwrap_or_default()));
                self.b.branch(CondOp::Eq, state, syn_sent, client, server);
            }
        }
    }

    /// Draws a number of 32 bits; the share is a fraction of 2^32.
    fn lower_sample(&mut self, args: &[Expr], yes: Block, no: Block) {
        let Some(share) = args.first() else { return self.b.jump(no) };
        let share = self.lower_scalar(share);
        let random = self.b.call(kernel_helper("bpf_get_prandom_u32"), Vec::new());
        let random = self.b.binary_imm(BinaryOp::And, random, u64::from(u32::MAX));
        self.b.branch(CondOp::Lt, random, share, yes, no);
    }
}
