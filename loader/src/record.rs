//! What other processes need to know of an attached policy: a JSON document in a pinned map.
//!
//! The map `record` in the policy's pin directory is an array of one value, the document, padded with
//! zeros. A map lives and dies with its pin, as the link does: unlike a file it cannot be left over after a reboot or
//! be lost while the policy still runs.

use std::os::fd::AsFd;
use std::path::Path;

use aya::maps::MapData;
use aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_ARRAY;
use serde::{Deserialize, Serialize};
use tcpc_stdlib::manifest::Manifest;

use crate::error::LoaderError;
use crate::image::Symbol;
use crate::sys;

/// The version of this document.
const FORMAT: u32 = 1;
/// The kernel's name for the map.
const MAP_NAME: &str = "tcpc_record";

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its version.
    pub format: u32,
    /// The name under which the policy is attached.
    pub name: String,
    /// The cgroup's directory when it was attached.
    pub cgroup: String,
    /// When it was attached: seconds since 1970.
    pub attached_at: u64,
    /// The object's manifest, its `hz` that of this kernel.
    pub manifest: Manifest,
    /// Where the globals are in the maps of their sections.
    pub symbols: Vec<Symbol>,
}

impl Record {
    /// A record of now.
    pub(crate) fn new(name: &str, cgroup: &Path, manifest: Manifest, symbols: Vec<Symbol>) -> Record {
        let attached_at = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs());
        Record {
            format: FORMAT,
            name: name.into(),
            cgroup: cgroup.to_string_lossy().into_owned(),
            attached_at,
            manifest,
            symbols,
        }
    }

    /// Puts the document into a new map and pins it.
    pub(crate) fn pin(&self, path: &Path) -> Result<(), LoaderError> {
        let failed = |error: std::io::Error| LoaderError::System {
            doing: format!("record the policy in `{}`", path.display()),
            error,
        };
        let text = serde_json::to_vec(self).map_err(|error| failed(std::io::Error::other(error)))?;
        let shape = aya_obj::Map::new_from_params(BPF_MAP_TYPE_ARRAY as u32, 4, text.len() as u32, 1, 0);
        let map =
            MapData::create(shape, MAP_NAME, None).map_err(|error| failed(std::io::Error::other(error)))?;
        sys::write_element(map.fd().as_fd(), 0, &text).map_err(failed)?;
        map.pin(path).map_err(|error| failed(std::io::Error::other(error)))
    }

    /// Reads the document of a pin directory.
    ///
    /// # Errors
    /// There is none, or it is of a later version of tcpc.
    pub fn read(directory: &Path) -> Result<Record, LoaderError> {
        let bad = |reason: String| LoaderError::BadRecord { path: directory.into(), reason };
        let map = MapData::from_pin(directory.join("record")).map_err(|error| bad(error.to_string()))?;
        let size = map.info().map_err(|error| bad(error.to_string()))?.value_size();
        let mut text = vec![0; size as usize];
        sys::read_element(map.fd().as_fd(), 0, &mut text).map_err(|error| bad(error.to_string()))?;
        Record::parse(&text).map_err(bad)
    }

    /// Reads the document.
    ///
    /// # Errors
    /// In words: it is none, or it is of a later version of tcpc.
    pub fn parse(text: &[u8]) -> Result<Record, String> {
        let record: Record = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if record.format > FORMAT {
            return Err("they were made by a newer version of tcpc".into());
        }
        Ok(record)
    }
}
