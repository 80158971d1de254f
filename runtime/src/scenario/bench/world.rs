//! What expectations read.

use tcpc_lang::hir::{CounterId, HistogramId, MutableSetId, ParamId, RecordId, Role, RuleId, TableId, Value};
use tcpc_stdlib::event::{Arg, Event};
use tcpc_stdlib::feature::Feature;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::Unit;

use super::Bench;
use crate::eval;
use crate::mock::options;
use crate::scenario::engine::Engine;

impl<E: Engine> eval::World for Bench<'_, E> {
    fn field(&mut self, field: &'static Field) -> Value {
        self.world.sock.field(field)
    }

    fn arg(&mut self, index: u8, arg: &'static Arg) -> u64 {
        let raw = self.last.args.get(usize::from(index)).copied().unwrap_or(0);
        self.canonical(raw.into(), arg.unit)
    }

    fn option(&mut self, option: &'static SockOption) -> Value {
        options::value(&self.world.sock, option)
    }

    fn cookie(&mut self) -> u64 {
        self.world.sock.cookie
    }

    fn role(&mut self) -> Role {
        self.world.sock.current_role()
    }

    fn syn_tos(&mut self) -> u8 {
        self.world.sock.syn_tos.unwrap_or(0)
    }

    fn has(&mut self, feature: &Feature) -> bool {
        feature.since <= self.world.kernel.version
    }

    fn is_segment(&mut self, segments: &[&'static Segment]) -> bool {
        self.world.sock.is_segment(segments)
    }

    fn header_options(&mut self) -> Vec<Vec<u8>> {
        vec![self.world.sock.options_at_hand().to_vec()]
    }

    fn now(&mut self) -> u64 {
        self.world.kernel.now
    }

    fn random(&mut self) -> u32 {
        self.world.kernel.random()
    }

    fn reply(&mut self, event: &'static Event) -> Option<u64> {
        let raw = self.last.reply?;
        let unit = event.reply.map_or(Unit::Plain, |reply| reply.unit);
        Some(self.canonical(raw.into(), unit))
    }

    fn has_reply(&mut self) -> bool {
        self.last.reply.is_some()
    }

    fn counter(&mut self, counter: CounterId) -> Result<u64, String> {
        let name = self.program.counters.get(counter.index()).map_or("", |counter| &counter.name);
        let number = self.engine.counter(&self.world, counter);
        number.ok_or_else(|| format!("the object has no counter `{name}`"))
    }

    fn cell(&mut self, table: Option<TableId>, key: &[Value], cell: u8) -> Result<Option<u64>, String> {
        self.engine.cell(&self.world, table, key, cell)
    }

    fn observed(&mut self, histogram: HistogramId) -> Result<u64, String> {
        self.engine.observed(&self.world, histogram).ok_or_else(|| "the object has no such histogram".into())
    }

    fn records(&mut self, record: RecordId) -> Result<Vec<Vec<Value>>, String> {
        self.engine.records(&self.world, record).ok_or_else(|| "the object has no such records".into())
    }

    fn param(&mut self, param: ParamId) -> Result<u64, String> {
        self.engine.param(&self.world, param).ok_or_else(|| "the object has no such parameter".into())
    }

    fn elements(&mut self, set: MutableSetId) -> Result<Vec<(u128, u8)>, String> {
        self.engine.elements(&self.world, set).ok_or_else(|| "the object has no such set".into())
    }

    fn rule_hits(&mut self, rule: RuleId) -> Result<u64, String> {
        let hits = self.engine.hits(&self.world, rule);
        hits.ok_or_else(|| "the object does not count how often rules run".into())
    }
}
