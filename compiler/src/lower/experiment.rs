//! Experiments: which arm a connection is in, and what becomes of it.

use tcpc_lang::hir::{ExperimentId, Expr};
use tcpc_stdlib::builtin::{HASH_FACTOR, HASH_START, WHOLE};
use tcpc_stdlib::manifest::state::{ArmInfo, ExperimentInfo, MetricInfo, OUTCOME_MAX, OUTCOME_NUMBERS};
use tcpc_stdlib::unit::Unit;

use super::action::symbol_part;
use super::expr::Operand;
use super::{Lowerer, kernel_helper};
use crate::ir::{BinaryOp, Block, CondOp, InstData, UnaryOp, Value};
use crate::object::DataType;

/// Bytes of one number.
const NUMBER: u64 = 8;

impl Lowerer<'_> {
    /// Says what the experiments are, and gives each of their numbers its place.
    pub fn declare_experiments(&mut self) {
        let program = self.program;
        for experiment in &program.experiments {
            let name = symbol_part(&experiment.name);
            let arms = experiment.arms.iter().map(|arm| {
                let prefix = format!("experiment_{name}_{}", symbol_part(&arm.name));
                let outcome =
                    |metric: &tcpc_lang::hir::Metric| format!("{prefix}_{}", symbol_part(&metric.name));
                ArmInfo {
                    name: arm.name.clone(),
                    share: arm.high - arm.low,
                    opened: format!("{prefix}_opened"),
                    outcomes: experiment.metrics.iter().map(outcome).collect(),
                }
            });
            let arms: Vec<ArmInfo> = arms.collect();
            for arm in &arms {
                self.b.counter(arm.opened.clone(), DataType::U64);
                for symbol in &arm.outcomes {
                    self.b.counter(symbol.clone(), numbers());
                }
            }
            self.state.experiments.push(ExperimentInfo {
                name: experiment.name.clone(),
                key: experiment.key.clone(),
                metrics: experiment
                    .metrics
                    .iter()
                    .map(|metric| MetricInfo { name: metric.name.clone(), unit: metric.unit })
                    .collect(),
                arms,
                line: self.source.line(experiment.span.start),
            });
        }
    }

    /// Branches by whether the connection is in an arm: a hash of the experiment's name and of the keys, or of the
    /// socket's cookie where there are none, lies in the arm's range.
    pub fn lower_in_arm(&mut self, id: ExperimentId, arm: u8, keys: &[Expr], yes: Block, no: Block) {
        let program = self.program;
        let Some(experiment) = program.experiments.get(id.index()) else { return self.b.jump(no) };
        let Some(arm) = experiment.arms.get(usize::from(arm)) else { return self.b.jump(no) };
        let mut words = Vec::new();
        for (key, value) in experiment.keys.iter().zip(keys) {
            match self.lower_operand(value) {
                Operand::Ip(address) => {
                    let cut = self.cut(key, address);
                    words.extend(cut.map(|word| self.b.unary(UnaryOp::SwapBytes32, word)));
                }
                Operand::Scalar(value) => words.push(value),
            }
        }
        if keys.is_empty() {
            let context = self.b.value(InstData::Context);
            words.push(self.b.call(kernel_helper("bpf_get_socket_cookie"), vec![context]));
        }
        let mut hash = self.b.number(mixed(HASH_START, experiment.seed()));
        for word in words {
            let mixed = self.b.binary(BinaryOp::Xor, hash, word);
            let spread = self.b.binary_imm(BinaryOp::Mul, mixed, HASH_FACTOR);
            let upper = self.b.binary_imm(BinaryOp::Shr, spread, 32);
            hash = self.b.binary(BinaryOp::Xor, spread, upper);
        }
        let drawn = self.b.binary_imm(BinaryOp::And, hash, u64::from(u32::MAX));
        for (bound, op, outside) in [(arm.low, CondOp::Ge, 0), (arm.high, CondOp::Lt, WHOLE)] {
            if bound != outside {
                let (inside, bound) = (self.b.new_block(), self.b.number(bound));
                self.b.branch(op, drawn, bound, inside, no);
                self.b.switch_to(inside);
            }
        }
        self.b.jump(yes);
    }

    /// Counts a connection of an arm.
    pub fn lower_open(&mut self, id: ExperimentId, arm: u8) {
        let info = self.state.experiments.get(id.index()).and_then(|one| one.arms.get(usize::from(arm)));
        let Some(symbol) = info.map(|arm| arm.opened.clone()) else { return };
        let counter = self.b.counter(symbol, DataType::U64);
        let addr = self.b.value(InstData::CounterAddr(counter, 0));
        self.add(addr, 0, 1);
    }

    /// Adds what was measured to the sums and the histogram of each metric. Every number is right by itself; a reader
    /// between two of them sees a connection in one and not in the other.
    pub fn lower_outcome(&mut self, id: ExperimentId, arm: u8, values: &[Expr]) {
        let info = self.state.experiments.get(id.index()).and_then(|one| one.arms.get(usize::from(arm)));
        let Some(symbols) = info.map(|arm| arm.outcomes.clone()) else { return };
        for (symbol, value) in symbols.into_iter().zip(values) {
            let value = self.lower_scalar(value);
            let value = self.at_most(value, OUTCOME_MAX, Unit::Plain);
            let square = self.b.binary(BinaryOp::Mul, value, value);
            let low = self.b.binary_imm(BinaryOp::And, square, u64::from(u32::MAX));
            let high = self.b.binary_imm(BinaryOp::Shr, square, 32);
            let bucket = self.bucket(value);
            let counter = self.b.counter(symbol, numbers());
            let addr = self.b.value(InstData::CounterAddr(counter, 0));
            self.add(addr, 0, 1);
            for (index, number) in (1i16..).zip([value, low, high]) {
                let offset = index * NUMBER as i16;
                self.b.effect(InstData::AtomicAdd { addr, offset, value: number });
            }
            let offset = self.b.binary_imm(BinaryOp::Mul, bucket, NUMBER);
            let place = self.b.binary(BinaryOp::Add, addr, offset);
            self.add(place, 4 * NUMBER as i16, 1);
        }
    }

    fn add(&mut self, addr: Value, offset: i16, number: u64) {
        let value = self.b.number(number);
        self.b.effect(InstData::AtomicAdd { addr, offset, value });
    }
}

/// One step of the language's `hash`.
fn mixed(hash: u64, word: u64) -> u64 {
    let spread = (hash ^ word).wrapping_mul(HASH_FACTOR);
    spread ^ (spread >> 32)
}

/// What is kept of one metric of one arm.
fn numbers() -> DataType {
    DataType::Array(Box::new(DataType::U64), OUTCOME_NUMBERS)
}
