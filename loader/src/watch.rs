//! Reading the records that an attached policy gives, as they come.
//!
//! A ring buffer has one reader: what one takes, no other sees. So a watcher holds a lock on the policy's pins, and a
//! second one is refused.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use aya::maps::{Map, MapData, MapError, MapType, RingBuf};
use tcpc_stdlib::manifest::state::{ADDRESS_BYTES, CellInfo, RECORD_HEADER, RecordInfo};
use tcpc_stdlib::unit::Type;

use crate::counters::counters;
use crate::error::LoaderError;
use crate::find::Policy;
use crate::maps;
use crate::rows::Key;
use crate::sys;

/// Reads the records of one policy.
pub struct Watcher {
    policy: Policy,
    ring: RingBuf<MapData>,
    signals: OwnedFd,
    _lock: File,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The index of its event among the policy's records.
    pub event: usize,
    /// When it was given: nanoseconds since 1970.
    pub time: u64,
    /// Its fields, in the order of the declaration.
    pub fields: Vec<Key>,
}

/// Why waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Records may be there, or the time is over.
    Ready,
    /// The process is asked to end.
    Interrupted,
}

impl Watcher {
    /// Begins to watch. From now on SIGINT and SIGTERM end [`Watcher::wait`] and not the process.
    ///
    /// # Errors
    /// The policy gives no records, is watched already, or the system refuses.
    pub fn open(policy: Policy) -> Result<Watcher, LoaderError> {
        let Some(name) = policy.record.manifest.state.ring.clone() else {
            return Err(LoaderError::NoRecords(policy.name));
        };
        let doing = || LoaderError::system(format!("watch `{}`", policy.name));
        let lock = File::open(&policy.pins).map_err(doing())?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LoaderError::WatchedAlready(policy.name)),
            Err(TryLockError::Error(error)) => return Err(doing()(error)),
        }
        let map = maps::open(&policy.pins, &name, &[MapType::RingBuf])?;
        let ring = RingBuf::try_from(Map::RingBuf(map.data));
        let ring = ring.map_err(|error: MapError| doing()(io::Error::other(error)))?;
        let signals = sys::ending_signals().map_err(doing())?;
        Ok(Watcher { policy, ring, signals, _lock: lock })
    }

    /// The kinds of records, by their number.
    pub fn records(&self) -> &[RecordInfo] {
        &self.policy.record.manifest.state.records
    }

    /// Waits until there are records, but not longer than this.
    ///
    /// # Errors
    /// The system refuses.
    pub fn wait(&self, at_most: Duration) -> Result<Woken, LoaderError> {
        let ready = sys::wait_for(&[self.ring.as_fd(), self.signals.as_fd()], at_most)
            .map_err(LoaderError::system("wait for records"))?;
        Ok(if ready.get(1) == Some(&true) { Woken::Interrupted } else { Woken::Ready })
    }

    /// Takes records that are there, the oldest first, while `take` wants more.
    ///
    /// # Errors
    /// A record is none of the policy's; the system refuses.
    pub fn take(&mut self, mut take: impl FnMut(Emitted) -> bool) -> Result<(), LoaderError> {
        let since_boot = sys::boot_to_wall_nanos().map_err(LoaderError::system("read the clock"))?;
        while let Some(bytes) = self.ring.next() {
            let emitted = decode(&bytes, &self.policy.record.manifest.state.records, since_boot);
            drop(bytes);
            let emitted = emitted.ok_or_else(|| LoaderError::BadRecord {
                path: self.policy.pins.clone(),
                reason: "there is a record that the policy does not declare".into(),
            })?;
            if !take(emitted) {
                break;
            }
        }
        Ok(())
    }

    /// How many records of each kind found no room since the policy was attached.
    ///
    /// # Errors
    /// The pins cannot be read.
    pub fn lost(&self) -> Result<Vec<u64>, LoaderError> {
        Ok(counters(&self.policy.pins)?.lost.into_iter().map(|(_, lost)| lost).collect())
    }

    /// Whether the policy is still attached.
    pub fn is_attached(&self) -> bool {
        self.policy.pins.exists()
    }
}

fn decode(bytes: &[u8], records: &[RecordInfo], boot_to_wall: u64) -> Option<Emitted> {
    let number = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let record = records.get(number).filter(|record| record.size as usize <= bytes.len())?;
    let time = bytes.get(8..RECORD_HEADER as usize)?.first_chunk().map(|time| u64::from_ne_bytes(*time))?;
    let fields = record.cells.iter().map(|cell| field(bytes, cell)).collect::<Option<Vec<Key>>>()?;
    Some(Emitted { event: number, time: time.saturating_add(boot_to_wall), fields })
}

fn field(bytes: &[u8], cell: &CellInfo) -> Option<Key> {
    let bytes = bytes.get(cell.offset as usize..)?;
    match cell.ty == Type::Ip.name() {
        true => {
            let address = bytes.get(..ADDRESS_BYTES as usize)?.first_chunk()?;
            Some(Key::Address(u128::from_be_bytes(*address)))
        }
        false => bytes.first_chunk().map(|number| Key::Number(u64::from_ne_bytes(*number))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn records() -> Vec<RecordInfo> {
        let cell =
            |name: &str, ty: &str, offset| CellInfo { name: name.into(), ty: ty.into(), offset, default: 0 };
        let record = |name: &str, cells, size| RecordInfo {
            name: name.into(),
            cells,
            size,
            lost: String::new(),
            line: 1,
        };
        vec![
            record("none", vec![], 16),
            record("closed", vec![cell("peer", "ip", 16), cell("srtt", "duration", 32)], 40),
        ]
    }

    fn bytes() -> Vec<u8> {
        let address = 0xffff_c000_0201u128.to_be_bytes();
        [&1u32.to_ne_bytes()[..], &[0; 4], &7u64.to_ne_bytes(), &address, &9u64.to_ne_bytes()].concat()
    }

    #[test]
    fn a_record_is_read_as_it_is_declared() {
        let fields = vec![Key::Address(0xffff_c000_0201), Key::Number(9)];
        assert_eq!(decode(&bytes(), &records(), 100).unwrap(), Emitted { event: 1, time: 107, fields });
    }

    #[test]
    fn what_is_no_record_of_the_policy_is_none() {
        let mut unknown = bytes();
        unknown[0] = 2;
        assert_eq!(decode(&unknown, &records(), 0), None);
        assert_eq!(decode(&bytes()[..39], &records(), 0), None);
        assert_eq!(decode(&[], &records(), 0), None);
    }
}
