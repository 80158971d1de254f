//! Reading the counters with a key of an attached policy: hash maps of numbers.

use std::io;
use std::path::Path;

use aya::Pod;
use aya::maps::{HashMap, Map, MapError};
use tcpc_stdlib::manifest::CounterInfo;
use tcpc_stdlib::manifest::state::ADDRESS_BYTES;

use crate::error::LoaderError;
use crate::maps;
use crate::pins::map_pin;

/// A counter with a key, and all that it has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// Its name.
    pub name: String,
    /// The key's type in the language.
    pub key: String,
    /// Keys and values, the largest value first, then in the order of the keys.
    pub rows: Vec<(Key, u64)>,
    /// Counts that were not taken because there was no room for a further key.
    pub full: u64,
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A number in the canonical unit of its type.
    Number(u64),
    /// An address of 128 bits, IPv4 as `::ffff:a.b.c.d`.
    Address(u128),
}

/// The rows of a counter. Rows that come meanwhile may be seen or not.
pub(crate) fn rows(pins: &Path, counter: &CounterInfo) -> Result<Vec<(Key, u64)>, LoaderError> {
    let path = pins.join(map_pin(&counter.symbol));
    // The compiler leaves out the map of a counter that no rule can reach.
    if !path.exists() {
        return Ok(Vec::new());
    }
    let failed = |error: MapError| LoaderError::System {
        doing: format!("read the counter `{}`", counter.name),
        error: io::Error::other(error),
    };
    let opened = maps::open(pins, &counter.symbol, maps::HASHES)?;
    let map = Map::HashMap(opened.data);
    let mut rows = match opened.key_size as u32 {
        4 => numbers::<u32>(map, |key| Key::Number(key.into())),
        8 => numbers::<u64>(map, Key::Number),
        ADDRESS_BYTES => numbers::<[u8; 16]>(map, |key| Key::Address(u128::from_be_bytes(key))),
        other => {
            return Err(LoaderError::BadRecord {
                path: pins.into(),
                reason: format!("the keys of `{}` are {other} bytes long", counter.name),
            });
        }
    }
    .map_err(failed)?;
    rows.sort_by(|(key, count), (other, more)| more.cmp(count).then(key.cmp(other)));
    Ok(rows)
}

fn numbers<K: Pod>(map: Map, key: impl Fn(K) -> Key) -> Result<Vec<(Key, u64)>, MapError> {
    let map: HashMap<_, K, u64> = HashMap::try_from(map)?;
    map.iter().map(|row| row.map(|(bytes, count)| (key(bytes), count))).collect()
}
