//! Histograms and records for user space.

use tcpc_lang::hir::{Expr, HistogramId, RecordId};
use tcpc_stdlib::manifest::state::{
    CellInfo, HISTOGRAM_BUCKETS, HistogramInfo, RING_BYTES, RING_NAME, RecordInfo,
};

use super::action::symbol_part;
use super::expr::Operand;
use super::{Lowerer, kernel_helper};
use crate::ir::{BinaryOp, CondOp, InstData, Size, SlotPurpose, Value};
use crate::object::{DataType, MapKind, MapSpec};

/// Where the number of its declaration stands in a record's head.
const ID_AT: u16 = 0;
/// Where the 32 bits behind it stand.
const ZERO_AT: u16 = 4;
/// Where the time stands.
const TIME_AT: u16 = 8;

impl Lowerer<'_> {
    /// Says what histograms and records there are, in the order of the source.
    pub fn describe_measures(&mut self) {
        let line = |span: tcpc_lang::source::Span| self.source.line(span.start);
        let symbols = distinct_symbols(self.program.histograms.iter().map(|one| &one.name), "observed");
        let histograms =
            self.program.histograms.iter().zip(symbols).map(|(histogram, symbol)| HistogramInfo {
                name: histogram.name.clone(),
                symbol,
                ty: histogram.ty.name().to_owned(),
                line: line(histogram.span),
            });
        self.state.histograms = histograms.collect();
        let symbols = distinct_symbols(self.program.records.iter().map(|one| &one.name), "lost");
        let records = self.program.records.iter().zip(symbols).map(|(record, lost)| RecordInfo {
            name: record.name.clone(),
            cells: record
                .fields
                .iter()
                .map(|field| CellInfo {
                    name: field.name.clone(),
                    ty: field.ty.name().to_owned(),
                    offset: field.offset,
                    default: 0,
                })
                .collect(),
            size: record.size(),
            lost,
            line: line(record.span),
        });
        self.state.records = records.collect();
        if !self.state.records.is_empty() {
            self.state.ring = Some(RING_NAME.to_owned());
        }
    }

    /// What no rule reaches is there all the same, for whoever reads it.
    pub fn complete_measures(&mut self) {
        for histogram in &self.state.histograms {
            self.b.counter(histogram.symbol.clone(), buckets());
        }
        for record in &self.state.records {
            self.b.counter(record.lost.clone(), DataType::U64);
        }
        if self.state.ring.is_some() {
            self.b.map(ring());
        }
    }

    /// `observe NAME = EXPR`: one atomic addition, to the bucket of the value.
    pub fn lower_observe(&mut self, id: HistogramId, value: &Expr) {
        let Some(histogram) = self.state.histograms.get(id.index()) else { return };
        let symbol = histogram.symbol.clone();
        let value = self.lower_scalar(value);
        let bucket = self.bucket(value);
        let counter = self.b.counter(symbol, buckets());
        let offset = self.b.binary_imm(BinaryOp::Shl, bucket, 3);
        let base = self.b.value(InstData::CounterAddr(counter, 0));
        let addr = self.b.binary(BinaryOp::Add, base, offset);
        let one = self.b.number(1);
        self.b.effect(InstData::AtomicAdd { addr, offset: 0, value: one });
    }

    /// The bits that a number has: every bit below the highest one is set, and the bits that are set are counted.
    ///
    /// Without a branch: the verifier would follow what comes after for every answer, as it is added to an address.
    pub fn bucket(&mut self, value: Value) -> Value {
        let is_short = self.b.func().fits_32(value);
        let width: u64 = if is_short { 32 } else { 64 };
        // A byte, in all bytes.
        let bytes = |byte: u64| (u64::MAX >> (64 - width)) / 0xff * byte;
        let mut filled = value;
        for distance in [1, 2, 4, 8, 16, 32].into_iter().filter(|&distance| distance < width) {
            let below = self.b.binary_imm(BinaryOp::Shr, filled, distance);
            filled = self.b.binary(BinaryOp::Or, filled, below);
        }
        let halves = self.b.binary_imm(BinaryOp::Shr, filled, 1);
        let halves = self.b.binary_imm(BinaryOp::And, halves, bytes(0x55));
        let pairs = self.b.binary(BinaryOp::Sub, filled, halves);
        let upper = self.b.binary_imm(BinaryOp::Shr, pairs, 2);
        let upper = self.b.binary_imm(BinaryOp::And, upper, bytes(0x33));
        let lower = self.b.binary_imm(BinaryOp::And, pairs, bytes(0x33));
        let nibbles = self.b.binary(BinaryOp::Add, lower, upper);
        let upper = self.b.binary_imm(BinaryOp::Shr, nibbles, 4);
        let both = self.b.binary(BinaryOp::Add, nibbles, upper);
        let counts = self.b.binary_imm(BinaryOp::And, both, bytes(0x0f));
        // The highest byte of the product is the sum of all.
        let sum = self.b.binary_imm(BinaryOp::Mul, counts, bytes(0x01));
        let mut bits = self.b.binary_imm(BinaryOp::Shr, sum, width - 8);
        if !is_short {
            // 64 bits count in the last bucket, too.
            let beyond = self.b.binary_imm(BinaryOp::Shr, bits, HISTOGRAM_BUCKETS.ilog2().into());
            bits = self.b.binary(BinaryOp::Sub, bits, beyond);
        }
        // The verifier is shown that this is a bucket.
        self.b.binary_imm(BinaryOp::And, bits, u64::from(HISTOGRAM_BUCKETS) - 1)
    }

    /// `emit NAME { … }`: the record is made on the stack, and the kernel copies it. One that finds no room is counted.
    pub fn lower_emit(&mut self, id: RecordId, values: &[Expr]) {
        let Some(record) = self.state.records.get(id.index()).cloned() else { return };
        // One place for records of all sizes: the stack is small.
        let largest = self.state.records.iter().map(|record| record.size).max().unwrap_or(0);
        let slot = self.b.slot(SlotPurpose::Record, largest);
        for (cell, value) in record.cells.iter().zip(values) {
            let at = cell.offset as u16;
            match self.lower_operand(value) {
                Operand::Scalar(number) => self.b.store_slot(Size::Double, slot, at, number),
                Operand::Ip(words) => {
                    for (index, word) in (0..).zip(words) {
                        self.b.store_slot(Size::Word, slot, at + 4 * index, word);
                    }
                }
            }
        }
        let (number, zero) = (self.b.number(id.0.into()), self.b.number(0));
        self.b.store_slot(Size::Word, slot, ID_AT, number);
        self.b.store_slot(Size::Word, slot, ZERO_AT, zero);
        let time = self.b.call(kernel_helper("bpf_ktime_get_boot_ns"), Vec::new());
        self.b.store_slot(Size::Double, slot, TIME_AT, time);

        let map = self.b.map(ring());
        let map = self.b.value(InstData::MapAddr(map));
        let data = self.b.value(InstData::SlotAddr(slot, 0));
        let (size, flags) = (self.b.number(record.size.into()), self.b.number(0));
        let result = self.b.call(kernel_helper("bpf_ringbuf_output"), vec![map, data, size, flags]);
        let (refused, done) = (self.b.new_block(), self.b.new_block());
        let zero = self.b.number(0);
        self.b.branch(CondOp::Eq, result, zero, done, refused);
        self.b.switch_to(refused);
        let lost = self.b.counter(record.lost, DataType::U64);
        self.add_one(lost);
        self.b.jump(done);
        self.b.switch_to(done);
    }
}

/// A symbol for each name; of two that only differ in signs that symbols do not have, the second gets a number.
fn distinct_symbols<'n>(names: impl Iterator<Item = &'n String>, prefix: &str) -> Vec<String> {
    let mut symbols: Vec<String> = Vec::new();
    for (index, name) in names.enumerate() {
        let plain = format!("{prefix}_{}", symbol_part(name));
        let numbered = (index..).map(|number| format!("{plain}_{number}"));
        let is_free = |symbol: &String| !symbols.contains(symbol);
        let symbol = std::iter::once(plain.clone()).chain(numbered).find(is_free);
        symbols.extend(symbol);
    }
    symbols
}

fn buckets() -> DataType {
    DataType::Array(Box::new(DataType::U64), HISTOGRAM_BUCKETS)
}

/// The ring buffer has neither keys nor values, and its entries are bytes.
fn ring() -> MapSpec {
    let none = || DataType::Array(Box::new(DataType::U8), 0);
    MapSpec {
        name: RING_NAME.to_owned(),
        kind: MapKind::RingBuffer,
        key: none(),
        value: none(),
        max_entries: RING_BYTES,
    }
}
