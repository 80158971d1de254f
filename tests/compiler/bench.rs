//! A compiled policy on a mock socket, to be run many times.

use tcpc_compiler::object::ObjectFile;
use tcpc_lang::hir::Value;
use tcpc_runtime::mock::World;
use tcpc_runtime::vm::{Image, Outcome, STEPS_MAX};
use tcpc_stdlib::event::event;
use tcpc_stdlib::field::field;

/// The first half of an IPv4 address as an IPv6 one.
pub const MAPPED: u128 = 0xffff_0000_0000;

pub struct Bench {
    object: ObjectFile,
    image: Image,
    pub world: World,
}

impl Bench {
    pub fn new(object: ObjectFile) -> Bench {
        let image = Image::new(&object).unwrap();
        let world = World { memory: image.memory(), ..World::default() };
        Bench { object, image, world }
    }

    /// Sets a field, in the canonical unit of its type.
    pub fn give(&mut self, name: &str, value: Value) {
        self.world.sock.give(field(name).unwrap(), &value).unwrap();
    }

    pub fn fire(&mut self, name: &str) -> Outcome {
        self.world.begin(event(name).unwrap(), [0; 4]);
        let outcome = self.image.run(&mut self.world, STEPS_MAX).unwrap();
        self.world.end();
        assert_eq!(outcome.ret, 1);
        outcome
    }

    /// The numbers that the policy assigned to `mark` when the event was raised, in order.
    pub fn marks(&mut self, name: &str) -> Vec<u32> {
        let calls = self.fire(name).calls;
        let options = calls.into_iter().filter_map(|call| call.option);
        options.map(|(_, bytes)| u32::from_le_bytes(bytes.try_into().unwrap())).collect()
    }

    /// A counter of the policy.
    pub fn counter(&self, name: &str) -> u64 {
        let symbol = format!("count_{name}");
        let number = self.object.data.iter().enumerate().find_map(|(section, data)| {
            let (_, offset, _) = data.symbols.iter().find(|(name, ..)| *name == symbol)?;
            let at = *offset as usize;
            self.world.memory.data[section].bytes[at..at + 8].try_into().ok().map(u64::from_le_bytes)
        });
        number.unwrap()
    }
}
