//! What a policy remembers: cells of each connection, and tables.

use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::kernel::{MAPPED_BITS, is_mapped};
use tcpc_stdlib::unit::Type;

use super::{Expr, ExprKind, Stmt, StmtKind, TableId};
use crate::source::Span;

/// What is kept for each connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Its cells.
    pub cells: Vec<Cell>,
    /// The declaration.
    pub span: Span,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The parts of a key.
    pub keys: Vec<Key>,
    /// What a row holds.
    pub cells: Vec<Cell>,
    /// Rows at most.
    pub max: u32,
    /// Whether the row that was used least recently makes room for a new one.
    pub lru: bool,
    /// Whether each CPU has rows of its own. Rules only add to them.
    pub per_cpu: bool,
    /// Whether rows are changed under a lock of their own: some change depends on what the row holds.
    pub locked: bool,
    /// The place of its name.
    pub span: Span,
}

/// A value that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Its name.
    pub name: String,
    /// Its type, which is that of a number.
    pub ty: Type,
    /// What it starts with, in the canonical unit.
    pub default: u64,
    /// The place of its name.
    pub span: Span,
}

/// A part of a table's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What it is called where the whole table is seen: the name that it was declared by.
    pub name: String,
    /// `Ip` or the type of a number.
    pub ty: Type,
    /// Bits that count of an IPv4 and of an IPv6 address.
    pub cut: Option<(u8, u8)>,
}

/// Where cells are.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// The connection's own.
    Flow,
    /// The row of a table with this key, before it is cut.
    Table(TableId, Vec<Expr>),
}

impl Key {
    /// The bits of an address that count, as masks: of an IPv4 address (which has 128 bits here) and of an IPv6 one.
    pub fn masks(&self) -> (u128, u128) {
        let mask = |bits: u8| if bits == 0 { 0 } else { u128::MAX << (128 - u32::from(bits.min(128))) };
        self.cut.map_or((u128::MAX, u128::MAX), |(v4, v6)| (mask(MAPPED_BITS + v4), mask(v6)))
    }

    /// An address without the bits that do not count.
    pub fn cut(&self, address: u128) -> u128 {
        let (v4, v6) = self.masks();
        address & if is_mapped(address) { v4 } else { v6 }
    }
}

impl Row {
    /// The parts of the key.
    pub fn keys(&self) -> &[Expr] {
        match self {
            Row::Flow => &[],
            Row::Table(_, keys) => keys,
        }
    }

    /// Whether this is written as the other one and means the same row.
    pub fn is_same(&self, other: &Row) -> bool {
        let steady = |expr: &Expr| {
            !expr.any(&mut |part| {
                matches!(part.kind, ExprKind::Call(BuiltinId::Random | BuiltinId::Sample | BuiltinId::Now, _))
            })
        };
        match (self, other) {
            (Row::Flow, Row::Flow) => true,
            (Row::Table(a, mine), Row::Table(b, theirs)) => {
                let same = |(a, b): (&Expr, &Expr)| a.without_places() == b.without_places() && steady(a);
                a == b && mine.len() == theirs.len() && mine.iter().zip(theirs).all(same)
            }
            _ => false,
        }
    }
}

impl Stmt {
    /// Whether both change the same row. Such statements, one after another, look the row up once: there is room for all
    /// of them, or for none.
    pub fn changes_row_of(&self, other: &Stmt) -> bool {
        match (&self.kind, &other.kind) {
            (StmtKind::Change { row: a, .. }, StmtKind::Change { row: b, .. }) => a.is_same(b),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_by_family() {
        let key = Key { name: "remote_ip".into(), ty: Type::Ip, cut: Some((24, 48)) };
        assert_eq!(key.cut(0xffff_0a01_0203), 0xffff_0a01_0200);
        assert_eq!(key.cut(0x2001_0db8_0001_0002_0003_0004_0005_0006), 0x2001_0db8_0001 << 80);
        let all = Key { cut: Some((0, 0)), ..key.clone() };
        assert_eq!((all.cut(0xffff_0a01_0203), all.cut(7 << 100)), (0xffff_0000_0000, 0));
        assert_eq!(Key { cut: None, ..key }.cut(7 << 100), 7 << 100);
    }
}
