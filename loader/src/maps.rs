//! Opening the pinned maps of a policy.
//!
//! The kernel reads and writes as many bytes of a key or a value as the map has, whatever room it is given. So a map
//! that is not of a kind that the caller knows is refused, and so is one whose keys or values have other sizes.

use std::path::Path;

use aya::maps::{MapData, MapType};

use crate::error::LoaderError;
use crate::pins::map_pin;

/// Hash maps, whose rows are the same for all processors.
pub(crate) const HASHES: &[MapType] = &[MapType::Hash, MapType::LruHash];
/// Hash maps with a row for each processor.
pub(crate) const PER_CPU_HASHES: &[MapType] = &[MapType::PerCpuHash, MapType::LruPerCpuHash];
/// Maps that hold a section of data.
pub(crate) const ARRAYS: &[MapType] = &[MapType::Array];

/// A map, and what its keys and values take.
pub(crate) struct Opened {
    pub data: MapData,
    pub key_size: usize,
    pub value_size: usize,
}

/// Opens a map of a policy by its name.
///
/// # Errors
/// There is none, or it is of another kind.
pub(crate) fn open(pins: &Path, name: &str, kinds: &[MapType]) -> Result<Opened, LoaderError> {
    let bad = |reason: String| LoaderError::BadRecord { path: pins.into(), reason };
    let data = MapData::from_pin(pins.join(map_pin(name))).map_err(|error| bad(error.to_string()))?;
    let info = data.info().map_err(|error| bad(error.to_string()))?;
    let kind = info.map_type().map_err(|error| bad(error.to_string()))?;
    if !kinds.contains(&kind) {
        return Err(bad(format!("the map `{name}` is of another kind than the policy says")));
    }
    let (key_size, value_size) = (info.key_size() as usize, info.value_size() as usize);
    Ok(Opened { data, key_size, value_size })
}

/// The same, of a map whose keys and values have these sizes.
///
/// # Errors
/// As [`open`], or they have others.
pub(crate) fn open_sized(
    pins: &Path,
    name: &str,
    kinds: &[MapType],
    (key, value): (usize, usize),
) -> Result<MapData, LoaderError> {
    let Opened { data, key_size, value_size } = open(pins, name, kinds)?;
    if (key_size, value_size) == (key, value) {
        return Ok(data);
    }
    let reason = format!(
        "the map `{name}` has keys of {key_size} and values of {value_size} bytes, and the policy says {key} and {value}"
    );
    Err(LoaderError::BadRecord { path: pins.into(), reason })
}
