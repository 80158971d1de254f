//! What expectations read of the real thing: the last event as the recorder saw it, and what the policy keeps.

use tcpc_lang::hir::{CounterId, HistogramId, MutableSetId, ParamId, RecordId, Role, RuleId, TableId, Value};
use tcpc_loader::{Set, parameters};
use tcpc_runtime::eval;
use tcpc_stdlib::event::{Arg, Event};
use tcpc_stdlib::feature::Feature;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::manifest::state::HISTOGRAM_BUCKETS;
use tcpc_stdlib::option::{OptionValue, SockOption};
use tcpc_stdlib::unit::{Unit, jiffies_to_nanos};

use super::Bench;

impl Bench<'_> {
    /// Why what was asked for since the last time is not known.
    pub fn take_unknown(&mut self) -> Option<String> {
        self.unknown.take()
    }

    fn do_not_know(&mut self, why: String) {
        self.unknown.get_or_insert(why);
    }

    fn canonical(&self, raw: u64, unit: Unit) -> u64 {
        unit.scale().map_or_else(|| jiffies_to_nanos(raw, self.host.hz), |scale| raw.wrapping_mul(scale))
    }
}

impl eval::World for Bench<'_> {
    fn field(&mut self, field: &'static Field) -> Value {
        match self.last() {
            Some(seen) => seen.after.field(field),
            None => {
                self.do_not_know(format!("`{}` is seen in events only", field.name));
                Value::Number(0)
            }
        }
    }

    fn arg(&mut self, index: u8, arg: &'static Arg) -> u64 {
        let raw = self.last().and_then(|seen| seen.args().get(usize::from(index)).copied()).unwrap_or(0);
        self.canonical(raw.into(), arg.unit)
    }

    fn option(&mut self, option: &'static SockOption) -> Value {
        match self.last().and_then(|seen| seen.after.option(option)) {
            Some(value) => value,
            None => {
                self.do_not_know(format!("a program cannot read `{}` here", option.name));
                match option.value {
                    OptionValue::Name => Value::Name(String::new()),
                    _ => Value::Number(0),
                }
            }
        }
    }

    fn cookie(&mut self) -> u64 {
        self.last().map_or(0, |seen| seen.after.cookie)
    }

    fn role(&mut self) -> Role {
        self.connections.get(&self.current).map_or(Role::Client, |one| one.plan.role)
    }

    fn syn_tos(&mut self) -> u8 {
        self.connections.get(&self.current).and_then(|one| one.service).unwrap_or(0)
    }

    fn has(&mut self, feature: &Feature) -> bool {
        feature.since <= self.host.version
    }

    fn is_segment(&mut self, segments: &[&'static Segment]) -> bool {
        self.segment.is_some_and(|segment| segments.contains(&segment))
    }

    fn header_options(&mut self) -> Vec<Vec<u8>> {
        self.last().map(|seen| seen.after.header_options().to_vec()).into_iter().collect()
    }

    fn now(&mut self) -> u64 {
        self.last().map_or(0, |seen| seen.after.time)
    }

    fn random(&mut self) -> u32 {
        self.do_not_know("what is drawn at random is not the same twice".to_owned());
        0
    }

    fn reply(&mut self, event: &'static Event) -> Option<u64> {
        let raw = self.last()?.reply()?;
        let unit = event.reply.map_or(Unit::Plain, |reply| reply.unit);
        Some(self.canonical(raw.into(), unit))
    }

    fn has_reply(&mut self) -> bool {
        self.last().is_some_and(|seen| seen.reply().is_some())
    }

    fn counter(&mut self, counter: CounterId) -> Result<u64, String> {
        let name = self.program.counters.get(counter.index()).map_or("", |counter| &counter.name);
        let info = self.manifest.counters.iter().find(|info| info.name == name && info.key.is_none());
        let number = info.and_then(|info| self.number_in(&self.counted, &info.symbol));
        number.ok_or_else(|| format!("the object has no counter `{name}`"))
    }

    fn cell(&mut self, table: Option<TableId>, key: &[Value], cell: u8) -> Result<Option<u64>, String> {
        self.read_cell(table, key, cell)
    }

    fn observed(&mut self, histogram: HistogramId) -> Result<u64, String> {
        let missing = || "the object has no such histogram".to_owned();
        let info = self.manifest.state.histograms.get(histogram.index()).ok_or_else(missing)?;
        let at = self.offset(&info.symbol).ok_or_else(missing)?;
        let buckets = self.counted.get(at..at + HISTOGRAM_BUCKETS as usize * 8).ok_or_else(missing)?;
        Ok(buckets.as_chunks().0.iter().map(|bucket| u64::from_le_bytes(*bucket)).sum())
    }

    fn records(&mut self, record: RecordId) -> Result<Vec<Vec<Value>>, String> {
        self.records_of(record)
    }

    fn param(&mut self, param: ParamId) -> Result<u64, String> {
        let name = self.program.params.get(param.index()).map_or("", |param| &param.name);
        let all = parameters(&self.policy).map_err(|error| error.to_string())?;
        let found = all.into_iter().find(|one| one.info.name == name);
        found.map(|one| one.value).ok_or_else(|| "the object has no such parameter".to_owned())
    }

    fn elements(&mut self, set: MutableSetId) -> Result<Vec<(u128, u8)>, String> {
        let name = self.program.mutable_sets.get(set.index()).map_or("", |set| &set.name);
        Set::open(&self.policy, name).and_then(|set| set.elements()).map_err(|error| error.to_string())
    }

    fn rule_hits(&mut self, rule: RuleId) -> Result<u64, String> {
        let hits = self.hits_in(&self.counted, rule);
        hits.ok_or_else(|| "the object does not count how often rules run".to_owned())
    }
}
