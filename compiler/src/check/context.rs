//! Accesses to `struct bpf_sock_ops`, and to the structures that it leads to.

use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::{Availability, Field, Order, Struct, kernel_field, member_at};
use tcpc_stdlib::kernel::REPLY_OFFSET;

use super::scalar::Scalar;
use super::state::State;
use super::value::{Origin, Target, Value};
use super::{Step, number};
use crate::bpf::{Insn, Operand, Size};

/// `dst = context member`.
pub fn load(state: &State, slot: usize, insn: Insn, size: Size) -> Step<Value> {
    let field = member(Struct::SockOps, insn.off, size)?;
    if field.is_guarded() && insn.dst == insn.src {
        // Kernels 4.16 to 7.0 compile such a load wrongly.
        return Err(format!("`{}` is loaded into the register that holds the context", field.kernel));
    }
    let dangerous = |event: Option<&Event>| {
        event.is_none_or(|event| field.availability(event) == Availability::Dangerous)
    };
    let may_be_dangerous =
        field.is_guarded() && state.events.iter().any(dangerous) && can_be_dangerous(field);
    if may_be_dangerous {
        return Err(format!("`{}` is read where the event may have no full socket", field.kernel));
    }
    Ok(match field.order {
        Order::Pointer if kernel_field("sk") == Some(field) => {
            Value::Maybe { to: Target::Struct(Struct::Sock), origin: Origin::Slot(slot) }
        }
        Order::Pointer => Value::Opaque,
        _ if kernel_field("op") == Some(field) => Value::Event,
        _ => Value::Scalar(Scalar::of_bytes(size.bytes())),
    })
}

/// `context member = value`.
pub fn store(state: &State, insn: Insn, size: Size, value: Operand) -> Step {
    let field = member(Struct::SockOps, insn.off, size)?;
    let is_reply = insn.off == REPLY_OFFSET as i16;
    // Of the arguments only the first, which is the reply, can be written.
    if !field.writable || (field.words > 1 && !is_reply) {
        return Err(format!("`{}` is read-only", field.kernel));
    }
    let Operand::Reg(register) = value else {
        return Err("a constant is stored to the context, which kernels before 6.4 refuse".into());
    };
    number(state, register)?;
    let has_reply = |event: Option<&Event>| event.is_some_and(|event| event.reply.is_some());
    if is_reply && !state.events.iter().all(has_reply) {
        return Err("a reply is written where the event may have none".into());
    }
    Ok(())
}

/// `dst = member` of a structure that a pointer leads to.
pub fn load_member(of: Struct, insn: Insn, size: Size) -> Step<Value> {
    member(of, insn.off, size).map(|_| Value::Scalar(Scalar::of_bytes(size.bytes())))
}

/// The member at an offset, if the access has its width.
fn member(of: Struct, off: i16, size: Size) -> Step<&'static Field> {
    let field = u16::try_from(off).ok().and_then(|off| member_at(of, off));
    let (field, _) = field.ok_or_else(|| match of {
        Struct::SockOps => format!("no member of the context at offset {off}"),
        of => format!("no member of `{}` that is known at offset {off}", of.kernel()),
    })?;
    if field.size != size.bytes() {
        let (is, has) = (size.bytes(), field.size);
        return Err(format!("`{}` is accessed with {is} bytes, it has {has}", field.kernel));
    }
    Ok(field)
}

/// Whether there is an event in which reading the field can leave the kernel's object.
fn can_be_dangerous(field: &Field) -> bool {
    let mut events = tcpc_stdlib::event::EVENTS.iter();
    events.any(|event| field.availability(event) == Availability::Dangerous)
}
