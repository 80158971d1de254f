//! A world in which there is nothing but fields and what a policy keeps.

use tcpc_lang::hir::{CounterId, Role, RuleId, TableId, Value};
use tcpc_runtime::eval::World;
use tcpc_stdlib::event::{Arg, Event};
use tcpc_stdlib::feature::Feature;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::option::SockOption;

/// What policies that read nothing else can read.
pub trait Reads {
    fn field(&mut self, field: &'static Field) -> Value;

    fn cell(&mut self, _: Option<TableId>, _: &[Value], _: u8) -> Option<u64> {
        unreachable!()
    }
}

/// A world of that alone.
pub struct Bare<'r, R>(pub &'r mut R);

impl<R: Reads> World for Bare<'_, R> {
    fn field(&mut self, field: &'static Field) -> Value {
        self.0.field(field)
    }
    fn cell(&mut self, table: Option<TableId>, key: &[Value], cell: u8) -> Result<Option<u64>, String> {
        Ok(self.0.cell(table, key, cell))
    }
    fn cookie(&mut self) -> u64 {
        1
    }
    fn arg(&mut self, _: u8, _: &'static Arg) -> u64 {
        unreachable!()
    }
    fn option(&mut self, _: &'static SockOption) -> Value {
        unreachable!()
    }
    fn role(&mut self) -> Role {
        unreachable!()
    }
    fn syn_tos(&mut self) -> u8 {
        unreachable!()
    }
    fn has(&mut self, _: &Feature) -> bool {
        unreachable!()
    }
    fn is_segment(&mut self, _: &[&'static Segment]) -> bool {
        unreachable!()
    }
    fn header_options(&mut self) -> Vec<Vec<u8>> {
        unreachable!()
    }
    fn now(&mut self) -> u64 {
        unreachable!()
    }
    fn random(&mut self) -> u32 {
        unreachable!()
    }
    fn reply(&mut self, _: &'static Event) -> Option<u64> {
        unreachable!()
    }
    fn has_reply(&mut self) -> bool {
        unreachable!()
    }
    fn counter(&mut self, _: CounterId) -> Result<u64, String> {
        unreachable!()
    }
    fn rule_hits(&mut self, _: RuleId) -> Result<u64, String> {
        unreachable!()
    }
}
