//! Values that attached policies hand out, as a policy writes them.

use tcpc_lang::show::{show, show_ip};
use tcpc_loader::Key;
use tcpc_stdlib::unit::Type;

/// A number of a type, by the type's name; of a type that this version does not know, as it is.
pub fn number(ty: &str, number: u64) -> String {
    Type::named(ty).map_or_else(|| number.to_string(), |ty| show(ty, number))
}

/// A key of a type.
pub fn key(ty: &str, key: Key) -> String {
    match key {
        Key::Number(value) => number(ty, value),
        Key::Address(address) => show_ip(address),
    }
}

/// How many are shown: 0 asks for all.
pub fn at_most(top: usize) -> usize {
    if top == 0 { usize::MAX } else { top }
}
