//! An event: the world that it is raised in, and what the policy does there.

use tcpc_lang::hir::{
    CounterId, Expr, HistogramId, MutableSetId, ParamId, Program, RecordId, Role, Rule, RuleId, RuleKind,
    TableId, Value,
};
use tcpc_lang::show::show_value;
use tcpc_lang::source::{SourceFile, Span};
use tcpc_stdlib::event::{Arg, Event};
use tcpc_stdlib::feature::Feature;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::jiffies_to_nanos;

use super::State;
use super::observe::{Effect, Observer};
use crate::eval;
use crate::mock::{Errno, World, options};
use crate::report::Refused;
use crate::scenario::engine::Ran;

/// One event in the meaning of a policy.
pub(super) struct Scene<'s, O> {
    pub program: &'s Program,
    pub source: &'s SourceFile,
    pub event: &'static Event,
    pub world: &'s mut World,
    pub state: &'s mut State,
    pub observer: &'s mut O,
    pub ran: Ran,
}

impl<O: Observer> Scene<'_, O> {
    /// Counts that a rule ran; one that sends an option where the option is written, not where room is made for it.
    pub fn hit(&mut self, id: RuleId, rule: &Rule) {
        let reserves = self.event.name == "hdr_opt_len" && matches!(rule.kind, RuleKind::Send(_));
        if let Some(hits) = self.state.kept.hits.get_mut(id.index()).filter(|_| !reserves) {
            *hits += 1;
        }
    }

    /// Tells the observer.
    pub fn tell(&mut self, effect: Effect) {
        self.observer.effect(&effect);
    }

    /// Notes that the kernel refused a value of a socket option.
    pub fn refuse_option(&mut self, option: &SockOption, value: &Value, errno: Errno, span: Option<Span>) {
        let value = show_value(option.ty, value);
        self.refuse(option.name.to_string(), value, errno, span);
    }

    /// Notes that the kernel refused something.
    pub fn refuse(&mut self, option: String, value: String, errno: Errno, span: Option<Span>) {
        let place = span.map(|span| self.source.place(span.start));
        self.ran.refused.push(Refused { option, value, errno: errno.to_string(), place });
    }
}

impl<O: Observer> eval::World for Scene<'_, O> {
    fn field(&mut self, field: &'static Field) -> Value {
        self.world.sock.field(field)
    }

    fn arg(&mut self, index: u8, arg: &'static Arg) -> u64 {
        let raw = u64::from(self.world.sock.arg(index));
        match arg.unit.scale() {
            Some(scale) => raw.wrapping_mul(scale),
            None => jiffies_to_nanos(raw, self.world.kernel.hz),
        }
    }

    fn option(&mut self, option: &'static SockOption) -> Value {
        options::seen(&self.world.kernel, &self.world.sock, option)
    }

    fn role(&mut self) -> Role {
        self.world.sock.current_role()
    }

    fn cookie(&mut self) -> u64 {
        self.world.sock.cookie
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

    /// A server that is established looks at the SYN first, then at the segment that ended the handshake; a SYN-ACK that
    /// goes out answers a SYN; other segments that go out answer nothing.
    fn header_options(&mut self) -> Vec<Vec<u8>> {
        let sock = &self.world.sock;
        let at_hand = || sock.options_at_hand().to_vec();
        match self.event.name {
            "passive_established" => sock.syn_options().into_iter().chain([at_hand()]).collect(),
            "hdr_opt_len" | "write_hdr_opt" => {
                let answers = sock.segment().is_some_and(|segment| segment.from_request);
                sock.syn_options().filter(|_| answers).into_iter().collect()
            }
            _ => vec![at_hand()],
        }
    }

    fn now(&mut self) -> u64 {
        self.world.kernel.now
    }

    fn random(&mut self) -> u32 {
        self.world.kernel.random()
    }

    fn reply(&mut self, _: &'static Event) -> Option<u64> {
        None
    }

    fn has_reply(&mut self) -> bool {
        false
    }

    fn counter(&mut self, _: CounterId) -> Result<u64, String> {
        Err("rules do not read counters".into())
    }

    fn cell(&mut self, table: Option<TableId>, key: &[Value], cell: u8) -> Result<Option<u64>, String> {
        // Where there is only a request, nothing is kept for the connection yet.
        if table.is_none() && !self.world.sock.is_full() {
            return Ok(None);
        }
        self.state.touch(self.program, table, key);
        Ok(self.state.cell(self.world.sock.cookie, table, key, cell))
    }

    fn observed(&mut self, _: HistogramId) -> Result<u64, String> {
        Err("rules do not read histograms".into())
    }

    fn records(&mut self, _: RecordId) -> Result<Vec<Vec<Value>>, String> {
        Err("rules do not read records".into())
    }

    fn param(&mut self, param: ParamId) -> Result<u64, String> {
        self.state.kept.params.get(param.index()).copied().ok_or_else(|| "no such parameter".into())
    }

    fn elements(&mut self, set: MutableSetId) -> Result<Vec<(u128, u8)>, String> {
        let elements = self.state.kept.sets.get(set.index()).ok_or("no such set")?;
        Ok(elements.iter().copied().collect())
    }

    fn rule_hits(&mut self, _: RuleId) -> Result<u64, String> {
        Err("rules do not read how often rules ran".into())
    }

    fn evaluated(&mut self, expr: &Expr, value: &Value) {
        self.observer.value(expr, value);
    }
}
