//! Membership in a set: a few comparisons for a small one, a binary search for any other.

use tcpc_lang::hir::{Expr, SetId};
use tcpc_stdlib::unit::Type;

use super::Lowerer;
use super::action::symbol_part;
use super::expr::Operand;
use crate::ir::{BinaryOp, Block, CondOp, InstData, Table, TableData, UnaryOp, Value};
use crate::object::{DataType, Global};

/// Up to so many ranges are compared one by one.
const FEW: usize = 4;

impl Lowerer<'_> {
    /// Branches on whether a value is in a set.
    pub fn lower_in(&mut self, value: &Expr, set: SetId, yes: Block, no: Block) {
        let set_data = &self.program.sets[set.index()];
        let ranges = &set_data.ranges;
        match self.lower_operand(value) {
            _ if ranges.is_empty() => self.b.jump(no),
            Operand::Scalar(value) if ranges.len() <= FEW => self.lower_in_ranges(value, ranges, yes, no),
            Operand::Scalar(value) => self.lower_in_table(set, vec![value], yes, no),
            Operand::Ip(words) => match prefixes(ranges) {
                Some(prefixes) => {
                    for (prefix, bits) in prefixes {
                        let next = self.b.new_block();
                        self.branch_unless_in_prefix(&words, prefix, bits, next);
                        self.b.jump(yes);
                        self.b.switch_to(next);
                    }
                    self.b.jump(no);
                }
                None => {
                    let key = self.address_key(words);
                    self.lower_in_table(set, key, yes, no);
                }
            },
        }
    }

    fn lower_in_ranges(&mut self, value: Value, ranges: &[(u128, u128)], yes: Block, no: Block) {
        for &(low, high) in ranges {
            let next = self.b.new_block();
            let (low, high) = (low as u64, high as u64);
            let (offset, width) = if low == high {
                (value, self.b.number(low))
            } else {
                (self.b.binary_imm(BinaryOp::Sub, value, low), self.b.number(high - low))
            };
            let op = if low == high { CondOp::Eq } else { CondOp::Le };
            self.b.branch(op, offset, width, yes, next);
            self.b.switch_to(next);
        }
        self.b.jump(no);
    }

    /// An address as two numbers that compare as addresses do.
    fn address_key(&mut self, words: [Value; 4]) -> Vec<Value> {
        let [a, b, c, d] = words;
        [(a, b), (c, d)]
            .map(|(first, second)| {
                let upper = self.b.binary_imm(BinaryOp::Shl, second, 32);
                let both = self.b.binary(BinaryOp::Or, upper, first);
                self.b.unary(UnaryOp::SwapBytes64, both)
            })
            .to_vec()
    }

    fn lower_in_table(&mut self, set: SetId, key: Vec<Value>, yes: Block, no: Block) {
        let (table, first) = self.set_table(set);
        let position = self.b.value(InstData::TableFind { table, key });
        // The first range begins at entry `first`, and every second entry after it begins a range.
        let one = self.b.number(1);
        let (odd, even) = if first % 2 == 1 { (yes, no) } else { (no, yes) };
        self.b.branch(CondOp::Test, position, one, odd, even);
    }

    /// The table of a set: both bounds of each range, the upper one excluded, so that a key lies in a range if
    /// it is at or behind its beginning and before its end. Returns the entry of the first range.
    fn set_table(&mut self, set: SetId) -> (Table, usize) {
        let data = &self.program.sets[set.index()];
        let words: u8 = if data.element == Type::Ip { 2 } else { 1 };
        let last_key = if words == 2 { u128::MAX } else { u128::from(u64::MAX) };
        let bounds = bounds(&data.ranges, last_key);
        let entries = (bounds.len() + 1).next_power_of_two();
        let first = entries - bounds.len();
        let keys = std::iter::repeat_n(0u128, first).chain(bounds);
        let bytes: Vec<u8> = match words {
            2 => keys.flat_map(|key| [(key >> 64) as u64, key as u64]).flat_map(u64::to_le_bytes).collect(),
            _ => keys.flat_map(|key| (key as u64).to_le_bytes()).collect(),
        };
        let name = match &data.name {
            // A module's name and the set's: there may be a set that is called like both.
            Some(name) if name.contains("::") => format!("set_{}_{}", symbol_part(name), set.index()),
            Some(name) => format!("set_{name}"),
            None => format!("set_{}", set.index()),
        };
        let ty = DataType::Array(Box::new(DataType::U64), entries as u32 * u32::from(words));
        let data = self.b.constant(Global { name, ty, bytes });
        let zero = self.b.counter("search_start", DataType::U64);
        let known = self.b.func().tables.iter().find(|(_, table)| table.data == data).map(|(table, _)| table);
        let table = match known {
            Some(table) => table,
            None => self.b.table(TableData { data, words, entries: entries as u32, zero }),
        };
        (table, first)
    }
}

/// Beginning and end of each range, ends excluded; a range up to the very last key has no end.
fn bounds(ranges: &[(u128, u128)], last_key: u128) -> Vec<u128> {
    ranges
        .iter()
        .flat_map(|&(low, high)| [Some(low), (high < last_key).then(|| high + 1)])
        .flatten()
        .collect()
}

/// The ranges as prefixes, if they are a few.
fn prefixes(ranges: &[(u128, u128)]) -> Option<Vec<(u128, u8)>> {
    let mut prefixes = Vec::new();
    for &(low, high) in ranges {
        let mut at = low;
        loop {
            if prefixes.len() == FEW {
                return None;
            }
            // The largest block that begins here: as aligned as its beginning, and not past the end.
            let mut free = at.trailing_zeros().min(128);
            while free > 0
                && (free == 128 && high != u128::MAX || free < 128 && at | ((1 << free) - 1) > high)
            {
                free -= 1;
            }
            prefixes.push((at, (128 - free) as u8));
            let last = if free == 128 { u128::MAX } else { at | ((1 << free) - 1) };
            match last {
                last if last >= high => break,
                last => at = last + 1,
            }
        }
    }
    Some(prefixes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_is_no_prefix_is_split_into_prefixes() {
        assert_eq!(prefixes(&[(4, 7)]), Some(vec![(4, 126)]));
        assert_eq!(prefixes(&[(3, 8)]), Some(vec![(3, 128), (4, 126), (8, 128)]));
        assert_eq!(prefixes(&[(0, u128::MAX)]), Some(vec![(0, 0)]));
        assert_eq!(prefixes(&[(1, 62)]), None);
    }

    #[test]
    fn a_range_up_to_the_last_key_has_no_end() {
        assert_eq!(bounds(&[(1, 2), (9, u128::MAX)], u128::MAX), vec![1, 3, 9]);
        assert_eq!(bounds(&[(1, 2), (9, 15)], 15), vec![1, 3, 9]);
    }
}
