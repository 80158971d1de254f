//! Reading and clearing the tables of an attached policy.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use tcpc_stdlib::manifest::state::{ADDRESS_BYTES, NUMBER_BYTES, TableInfo};
use tcpc_stdlib::unit::Type;

use crate::counters::Data;
use crate::error::LoaderError;
use crate::find::Policy;
use crate::maps::{self, Opened};
use crate::rows::Key;
use crate::sys;

/// `BPF_F_LOCK`: a row with a lock is read whole, between two changes.
const LOCKED: u64 = 4;

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The parts of its key, in the order of the table's.
    pub key: Vec<Key>,
    /// Its cells in canonical units, in the order of the table's; of a table with rows for each CPU the sums.
    pub cells: Vec<u64>,
}

/// A table of an attached policy, and all that it holds.
#[derive(Clone, Debug)]
pub struct Dump {
    /// The policy.
    pub policy: Policy,
    /// What the policy says of the table.
    pub table: TableInfo,
    /// Its rows, in the order of their keys.
    pub rows: Vec<Row>,
    /// Changes that were not kept because there was no room for a further row.
    pub unkept: u64,
}

/// The tables of this name of the policies.
///
/// # Errors
/// No policy has a table of this name.
pub fn named(policies: Vec<Policy>, name: &str) -> Result<Vec<(Policy, TableInfo)>, LoaderError> {
    let tables = |policy: &Policy| policy.record.manifest.state.tables.clone();
    let known = policies.iter().flat_map(|policy| {
        let of = |table: TableInfo| (table.name, policy.name.clone());
        tables(policy).into_iter().map(of)
    });
    let known: Vec<(String, String)> = known.collect();
    let of_name = |policy: Policy| {
        let table = tables(&policy).into_iter().find(|table| table.name == name)?;
        Some((policy, table))
    };
    let found: Vec<(Policy, TableInfo)> = policies.into_iter().filter_map(of_name).collect();
    if found.is_empty() { Err(LoaderError::NoTable { name: name.into(), known }) } else { Ok(found) }
}

/// Reads a table. Rows that come or go meanwhile may be seen or not.
///
/// # Errors
/// The pins of the policy cannot be read.
pub fn dump(policy: Policy, table: TableInfo) -> Result<Dump, LoaderError> {
    let unkept = Data::read(&policy.pins, &policy.record.symbols)?.number(&table.full)?;
    Ok(Dump { rows: rows(&policy.pins, &table)?, unkept, policy, table })
}

fn rows(pins: &Path, table: &TableInfo) -> Result<Vec<Row>, LoaderError> {
    let failed = |error| read_failed(table, error);
    let map = open(pins, table)?;
    let (mut rows, flags) = (BTreeMap::new(), if is_locked(table) { LOCKED } else { 0 });
    // Each CPU has a value, padded to 8 bytes.
    let cpus = if table.per_cpu { aya::util::nr_cpus().map_err(|(_, error)| failed(error))? } else { 1 };
    let size = map.value_size.next_multiple_of(8);
    let mut value = vec![0; if table.per_cpu { size * cpus } else { map.value_size }];
    for key in keys(&map, table).map_err(failed)? {
        if sys::read_row(map.data.fd().as_fd(), &key, &mut value, flags).map_err(failed)? {
            let cells = table.cells.iter().map(|cell| {
                let parts = value.chunks(size).filter_map(|one| number(one, cell.offset));
                parts.fold(0, u64::wrapping_add)
            });
            rows.insert(parts(table, &key), cells.collect());
        }
    }
    Ok(rows.into_iter().map(|(key, cells)| Row { key, cells }).collect())
}

/// Removes every row; the number of those that were there.
///
/// # Errors
/// The map of the table cannot be changed.
pub fn clear(pins: &Path, table: &TableInfo) -> Result<usize, LoaderError> {
    let failed = |error| read_failed(table, error);
    let map = open(pins, table)?;
    let mut cleared = 0;
    for key in keys(&map, table).map_err(failed)? {
        cleared += usize::from(sys::delete_row(map.data.fd().as_fd(), &key).map_err(failed)?);
    }
    Ok(cleared)
}

/// Every key. When the one at hand goes away the kernel begins again, so that some may come twice.
fn keys(map: &Opened, table: &TableInfo) -> io::Result<Vec<Vec<u8>>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut next = vec![0; map.key_size];
    while keys.len() < 2 * table.max as usize
        && sys::next_key(map.data.fd().as_fd(), keys.last().map(Vec::as_slice), &mut next)?
    {
        keys.push(next.clone());
    }
    Ok(keys)
}

fn open(pins: &Path, table: &TableInfo) -> Result<Opened, LoaderError> {
    maps::open(pins, &table.map, if table.per_cpu { maps::PER_CPU_HASHES } else { maps::HASHES })
}

fn read_failed(table: &TableInfo, error: io::Error) -> LoaderError {
    LoaderError::System { doing: format!("read the table `{}`", table.name), error }
}

/// Whether rows have a lock: it stands before their cells.
fn is_locked(table: &TableInfo) -> bool {
    table.cells.first().is_some_and(|cell| cell.offset > 0)
}

fn number(bytes: &[u8], offset: u32) -> Option<u64> {
    let bytes = bytes.get(offset as usize..)?.get(..NUMBER_BYTES as usize)?;
    bytes.try_into().ok().map(u64::from_ne_bytes)
}

fn parts(table: &TableInfo, key: &[u8]) -> Vec<Key> {
    let part = |ty: &str, offset: u32| match ty == Type::Ip.name() {
        true => {
            let bytes = key.get(offset as usize..).and_then(|rest| rest.get(..ADDRESS_BYTES as usize));
            let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
            Key::Address(bytes.map_or(0, u128::from_be_bytes))
        }
        false => Key::Number(number(key, offset).unwrap_or(0)),
    };
    table.keys.iter().map(|one| part(&one.ty, one.offset)).collect()
}
