//! Which records are shown.

use std::time::Duration;

use tcpc_lang::ast::Quantity;
use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::token::{Token, lex};
use tcpc_loader::{Emitted, Key};
use tcpc_stdlib::kernel::{AF_INET, AF_INET6, tcp_state};
use tcpc_stdlib::manifest::state::RecordInfo;

use super::unknown;

/// Which events, and what must hold of their fields.
pub struct Filter {
    /// For each event: whether it is shown, and what must hold.
    events: Vec<Option<Vec<(usize, Comparison)>>>,
}

/// What a field is compared with.
#[derive(Clone, Debug, PartialEq)]
struct Comparison {
    op: Op,
    /// Both included: one value, or all addresses of a prefix.
    range: (u128, u128),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

/// Operators, the longer ones first.
const OPS: &[(&str, Op)] = &[
    ("!=", Op::Ne),
    ("<=", Op::Le),
    (">=", Op::Ge),
    ("==", Op::Eq),
    ("=", Op::Eq),
    ("<", Op::Lt),
    (">", Op::Gt),
];

impl Filter {
    /// Understands event names and filters.
    ///
    /// # Errors
    /// One that the policy's records do not have, or that compares what cannot be compared.
    pub fn new(events: &[String], filters: &[String], records: &[RecordInfo]) -> Result<Filter, Diagnostic> {
        for event in events {
            if !records.iter().any(|record| record.name == *event) {
                let known = records.iter().map(|record| record.name.as_str());
                return Err(unknown(Code::NotWatchable, "event", event, known));
            }
        }
        let wanted = |record: &RecordInfo| events.is_empty() || events.contains(&record.name);
        let mut shown: Vec<Option<Vec<(usize, Comparison)>>> =
            records.iter().map(|record| wanted(record).then(Vec::new)).collect();
        for filter in filters {
            let (field, op, value) = split(filter)?;
            let mut found = false;
            for (record, shown) in records.iter().zip(&mut shown) {
                let place = record.cells.iter().enumerate().find(|(_, cell)| cell.name == field);
                let Some((index, cell)) = place else {
                    *shown = None;
                    continue;
                };
                if let Some(comparisons) = shown {
                    comparisons.push((index, Comparison { op, range: range(filter, &cell.ty, op, value)? }));
                    found = true;
                }
            }
            if !found {
                let cells = records.iter().filter(|record| wanted(record)).flat_map(|record| &record.cells);
                return Err(unknown(Code::BadFilter, "field", field, cells.map(|cell| cell.name.as_str())));
            }
        }
        Ok(Filter { events: shown })
    }

    /// Whether a record is shown.
    pub fn holds(&self, record: &Emitted) -> bool {
        let Some(Some(comparisons)) = self.events.get(record.event) else { return false };
        comparisons.iter().all(|(index, comparison)| {
            record.fields.get(*index).is_some_and(|field| comparison.holds(*field))
        })
    }
}

impl Comparison {
    fn holds(&self, field: Key) -> bool {
        let value = match field {
            Key::Number(number) => u128::from(number),
            Key::Address(address) => address,
        };
        let (low, high) = self.range;
        match self.op {
            Op::Eq => (low..=high).contains(&value),
            Op::Ne => !(low..=high).contains(&value),
            Op::Lt => value < low,
            Op::Le => value <= low,
            Op::Gt => value > low,
            Op::Ge => value >= low,
        }
    }
}

/// `--for`: a duration as a policy writes it.
///
/// # Errors
/// The text is no duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    match token(text) {
        Some(Token::Quantity((Quantity::Duration, nanos))) => Ok(Duration::from_nanos(nanos)),
        _ => Err("a time is needed, such as `10s`".to_owned()),
    }
}

/// The only token of a text.
fn token(text: &str) -> Option<Token<'_>> {
    match lex(text) {
        (tokens, problems) if problems.is_empty() && tokens.len() == 1 => {
            tokens.first().map(|(token, _)| *token)
        }
        _ => None,
    }
}

fn split(filter: &str) -> Result<(&str, Op, &str), Diagnostic> {
    let at = filter.find(['=', '!', '<', '>']);
    let parts = at.and_then(|at| {
        let (field, rest) = filter.split_at(at);
        let (op, text) = OPS.iter().find_map(|(text, op)| Some((*op, rest.strip_prefix(text)?)))?;
        Some((field.trim(), op, text.trim()))
    });
    parts.ok_or_else(|| {
        bad(filter, "has no comparison").help("write a field, an operator and a value: `srtt>=10ms`")
    })
}

fn bad(filter: &str, why: &str) -> Diagnostic {
    Diagnostic::without_place(Code::BadFilter, format!("the filter `{filter}` {why}"))
}

/// The value of a filter, for a field of this type.
fn range(filter: &str, ty: &str, op: Op, value: &str) -> Result<(u128, u128), Diagnostic> {
    let one = |number: u64| Some((u128::from(number), u128::from(number)));
    let found = match (ty, token(value)) {
        ("duration", Some(Token::Quantity((Quantity::Duration, number))))
        | ("size", Some(Token::Quantity((Quantity::Size, number))))
        | ("rate", Some(Token::Quantity((Quantity::Rate, number))))
        | ("percent", Some(Token::Quantity((Quantity::Percent, number))))
        | ("int" | "packets" | "port", Some(Token::Int(number))) => one(number),
        ("bool", Some(Token::True)) => one(1),
        ("bool", Some(Token::False)) => one(0),
        ("state", Some(Token::Name(name))) => tcp_state(name).and_then(|state| one(state.into())),
        ("family", Some(Token::Name("ipv4"))) => one(AF_INET.into()),
        ("family", Some(Token::Name("ipv6"))) => one(AF_INET6.into()),
        ("ip", Some(Token::Ip(address))) => Some((address, address)),
        ("ip", Some(Token::Prefix((address, length)))) => {
            let hosts = u128::MAX.checked_shr(length.into()).unwrap_or(0);
            Some((address & !hosts, address | hosts))
        }
        _ => None,
    };
    let found = found.ok_or_else(|| {
        let example = match ty {
            "duration" => "10ms",
            "size" => "150KB",
            "rate" => "1Gbps",
            "percent" => "1%",
            "bool" => "true",
            "state" => "ESTABLISHED",
            "family" => "ipv6",
            "ip" => "10.0.0.0/8",
            _ => "443",
        };
        bad(filter, &format!("compares a field of type `{ty}` with something else"))
            .help(format!("write a value such as `{example}`"))
    })?;
    let ordered = !matches!(ty, "ip" | "state" | "family" | "bool");
    match ordered || matches!(op, Op::Eq | Op::Ne) {
        true => Ok(found),
        false => Err(bad(filter, &format!("puts values of type `{ty}` in order"))
            .help("only `=` and `!=` compare these")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tcpc_stdlib::manifest::state::CellInfo;

    use super::*;

    fn records() -> Vec<RecordInfo> {
        let cell =
            |(name, ty): (&str, &str)| CellInfo { name: name.into(), ty: ty.into(), offset: 0, default: 0 };
        let record = |name: &str, cells: &[(&str, &str)]| RecordInfo {
            name: name.into(),
            cells: cells.iter().copied().map(cell).collect(),
            size: 0,
            lost: String::new(),
            line: 1,
        };
        let closed =
            [("peer", "ip"), ("srtt", "duration"), ("from", "state"), ("port", "port"), ("big", "bool")];
        vec![record("opened", &[("peer", "ip")]), record("closed", &closed)]
    }

    fn closed(srtt: u64) -> Emitted {
        let numbers = [srtt, 9, 443, 1].map(Key::Number);
        let fields = [Key::Address(0xffff_0a00_0001)].into_iter().chain(numbers).collect();
        Emitted { event: 1, time: 0, fields }
    }

    fn shows(filters: &[&str], record: &Emitted) -> bool {
        let filters: Vec<String> = filters.iter().map(|one| (*one).to_owned()).collect();
        Filter::new(&[], &filters, &records()).unwrap().holds(record)
    }

    #[test]
    fn all_filters_must_hold() {
        let record = closed(10_000_000);
        for filters in [
            &[][..],
            &["srtt=10ms"],
            &["srtt >= 10ms", "srtt<11ms", "port!=80"],
            &["peer=10.0.0.0/8", "peer != 192.0.2.1"],
            &["from=LAST_ACK", "big=true"],
        ] {
            assert!(shows(filters, &record), "{filters:?}");
        }
        for filters in [&["srtt>10ms"][..], &["port=443", "big=false"], &["peer!=10.0.0.1"], &["peer=::/96"]]
        {
            assert!(!shows(filters, &record), "{filters:?}");
        }
    }

    #[test]
    fn records_without_the_field_are_not_shown() {
        let opened = Emitted { event: 0, time: 0, fields: vec![Key::Address(1)] };
        assert!(shows(&["peer=::1"], &opened) && !shows(&["srtt<1s"], &opened));
        let named = |name: &str| Filter::new(&[name.to_owned()], &[], &records()).unwrap();
        assert!(named("opened").holds(&opened) && !named("opened").holds(&closed(1)));
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let said = |filter: &str| {
            let error = Filter::new(&[], &[filter.to_owned()], &records()).err().unwrap();
            format!("{} | {}", error.message, error.help.join(" "))
        };
        assert_eq!(said("rtt=1ms"), "the policy has no field `rtt` | did you mean `srtt`?");
        assert_eq!(
            said("srtt"),
            "the filter `srtt` has no comparison | write a field, an operator and a value: `srtt>=10ms`"
        );
        assert!(
            said("srtt=10").contains("of type `duration` with something else | write a value such as `10ms`")
        );
        assert!(said("peer<10.0.0.1").contains("in order | only `=` and `!=`"));
        assert!(said("from=CLOSING_UP").contains("ESTABLISHED"));
        let error = Filter::new(&["close".to_owned()], &[], &records()).err().unwrap();
        assert_eq!(error.help, ["did you mean `closed`?"]);
    }
}
