//! What sockets and rows keep.

use tcpc_compiler::object::{MapKind, ObjectMap};
use tcpc_stdlib::field::Struct;

use super::*;
use crate::mock::maps::MockMap;

const SOCK: u64 = 6 << 56 | (Struct::Sock as u64) << 32 | 1 << 31;

/// A world with one map.
fn with_map(kind: MapKind, value_size: u32, max_entries: u32) -> World {
    let map = ObjectMap {
        name: "m".into(),
        kind: kind as u32,
        key_size: 4,
        value_size,
        max_entries,
        locked: false,
    };
    let mut world = world("active_established");
    world.memory.maps.push(MockMap::new(&map).unwrap());
    world
}

fn map() -> u64 {
    Region::Map(0).address(0)
}

fn refused(world: &mut World, name: &str, args: [u64; 5]) -> String {
    world.call(helper(name).unwrap(), args).unwrap_err()
}

#[test]
fn a_socket_keeps_its_own_value_once_it_is_made() {
    let mut world = with_map(MapKind::SockStorage, 16, 0);
    let at = frame_pointer() - 16;
    world.memory.write(at, &[7; 16]).unwrap();
    assert_eq!(call(&mut world, "bpf_sk_storage_get", [map(), SOCK, 0, 0, 0]), 0);
    let made = call(&mut world, "bpf_sk_storage_get", [map(), SOCK, at, 1, 0]) as u64;
    assert_eq!(world.memory.load(made + 8, 8), Ok(0x0707_0707_0707_0707));
    world.memory.store(made, 8, 3).unwrap();
    // What it begins with is asked for no second time.
    for flags in [0, 1] {
        assert_eq!(call(&mut world, "bpf_sk_storage_get", [map(), SOCK, at * flags, flags, 0]) as u64, made);
    }
    assert_eq!(world.memory.load(made, 8), Ok(3));
    world.sock.cookie = 9;
    assert_eq!(call(&mut world, "bpf_sk_storage_get", [map(), SOCK, 0, 0, 0]), 0);
    let other = call(&mut world, "bpf_sk_storage_get", [map(), SOCK, 0, 1, 0]) as u64;
    assert_ne!(other, made);
    assert_eq!(world.memory.load(other, 8), Ok(0));
}

#[test]
fn only_a_socket_and_a_map_of_sockets_will_do() {
    let mut world = with_map(MapKind::Hash, 16, 4);
    let error = refused(&mut world, "bpf_sk_storage_get", [map(), SOCK, 0, 0, 0]);
    assert_eq!(error, "its map does not keep values with sockets");
    let error = refused(&mut world, "bpf_sk_storage_get", [map(), CONTEXT, 0, 0, 0]);
    assert!(error.ends_with("instead of the socket"), "{error}");
}

#[test]
fn while_a_lock_is_held_only_its_return_can_be_called() {
    let mut world = with_map(MapKind::Hash, 16, 4);
    let (key, value) = (frame_pointer() - 8, frame_pointer() - 32);
    world.memory.write(key, &[1, 0, 0, 0]).unwrap();
    world.memory.write(value, &[0; 16]).unwrap();
    call(&mut world, "bpf_map_update_elem", [map(), key, value, 0, 0]);
    let row = call(&mut world, "bpf_map_lookup_elem", [map(), key, 0, 0, 0]) as u64;
    assert_eq!(refused(&mut world, "bpf_spin_unlock", [row, 0, 0, 0, 0]), "no lock is held");
    call(&mut world, "bpf_spin_lock", [row, 0, 0, 0, 0]);
    assert_eq!(refused(&mut world, "bpf_get_prandom_u32", [0; 5]), "a lock is held");
    assert_eq!(refused(&mut world, "bpf_spin_lock", [row, 0, 0, 0, 0]), "a lock is held");
    call(&mut world, "bpf_spin_unlock", [row, 0, 0, 0, 0]);
    call(&mut world, "bpf_get_prandom_u32", [0; 5]);
    assert!(world.call(helper("bpf_spin_lock").unwrap(), [8, 0, 0, 0, 0]).is_err());
}

#[test]
fn a_map_that_forgets_makes_room_for_the_new() {
    let mut map = MockMap::new(&ObjectMap {
        name: "m".into(),
        kind: MapKind::LruHash as u32,
        key_size: 4,
        value_size: 8,
        max_entries: 2,
        locked: false,
    })
    .unwrap();
    for key in 1..=2u32 {
        map.update(&key.to_le_bytes(), &[key as u8; 8], 0).unwrap();
    }
    assert!(map.lookup(&[1, 0, 0, 0]).is_some());
    map.update(&[3, 0, 0, 0], &[3; 8], 1).unwrap();
    // The second was used least recently.
    let keys: Vec<u8> = map.rows().iter().map(|(key, _)| key[0]).collect();
    assert_eq!(keys, [1, 3]);
    assert_eq!(map.get(&[3, 0, 0, 0]), Some(&[3; 8][..]));
}
