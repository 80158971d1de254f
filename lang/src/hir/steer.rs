//! What an operator can change while the policy runs.

use tcpc_stdlib::kernel::{MAPPED_BITS, is_mapped};
use tcpc_stdlib::unit::Type;

use crate::source::Span;

/// A parameter: a number that an operator can set.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type, a scalar one.
    pub ty: Type,
    /// What it starts with, in its type's canonical unit.
    pub default: u64,
    /// The least and the most that it can be.
    pub range: (u64, u64),
    /// The place of its name.
    pub span: Span,
}

/// A set whose elements an operator can change.
#[derive(Clone, Debug, PartialEq)]
pub struct MutableSet {
    /// Its name.
    pub name: String,
    /// `Prefix`, `Ip` or `Port`.
    pub element: Type,
    /// Elements at most.
    pub max: u32,
    /// What it starts with: an address and a length counted in 128 bits, the bits behind it zero; a port with the
    /// length 128.
    pub elements: Vec<(u128, u8)>,
    /// The place of its name.
    pub span: Span,
}

impl MutableSet {
    /// Whether a set of these elements has an address or a port in it. `::/0` means all of IPv6: an IPv4 address is
    /// not part of it although it is shown as one.
    pub fn holds(elements: &[(u128, u8)], member: u128) -> bool {
        let holds = |&(address, length): &(u128, u8)| {
            let differing = (address ^ member).checked_shr(128 - u32::from(length)).unwrap_or(0);
            differing == 0 && (length >= MAPPED_BITS || !is_mapped(member))
        };
        elements.iter().any(holds)
    }
}
