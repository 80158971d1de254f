//! The policy that learns initial windows, on a synthetic network: many connections from subnets whose paths take so
//! many packets at once and lose some of what is more.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use tcpc_compiler::object::{self, ObjectFile};
use tcpc_compiler::{Options, compile};
use tcpc_lang::analyze;
use tcpc_lang::hir::{Role, Value};
use tcpc_lang::source::SourceFile;
use tcpc_runtime::mock::{MockSock, World};
use tcpc_runtime::vm::{Image, STEPS_MAX};
use tcpc_stdlib::event::event;
use tcpc_stdlib::field::field;
use tcpc_stdlib::kernel::tcp_state;
use tcpc_stdlib::policies::policy;

/// A network: what the path of each subnet takes at once, in packets.
struct Network {
    object: ObjectFile,
    image: Image,
    world: World,
    paths: BTreeMap<u8, u64>,
    connections: u64,
    noise: u64,
}

impl Network {
    fn new(paths: &[(u8, u64)]) -> Network {
        let source = SourceFile::new("adaptive_iw.tcp", policy("adaptive_iw").unwrap().text);
        let analysis = analyze(&source);
        assert!(analysis.is_valid(), "{:#?}", analysis.diagnostics);
        let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats: true }).unwrap();
        let object = object::read(&compiled.object).unwrap();
        let image = Image::new(&object).unwrap();
        let world = World { memory: image.memory(), ..World::default() };
        Network { object, image, world, paths: paths.iter().copied().collect(), connections: 0, noise: 1 }
    }

    /// A number below 1000.
    fn dice(&mut self) -> u64 {
        self.noise =
            self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.noise >> 33) % 1000
    }

    /// A connection of a subnet from its beginning to its end. What is sent beyond what the path takes loses something
    /// nine times of ten, anything one time of a hundred.
    fn connect(&mut self, subnet: u8) {
        self.connections += 1;
        // Closed sockets give their memory back, and their numbers.
        let mut sock = MockSock::new(self.connections % 64 + 1);
        sock.role = Role::Server;
        sock.given_remote_ip =
            Some(0xffff_c000_0000 | u128::from(subnet) << 8 | u128::from(self.connections % 250));
        self.world.sock = sock;
        self.raise("passive_established", [0; 4]);
        let window = self.world.sock.raw("snd_cwnd");
        let loses = if window > self.paths[&subnet] { 900 } else { 10 };
        let lost = u64::from(self.dice() < loses);
        for (name, value) in [("data_segs_out", 300), ("total_retrans", lost)] {
            self.world.sock.give(field(name).unwrap(), &Value::Number(value)).unwrap();
        }
        let states = ["LAST_ACK", "CLOSE"].map(|name| tcp_state(name).unwrap());
        self.raise("state", [states[0], states[1], 0, 0]);
    }

    fn raise(&mut self, name: &str, args: [u32; 4]) {
        self.world.begin(event(name).unwrap(), args);
        let outcome = self.image.run(&mut self.world, STEPS_MAX).unwrap();
        assert_eq!(outcome.ret, 1);
        self.world.end();
    }

    /// Connections of all subnets by turns.
    fn live(&mut self, rounds: u64) {
        let subnets: Vec<u8> = self.paths.keys().copied().collect();
        for _ in 0..rounds {
            subnets.iter().for_each(|subnet| self.connect(*subnet));
        }
    }

    /// What is known of a subnet.
    fn window(&self, subnet: u8) -> u64 {
        let table = &self.object.manifest.as_ref().unwrap().state.tables[0];
        let cell = table.cells.iter().find(|cell| cell.name == "window").unwrap();
        let map = self.world.memory.maps.iter().find(|map| map.name() == table.map).unwrap();
        let key = (0xffff_c000_0000u128 | u128::from(subnet) << 8).to_be_bytes();
        let row = map.get(&key).unwrap_or_else(|| panic!("nothing is known of subnet {subnet}"));
        u64::from_le_bytes(row[cell.offset as usize..][..8].try_into().unwrap())
    }
}

/// A step up and a step down, as the policy takes them.
fn more(window: u64) -> u64 {
    (window + window / 3 + 1).min(120)
}

fn less(window: u64) -> u64 {
    (window - window / 4).max(4)
}

/// Whether what is known is within one step of what the path takes.
fn is_near(window: u64, best: u64) -> bool {
    less(window) <= best && best <= more(window) || (best >= 120 && window == 120)
}

#[test]
fn each_subnet_ends_within_one_step_of_its_best_window() {
    let paths = [(1, 6), (2, 10), (3, 17), (4, 30), (5, 60), (6, 110), (7, 500)];
    let mut network = Network::new(&paths);
    network.live(1500);
    for (subnet, best) in paths {
        let window = network.window(subnet);
        assert!(is_near(window, best), "subnet {subnet} takes {best}, and {window} is known");
    }
}

#[test]
fn a_path_that_gets_better_or_worse_is_followed() {
    let mut network = Network::new(&[(1, 60), (2, 10)]);
    network.live(1000);
    assert!(is_near(network.window(1), 60) && is_near(network.window(2), 10));
    network.paths = BTreeMap::from([(1, 8), (2, 80)]);
    network.live(1500);
    for (subnet, best) in [(1, 8), (2, 80)] {
        let window = network.window(subnet);
        assert!(is_near(window, best), "subnet {subnet} takes {best} now, and {window} is known");
    }
}

/// What is learnt of one subnet says nothing of another.
#[test]
fn subnets_are_learnt_apart() {
    let mut network = Network::new(&[(1, 100)]);
    network.live(800);
    network.paths.insert(2, 100);
    network.connect(2);
    assert!(network.window(1) > 50);
    assert_eq!(network.window(2), 10);
}
