//! What runs a policy on the model of the kernel.

use tcpc_lang::hir::{CounterId, HistogramId, MutableSetId, ParamId, RecordId, RuleId, TableId, Value};

use crate::kept::Kept;
use crate::mock::World;
use crate::report::Refused;

/// Runs a policy, and keeps what the policy remembers.
///
/// There are two: the compiled [`Bytes`](super::Bytes), and the [`Meaning`](crate::meaning::Meaning) of the typed tree,
/// which shares nothing with the compiler. What they do to the world and what they keep must be the same.
///
/// What is read is `None` where it is not kept: an object may be built without statistics, or from another text.
pub trait Engine {
    /// The world that a test begins in.
    fn begin(&mut self) -> World;

    /// Runs the rules of the event that the world's socket is in.
    ///
    /// # Errors
    /// In words: the program did not end well.
    fn run(&mut self, world: &mut World) -> Result<Ran, String>;

    /// Runs the rules in a copy of the world, and on a copy of all that is kept. Returns whether they ended well.
    fn rehearse(&self, world: &mut World) -> bool;

    /// How often a rule ran.
    fn hits(&self, world: &World, rule: RuleId) -> Option<u64>;

    /// A counter without a key.
    fn counter(&self, world: &World, counter: CounterId) -> Option<u64>;

    /// How many values a histogram holds.
    fn observed(&self, world: &World, histogram: HistogramId) -> Option<u64>;

    /// The fields of the records of a kind, the oldest record first.
    fn records(&self, world: &World, record: RecordId) -> Option<Vec<Vec<Value>>>;

    /// A cell of the row of a table with this key, or of the connection at hand; `None` if the row is not there.
    ///
    /// # Errors
    /// In words: it is not kept.
    fn cell(
        &self,
        world: &World,
        table: Option<TableId>,
        key: &[Value],
        cell: u8,
    ) -> Result<Option<u64>, String>;

    /// Sets a cell of a row, which is made if it is not there.
    ///
    /// # Errors
    /// In words: it is not kept, or there is no room.
    fn give_cell(
        &mut self,
        world: &mut World,
        table: Option<TableId>,
        key: &[Value],
        cell: u8,
        value: u64,
    ) -> Result<(), String>;

    /// What a parameter is set to.
    fn param(&self, world: &World, param: ParamId) -> Option<u64>;

    /// Sets a parameter, as `tcpc param set` does.
    fn set_param(&mut self, world: &mut World, param: ParamId, value: u64) -> Option<()>;

    /// What is in a set that can be changed.
    fn elements(&self, world: &World, set: MutableSetId) -> Option<Vec<(u128, u8)>>;

    /// Adds elements to a set, as `tcpc set add` does.
    fn add_elements(&mut self, world: &mut World, set: MutableSetId, elements: &[(u128, u8)]) -> Option<()>;

    /// All that is kept.
    fn kept(&self, world: &World) -> Kept;
}

/// What one run did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ran {
    /// The answer in the kernel's unit, if there was one.
    pub reply: Option<u32>,
    /// What the kernel refused.
    pub refused: Vec<Refused>,
}
