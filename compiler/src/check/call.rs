//! Calls of helpers.

use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::Struct;
use tcpc_stdlib::helper::{helper, helper_by_id};
use tcpc_stdlib::kernel::{MAP_TYPE_RINGBUF, MAP_TYPE_SK_STORAGE};
use tcpc_stdlib::option::{Verdict, option};
use tcpc_stdlib::signature::{Argument, Outcome, Signature, signature};

use super::memory::in_frame;
use super::scalar::Scalar;
use super::state::{Lock, State};
use super::value::{Origin, Pointer, Region, Target, Value};
use super::{Checker, Step, number, read, write};
use crate::object::ObjectMap;

/// The register of the first argument.
pub const FIRST: u8 = 1;
/// The registers that a call destroys.
pub const CLOBBERED: std::ops::RangeInclusive<usize> = 1..=5;

impl Checker<'_> {
    /// Checks the arguments of a call, and what it leaves.
    pub fn call(&self, state: &mut State, slot: usize, id: i32) -> Step {
        let signature = u32::try_from(id).ok().and_then(signature);
        let signature = signature.ok_or_else(|| format!("helper {id} is not one with a known signature"))?;
        locks_in_turn(state, signature)?;
        let mut map = None;
        for (register, argument) in (FIRST..).zip(signature.arguments) {
            self.argument(state, register, *argument, &mut map)
                .map_err(|why| format!("argument r{register}: {why}"))?;
        }
        harmless(state, signature)?;
        allowed(state, signature)?;

        state.registers[CLOBBERED].fill(Value::Nothing);
        let maybe = |to| Value::Maybe { to, origin: Origin::Slot(slot) };
        let outcome = match (signature.outcome, map) {
            (Outcome::ValueOrNull, Some((map, _))) => maybe(Target::MapValue(map)),
            (Outcome::Nothing, _) => Value::Nothing,
            (Outcome::TcpSockOrNull, _) => maybe(Target::Struct(Struct::TcpSock)),
            (Outcome::Number32, _) => Value::Scalar(Scalar::of_bytes(4)),
            _ => Value::Scalar(Scalar::UNKNOWN),
        };
        write(state, 0, outcome)
    }

    fn argument<'a>(
        &'a self,
        state: &mut State,
        register: u8,
        argument: Argument,
        map: &mut Option<(usize, &'a ObjectMap)>,
    ) -> Step {
        let value = read(state, register)?;
        let unfit = |wanted: &str| Err(format!("it is {}, not {wanted}", value.kind()));
        let shape = |size: fn(&ObjectMap) -> u32| map.map_or(0, |(_, map)| i64::from(size(map)));
        match (argument, value) {
            (Argument::Context, Value::Context) => Ok(()),
            (Argument::Context, _) => unfit("the context"),
            (Argument::Map | Argument::SockStorage | Argument::Ring, Value::Map(index)) => {
                *map = self.object.maps.get(index).map(|map| (index, map));
                let wanted = match map.map(|(_, map)| map.kind) {
                    Some(MAP_TYPE_SK_STORAGE) => Argument::SockStorage,
                    Some(MAP_TYPE_RINGBUF) => Argument::Ring,
                    _ => Argument::Map,
                };
                match wanted == argument {
                    true => Ok(()),
                    false => Err("it is a map of another type".into()),
                }
            }
            (Argument::Map | Argument::SockStorage | Argument::Ring, _) => unfit("a map"),
            (Argument::Lock, Value::Memory(pointer)) => self.lock(state, pointer),
            (Argument::Lock, _) => unfit("a lock"),
            (Argument::Sock, Value::Struct(Struct::Sock)) => Ok(()),
            (Argument::Sock, _) => unfit("a socket"),
            (Argument::ValueOrNull, value) if state.number(value).and_then(Scalar::known) == Some(0) => {
                Ok(())
            }
            (Argument::Key, _) => self.readable(state, value, shape(|map| map.key_size)),
            (Argument::Value | Argument::ValueOrNull, _) => {
                self.readable(state, value, shape(|map| map.value_size))
            }
            (Argument::Memory, _) => self.readable(state, value, sizes(state, register + 1)?.1),
            (Argument::Buffer, _) => self.filled(state, value, sizes(state, register + 1)?),
            (Argument::Exchange, _) => {
                let (least, most) = sizes(state, register + 1)?;
                self.readable(state, value, most)?;
                self.filled(state, value, (least, most))
            }
            (Argument::Size | Argument::Number, _) => number(state, register).map(|_| ()),
        }
    }

    /// The lock of a map's value is taken or given back.
    fn lock(&self, state: &mut State, pointer: Pointer) -> Step {
        let index = match pointer.region {
            Region::MapValue(map) if pointer.bounds(0) == (0, 0) => map,
            _ => return Err("it is not the beginning of a map's value".into()),
        };
        if !self.object.maps.get(index).is_some_and(|map| map.locked) {
            return Err("values of the map have no lock".into());
        }
        state.lock = match state.lock {
            Lock::Free => Lock::Held(index),
            Lock::Held(held) if held == index => Lock::Free,
            _ => return Err("another lock is held".into()),
        };
        Ok(())
    }

    /// Memory that a helper reads: all of it was written before.
    fn readable(&self, state: &State, value: Value, bytes: i64) -> Step {
        match value {
            Value::Frame(at) => {
                let at = in_frame(at, bytes, false)?;
                match state.is_written(at, bytes as usize) {
                    true => Ok(()),
                    false => Err(format!("not all of its {bytes} bytes in the frame are written as numbers")),
                }
            }
            Value::Memory(pointer) => self.access(pointer, 0, bytes, 1, false),
            other => Err(format!("it is {}, not memory", other.kind())),
        }
    }

    /// Memory that a helper writes: at least and at most so many bytes.
    fn filled(&self, state: &mut State, value: Value, (least, most): (i64, i64)) -> Step {
        match value {
            Value::Frame(at) => {
                let at = in_frame(at, most, false)?;
                state.fill(at, most as usize, least as usize);
                Ok(())
            }
            Value::Memory(pointer) => self.access(pointer, 0, most, 1, true),
            other => Err(format!("it is {}, not memory", other.kind())),
        }
    }
}

/// The fewest and the most bytes that a size can say; at least 1.
fn sizes(state: &State, register: u8) -> Step<(i64, i64)> {
    let size = number(state, register)?;
    match i64::try_from(size.max) {
        Ok(max) if size.min > 0 && max <= i64::from(u32::MAX) => Ok((size.min as i64, max)),
        _ => Err("its size may be 0 or is not bounded".into()),
    }
}

/// While a lock is held nothing is called but what gives it back.
fn locks_in_turn(state: &State, signature: &Signature) -> Step {
    let is = |name: &str| helper(name).is_some_and(|helper| helper.id == signature.id);
    match (state.lock != Lock::Free, is("bpf_spin_unlock")) {
        (true, false) => Err("a call while a lock is held".into()),
        (false, true) => Err("a lock is given back that is not held".into()),
        _ => Ok(()),
    }
}

/// `TCP_NODELAY` in the header-option events sends at once, which runs the program again.
fn harmless(state: &State, signature: &Signature) -> Step {
    let sets = helper("bpf_setsockopt").is_some_and(|helper| helper.id == signature.id);
    let Some(option) = option("nodelay").filter(|_| sets) else {
        return Ok(());
    };
    let level = number(state, FIRST + 1)?.low32();
    let name = number(state, FIRST + 2)?.low32();
    let may_be = |number: Scalar, is: u32| match number.known() {
        Some(known) => known == u64::from(is),
        None => true,
    };
    if !may_be(level, option.level) || !may_be(name, option.number) {
        return Ok(());
    }
    let forbidden = |event: Option<&Event>| {
        let limit = event.and_then(|event| option.limit(event.name));
        limit.is_some_and(|limit| limit.verdict == Verdict::Forbidden)
    };
    match state.events.iter().any(forbidden) {
        true => Err(format!("`{}` may be set in an event where it runs the program again", option.kernel)),
        false => Ok(()),
    }
}

/// Some helpers fail in all events but a few, unless a flag in their last argument says otherwise.
fn allowed(state: &State, signature: &Signature) -> Step {
    let Some(helper) = helper_by_id(signature.id) else { return Ok(()) };
    let Some(limit) = helper.limit() else { return Ok(()) };
    let last = FIRST + signature.arguments.len() as u8 - 1;
    let flags = number(state, last)?.known().unwrap_or(0);
    let forbidden = |event: Option<&Event>| limit.forbids(event.map_or("", |event| event.name), flags);
    match state.events.iter().any(forbidden) {
        true => {
            Err(format!("`{}` may be called in an event where it fails with {}", helper.name, limit.errno))
        }
        false => Ok(()),
    }
}
