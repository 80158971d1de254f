//! All that a program keeps, out of its data and maps.

use std::collections::BTreeMap;

use tcpc_lang::hir::{HistogramId, Key, MutableSetId, ParamId, RuleId, Value};
use tcpc_stdlib::manifest::state::{ADDRESS_BYTES, CellInfo, OUTCOME_NUMBERS};
use tcpc_stdlib::manifest::{AssignmentInfo, CounterInfo, FAILURE_SLOTS};
use tcpc_stdlib::unit::Type;

use super::Bytes;
use crate::kept::{ArmKept, Kept, Rows};
use crate::mock::World;

impl Bytes<'_> {
    pub(super) fn read_kept(&self, world: &World) -> Kept {
        let state = &self.manifest.state;
        let number = |symbol: &str| self.number(world, symbol).unwrap_or(0);
        let (sends, assignments): (Vec<_>, Vec<_>) =
            self.manifest.assignments.iter().partition(|info| info.header);
        let histograms = (0..state.histograms.len() as u32).map(HistogramId);
        Kept {
            hits: indices(self.program.rules.len())
                .map(|id| self.number_of_hits(world, RuleId(id)).unwrap_or(0))
                .collect(),
            counters: self.manifest.counters.iter().map(|info| self.counts(world, info)).collect(),
            flows: state.flow.as_ref().map_or_else(Rows::default, |flow| {
                let keys = [Key { name: String::new(), ty: Type::Int, cut: None }];
                Rows { rows: rows(world, &flow.map, &keys, &flow.cells), full: number(&flow.full) }
            }),
            tables: state
                .tables
                .iter()
                .zip(&self.program.tables)
                .map(|(info, table)| Rows {
                    rows: rows(world, &info.map, &table.keys, &info.cells),
                    full: number(&info.full),
                })
                .collect(),
            histograms: histograms.filter_map(|id| self.buckets(world, id)).collect(),
            records: self.all_records(world).unwrap_or_default(),
            lost: state.records.iter().map(|record| number(&record.lost)).collect(),
            refused: assignments.into_iter().map(|info| self.failures(world, info)).collect(),
            unsent: sends.into_iter().map(|info| self.failures(world, info)).collect(),
            experiments: state
                .experiments
                .iter()
                .map(|experiment| {
                    let outcome = |symbol: &String| self.numbers(world, symbol, OUTCOME_NUMBERS as usize);
                    let arms = experiment.arms.iter().map(|arm| ArmKept {
                        opened: number(&arm.opened),
                        outcomes: arm.outcomes.iter().filter_map(outcome).collect(),
                    });
                    arms.collect()
                })
                .collect(),
            params: indices(self.program.params.len())
                .filter_map(|id| self.number(world, self.param_symbol(ParamId(id))?))
                .collect(),
            sets: indices(self.program.mutable_sets.len())
                .filter_map(|id| self.elements_of(world, MutableSetId(id)))
                .map(|elements| elements.into_iter().collect())
                .collect(),
        }
    }

    fn number_of_hits(&self, world: &World, rule: RuleId) -> Option<u64> {
        self.number(world, self.manifest.rules.get(rule.index())?.hits.as_deref()?)
    }

    fn counts(&self, world: &World, info: &CounterInfo) -> Rows {
        let Some(key) = &info.key else {
            let mut counts = Rows::default();
            match self.number(world, &info.symbol) {
                None | Some(0) => {}
                Some(number) => counts.count(Vec::new(), number),
            }
            return counts;
        };
        let full = info.full.as_deref().and_then(|symbol| self.number(world, symbol)).unwrap_or(0);
        let keys = [Key { name: String::new(), ty: Type::named(key).unwrap_or(Type::Int), cut: None }];
        let cell = CellInfo { name: String::new(), ty: Type::Int.name().to_owned(), offset: 0, default: 0 };
        Rows { rows: rows(world, &info.symbol, &keys, &[cell]), full }
    }

    /// How often something was refused, by error number.
    fn failures(&self, world: &World, info: &AssignmentInfo) -> BTreeMap<u32, u64> {
        let symbol = info.failures.as_deref();
        let slots = symbol.and_then(|symbol| self.numbers(world, symbol, FAILURE_SLOTS));
        (0..).zip(slots.unwrap_or_default()).filter(|(_, count)| *count > 0).collect()
    }
}

fn indices(length: usize) -> std::ops::Range<u32> {
    0..length as u32
}

/// The rows of a map.
fn rows(world: &World, map: &str, keys: &[Key], cells: &[CellInfo]) -> BTreeMap<Vec<Value>, Vec<u64>> {
    let Some(map) = world.memory.maps.iter().find(|one| one.name() == map) else { return BTreeMap::new() };
    let cell = |row: &[u8], cell: &CellInfo| {
        row.get(cell.offset as usize..)
            .and_then(<[u8]>::first_chunk)
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    let row =
        |(key, row): (Vec<u8>, &[u8])| (values(&key, keys), cells.iter().map(|one| cell(row, one)).collect());
    map.rows().into_iter().map(row).collect()
}

/// The parts of a key. A number takes what addresses leave, in equal shares.
fn values(mut key: &[u8], keys: &[Key]) -> Vec<Value> {
    let addresses = keys.iter().filter(|part| part.ty == Type::Ip).count();
    let rest = key.len().saturating_sub(addresses * ADDRESS_BYTES as usize);
    let width = rest.checked_div(keys.len() - addresses).unwrap_or(0);
    let part = |part: &Key| {
        let length = if part.ty == Type::Ip { ADDRESS_BYTES as usize } else { width };
        let (bytes, left) = key.split_at_checked(length).unwrap_or_default();
        key = left;
        match part.ty {
            Type::Ip => Value::Ip(bytes.iter().fold(0, |address, byte| address << 8 | u128::from(*byte))),
            _ => Value::Number(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))),
        }
    };
    keys.iter().map(part).collect()
}
