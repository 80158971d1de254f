//! Calls of kernel functions.

use tcpc_stdlib::event::Event;
use tcpc_stdlib::kfunc::{Kfunc, Outcome, ParameterType};

use super::call::{CLOBBERED, FIRST};
use super::scalar::Scalar;
use super::state::State;
use super::value::Value;
use super::{Checker, Step, read, write};
use crate::object::ResolvedTarget;

impl Checker<'_> {
    /// Checks the arguments of the call at a slot, and what it leaves.
    pub fn call_kernel(&self, state: &mut State, slot: usize) -> Step {
        let Some(ResolvedTarget::Kfunc(kfunc)) = self.targets.get(&slot) else {
            return Err("calls of functions of the object are not checked".into());
        };
        has_use(state, kfunc)?;
        for (register, parameter) in (FIRST..).zip(kfunc.parameters) {
            argument(state, register, parameter.ty)
                .map_err(|why| format!("argument `{}` in r{register}: {why}", parameter.name))?;
        }
        state.registers[CLOBBERED].fill(Value::Nothing);
        let outcome = match kfunc.outcome {
            Outcome::KernelContext => Value::KernelContext,
            Outcome::Errno => Value::Scalar(Scalar::UNKNOWN),
        };
        write(state, 0, outcome)
    }
}

fn argument(state: &State, register: u8, ty: ParameterType) -> Step {
    let value = read(state, register)?;
    let (fits, wanted) = match ty {
        ParameterType::Context => (value == Value::Context, "the context"),
        ParameterType::KernelContext => (value == Value::KernelContext, "the kernel's own context"),
        ParameterType::Number => (value.is_number(), "a number"),
    };
    if fits { Ok(()) } else { Err(format!("it is {}, not {wanted}", value.kind())) }
}

/// Elsewhere the kernel refuses the call at run time.
fn has_use(state: &State, kfunc: &Kfunc) -> Step {
    let fits = |event: Option<&Event>| event.is_some_and(|event| kfunc.events.contains(&event.name));
    match kfunc.events.is_empty() || state.events.iter().all(fits) {
        true => Ok(()),
        false => Err(format!("`{}` may be called in an event where it does nothing", kfunc.name)),
    }
}
