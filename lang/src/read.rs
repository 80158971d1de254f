//! Values as people write them, read back: `10ms`, `true`, `192.0.2.0/24`. The other way round is
//! [`show`](crate::show).

use tcpc_stdlib::kernel::MAPPED_BITS;
use tcpc_stdlib::unit::{Type, Unit};

use crate::ast::Quantity;
use crate::check::words;
use crate::show::{show, show_element};
use crate::token::{Token, lex};

/// The least and the most that a value of a scalar type can be.
pub fn natural_range(ty: Type) -> (u64, u64) {
    match ty {
        Type::Bool => (0, 1),
        Type::Port => (0, u64::from(u16::MAX)),
        // The whole.
        Type::Percent => (0, 1 << 32),
        _ => (0, u64::MAX),
    }
}

/// The type of this name.
pub fn type_named(name: &str) -> Option<Type> {
    Type::ALL.iter().copied().find(|ty| ty.name() == name)
}

/// Why a text is no value, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong, as the end of a sentence that begins with the text.
    pub why: String,
    /// The way out.
    pub help: String,
}

/// A number of a scalar type, in its canonical unit.
///
/// # Errors
/// The text is no value of this type.
pub fn number(ty: Type, text: &str) -> Result<u64, Unreadable> {
    let example = format!("write it as in a policy, such as `{}`", example(ty));
    let unreadable = |why: String| Err(Unreadable { why, help: example.clone() });
    let (tokens, problems) = lex(text);
    if let Some(problem) = problems.first() {
        return unreadable(format!("is no value: {}", problem.message));
    }
    let [(token, _)] = tokens[..] else { return unreadable("is no value".into()) };
    let (have, value) = match token {
        Token::True => (Type::Bool, 1),
        Token::False => (Type::Bool, 0),
        Token::Int(value) => (Type::Int, value),
        Token::Quantity((Quantity::Duration, value)) => (Type::Duration, value),
        Token::Quantity((Quantity::Size, value)) => (Type::Size, value),
        Token::Quantity((Quantity::Rate, value)) => (Type::Rate, value),
        Token::Quantity((Quantity::Percent, value)) => (Type::Percent, value),
        _ => return unreadable("is no value".into()),
    };
    match (have, ty) {
        _ if have == ty => Ok(value),
        (Type::Int, Type::Packets) => Ok(value),
        (Type::Int, Type::Port) if value <= u64::from(u16::MAX) => Ok(value),
        (Type::Int, Type::Port) => unreadable("is no port: ports are 0 to 65535".into()),
        (Type::Int, _) => match words::literal(ty, Unit::Plain, value) {
            Some(literal) => Err(Unreadable {
                why: format!("has no unit, and {} needs one", words::a(ty)),
                help: format!("write `{literal}` if that is meant"),
            }),
            None => unreadable(format!("is not {}", words::a(ty))),
        },
        _ => unreadable(format!("is {}, not {}", words::a(have), words::a(ty))),
    }
}

/// An element of a set of prefixes, addresses or ports, as [`MutableSet`](crate::hir::MutableSet) has it.
///
/// # Errors
/// The text is no such element.
pub fn element(ty: Type, text: &str) -> Result<(u128, u8), Unreadable> {
    let unreadable = |why: String, help: String| Err(Unreadable { why, help });
    let example = || format!("write it as in a policy, such as `{}`", example(ty));
    let (tokens, problems) = lex(text);
    if let Some(problem) = problems.first() {
        return unreadable(format!("is not {}: {}", words::a(ty), problem.message), example());
    }
    let [(token, _)] = tokens[..] else {
        return unreadable(format!("is not {}", words::a(ty)), example());
    };
    match (ty, token) {
        (Type::Port, Token::Int(port)) if port <= u64::from(u16::MAX) => Ok((port.into(), 128)),
        (Type::Port, Token::Int(_)) => unreadable("is no port: ports are 0 to 65535".into(), example()),
        (Type::Ip | Type::Prefix, Token::Ip(address)) => Ok((address, 128)),
        (Type::Prefix, Token::Prefix((address, length))) => {
            let network = network(address, length);
            match network == address {
                true => Ok((address, length)),
                false => {
                    let right = show_element(Type::Prefix, network, length);
                    unreadable("has bits set behind its length".into(), format!("write `{right}`"))
                }
            }
        }
        (Type::Ip, Token::Prefix(..)) => unreadable(
            "is a prefix, and this is a set of addresses".into(),
            "declare the set as `prefix` to have both in it".into(),
        ),
        _ => unreadable(format!("is not {}", words::a(ty)), example()),
    }
}

/// The address with the bits behind a length cleared.
pub fn network(address: u128, length: u8) -> u128 {
    address & !u128::MAX.checked_shr(length.into()).unwrap_or(0)
}

fn example(ty: Type) -> String {
    match ty {
        Type::Bool => "true".into(),
        Type::Duration => "10ms".into(),
        Type::Size => show(ty, 150_000),
        Type::Rate => "1Gbps".into(),
        Type::Percent => "1%".into(),
        Type::Port => "443".into(),
        Type::Ip => "192.0.2.1".into(),
        Type::Prefix => show_element(ty, 0xffff_c000_0200, MAPPED_BITS + 24),
        _ => "40".into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        for (ty, value) in [
            (Type::Bool, 1),
            (Type::Int, 7),
            (Type::Duration, 1_500_000),
            (Type::Size, 65_536),
            (Type::Rate, 1_250_000_000),
            (Type::Percent, 1 << 31),
            (Type::Packets, 40),
            (Type::Port, 443),
        ] {
            assert_eq!(number(ty, &show(ty, value)), Ok(value), "{ty}");
        }
        for (ty, text) in [
            (Type::Prefix, "192.0.2.0/24"),
            (Type::Prefix, "2001:db8::/32"),
            (Type::Prefix, "0.0.0.0/0"),
            (Type::Prefix, "::/0"),
            (Type::Ip, "192.0.2.1"),
            (Type::Ip, "2001:db8::1"),
            (Type::Port, "443"),
        ] {
            let (address, length) = element(ty, text).unwrap();
            assert_eq!(show_element(ty, address, length), text);
        }
    }

    #[test]
    fn a_number_without_its_unit_is_asked_for_it() {
        let wrong = number(Type::Duration, "20").unwrap_err();
        assert_eq!(wrong.why, "has no unit, and a duration needs one");
        assert_eq!(wrong.help, "write `20ms` if that is meant");
        assert_eq!(number(Type::Size, "20ms").unwrap_err().why, "is a duration, not a size");
    }

    #[test]
    fn what_is_no_value_is_none() {
        for text in ["", "-1", "10 ms x", "ten", "10xs", "1e3", "\"20ms\"", "🦀", "10ms 20ms"] {
            assert!(number(Type::Duration, text).is_err(), "{text}");
            assert!(element(Type::Prefix, text).is_err(), "{text}");
        }
        assert!(element(Type::Port, "65536").is_err());
        assert!(element(Type::Ip, "10.0.0.0/8").is_err());
        let wrong = element(Type::Prefix, "10.0.0.1/8").unwrap_err();
        assert_eq!(wrong.help, "write `10.0.0.0/8`");
    }
}
