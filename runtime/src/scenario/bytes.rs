//! The compiled bytes, run by the interpreter: what is kept lies in the program's data and maps.

mod cells;
mod measured;
mod read;
mod refused;
mod steer;

use tcpc_compiler::object::ObjectFile;
use tcpc_lang::hir::{
    CounterId, HistogramId, MutableSetId, ParamId, Program, RecordId, RuleId, TableId, Value,
};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::kernel::{KernelVersion, RETURN_OK};
use tcpc_stdlib::manifest::{FeatureInfo, Manifest};
use tcpc_stdlib::unit::jiffies;

use super::engine::{Engine, Ran};
use crate::kept::Kept;
use crate::mock::World;
use crate::vm::{Image, STEPS_MAX};

/// An object that was compiled from a policy.
pub struct Bytes<'a> {
    program: &'a Program,
    object: &'a ObjectFile,
    image: &'a Image,
    source: &'a SourceFile,
    manifest: Manifest,
}

impl<'a> Bytes<'a> {
    /// An object, made ready, with the policy that it was compiled from.
    pub fn new(
        object: &'a ObjectFile,
        image: &'a Image,
        program: &'a Program,
        source: &'a SourceFile,
    ) -> Bytes<'a> {
        let manifest = object.manifest.clone().unwrap_or_default();
        Bytes { program, object, image, source, manifest }
    }

    /// Gives the constants that depend on the kernel their values, as a loader does.
    fn resolve_constants(&self, world: &mut World) {
        let hz = world.kernel.hz;
        let ticks = |nanos| jiffies(nanos, hz).min(i32::MAX as u64) as u32;
        let constants = self.manifest.jiffies.iter().map(|row| (&row.symbol, ticks(row.nanos)));
        let version = world.kernel.version;
        let has =
            |info: &FeatureInfo| KernelVersion::parse(&info.kernel).is_some_and(|since| since <= version);
        let features = self.manifest.features.iter().map(|info| (&info.symbol, has(info).into()));
        let hz_itself = self.manifest.hz_symbol.as_ref().map(|name| (name, hz));
        for (symbol, number) in constants.chain(features).chain(hz_itself) {
            if let Some((section, at)) = self.place(symbol)
                && let Some(data) = world.memory.data.get_mut(section)
                && let Some(place) = data.bytes.get_mut(at..at + 4)
            {
                place.copy_from_slice(&number.to_le_bytes());
            }
        }
    }

    /// A symbol's section and offset.
    fn place(&self, symbol: &str) -> Option<(usize, usize)> {
        self.object.data.iter().enumerate().find_map(|(index, section)| {
            let (_, offset, _) = section.symbols.iter().find(|(name, ..)| name == symbol)?;
            Some((index, *offset as usize))
        })
    }

    /// A 64-bit number of the program's data.
    fn number(&self, world: &World, symbol: &str) -> Option<u64> {
        self.numbers(world, symbol, 1)?.first().copied()
    }

    /// So many of them, one after another.
    fn numbers(&self, world: &World, symbol: &str, count: usize) -> Option<Vec<u64>> {
        let (section, at) = self.place(symbol)?;
        let bytes = world.memory.data.get(section)?.bytes.get(at..at + 8 * count)?;
        Some(bytes.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number)).collect())
    }
}

impl Engine for Bytes<'_> {
    fn begin(&mut self) -> World {
        let mut world = World { memory: self.image.memory(), ..World::default() };
        self.fill_sets(&mut world);
        world
    }

    fn run(&mut self, world: &mut World) -> Result<Ran, String> {
        self.resolve_constants(world);
        let outcome = self.image.run(world, STEPS_MAX).map_err(|error| error.to_string())?;
        if world.memory.locked.is_some() {
            return Err("the program ended with a lock held".into());
        }
        // Others run at the same time, on other processors and in an operator's shell.
        let mut variables = outcome.variables.clone();
        variables.sort_unstable();
        if variables.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(
                "the program loaded a parameter twice in one event: it can be changed in between".into()
            );
        }
        if let Some(slot) = outcome.unlocked {
            return Err(format!("slot {slot} changes a row with a lock, and does not hold it"));
        }
        if outcome.ret != RETURN_OK as u64 {
            return Err(format!(
                "the program returned {}, which cancels the answers of every program on the cgroup",
                outcome.ret
            ));
        }
        Ok(Ran { reply: world.reply(), refused: self.refused(&outcome) })
    }

    fn rehearse(&self, world: &mut World) -> bool {
        self.resolve_constants(world);
        self.image.run(world, STEPS_MAX).is_ok()
    }

    fn hits(&self, world: &World, rule: RuleId) -> Option<u64> {
        self.number(world, self.manifest.rules.get(rule.index())?.hits.as_deref()?)
    }

    fn counter(&self, world: &World, counter: CounterId) -> Option<u64> {
        let name = &self.program.counters.get(counter.index())?.name;
        let info = self.manifest.counters.iter().find(|info| info.name == *name && info.key.is_none())?;
        self.number(world, &info.symbol)
    }

    fn observed(&self, world: &World, histogram: HistogramId) -> Option<u64> {
        Some(self.buckets(world, histogram)?.iter().sum())
    }

    fn records(&self, world: &World, record: RecordId) -> Option<Vec<Vec<Value>>> {
        self.records_of(world, record)
    }

    fn cell(
        &self,
        world: &World,
        table: Option<TableId>,
        key: &[Value],
        cell: u8,
    ) -> Result<Option<u64>, String> {
        self.read_cell(world, table, key, cell)
    }

    fn give_cell(
        &mut self,
        world: &mut World,
        table: Option<TableId>,
        key: &[Value],
        cell: u8,
        value: u64,
    ) -> Result<(), String> {
        self.write_cell(world, table, key, cell, value)
    }

    fn param(&self, world: &World, param: ParamId) -> Option<u64> {
        self.number(world, self.param_symbol(param)?)
    }

    fn set_param(&mut self, world: &mut World, param: ParamId, value: u64) -> Option<()> {
        let (section, at) = self.place(self.param_symbol(param)?)?;
        let place = world.memory.data.get_mut(section)?.bytes.get_mut(at..at + 8)?;
        place.copy_from_slice(&value.to_le_bytes());
        Some(())
    }

    fn elements(&self, world: &World, set: MutableSetId) -> Option<Vec<(u128, u8)>> {
        self.elements_of(world, set)
    }

    fn add_elements(&mut self, world: &mut World, set: MutableSetId, elements: &[(u128, u8)]) -> Option<()> {
        let (info, map) = self.set(world, set)?;
        elements.iter().for_each(|&element| steer::put(world, map, &info.key(element), 1));
        Some(())
    }

    fn kept(&self, world: &World) -> Kept {
        self.read_kept(world)
    }
}
