//! What the attached policy remembers and reports: rows of its tables, what it keeps of a connection, its records.

use std::os::fd::{AsFd, AsRawFd};

use tcpc_lang::hir::{ExprKind, RecordId, Row, TableId, Value};
use tcpc_loader::observe::{Ring, Rows};
use tcpc_loader::tables;
use tcpc_loader::{Key, LoaderError};
use tcpc_stdlib::manifest::state::{ADDRESS_BYTES, CellInfo};
use tcpc_stdlib::unit::Type;

use super::Bench;

impl Bench<'_> {
    /// A cell of a row; `None` if the row is not there.
    pub(super) fn read_cell(
        &self,
        table: Option<TableId>,
        key: &[Value],
        cell: u8,
    ) -> Result<Option<u64>, String> {
        let Some(id) = table else { return self.flow_cell(cell) };
        let info = self.manifest.state.tables.get(id.index()).ok_or("the object has no such table")?;
        let dump = tables::dump(self.policy.clone(), info.clone()).map_err(|error| error.to_string())?;
        let same = |row: &&tables::Row| row.key.iter().map(value_of).eq(key.iter().cloned());
        let row = dump.rows.iter().find(same);
        Ok(row.and_then(|row| row.cells.get(usize::from(cell)).copied()))
    }

    /// Sets a cell of a row, which is made if it is not there.
    pub(super) fn give_cell(&mut self, row: &Row, cell: u8, value: u64) -> Result<(), String> {
        let state = &self.manifest.state;
        let failed = |error: LoaderError| error.to_string();
        let (map, cells, key) = match row {
            Row::Flow => {
                let flow = state.flow.as_ref().ok_or("the object keeps nothing for its connections")?;
                let key = self.flow_key().ok_or("nothing is kept for a connection before it is made")?;
                (&flow.map, &flow.cells, key)
            }
            Row::Table(id, parts) => {
                let info = state.tables.get(id.index()).ok_or("the object has no such table")?;
                if info.per_cpu {
                    return Err(format!("`{}` has a row for each processor", info.name));
                }
                let table = self.program.tables.get(id.index()).ok_or("no such table")?;
                let parts = parts.iter().zip(&table.keys).map(|(part, key)| match &part.kind {
                    ExprKind::Const(Value::Ip(address)) => Some(key.cut(*address).to_be_bytes().to_vec()),
                    ExprKind::Const(Value::Number(number)) => Some(number.to_ne_bytes().to_vec()),
                    _ => None,
                });
                let key = parts.collect::<Option<Vec<_>>>().ok_or("a key that is no constant")?.concat();
                (&info.map, &info.cells, key)
            }
        };
        let rows = Rows::open(&self.policy.pins, map).map_err(failed)?;
        let there = rows.get(&key).map_err(failed)?;
        let mut bytes = there.unwrap_or_else(|| {
            let mut bytes = vec![0; rows.value_size()];
            cells.iter().for_each(|cell| put(&mut bytes, cell.offset, cell.default));
            bytes
        });
        if let Some(cell) = cells.get(usize::from(cell)) {
            put(&mut bytes, cell.offset, value);
        }
        rows.put(&key, &bytes).map_err(failed)
    }

    /// The key of what is kept for the connection at hand: the descriptor of its socket.
    fn flow_key(&self) -> Option<Vec<u8>> {
        let ends = &self.connections.get(&self.current)?.ends;
        let socket = ends.end.as_ref().or(ends.listener.as_ref())?;
        Some(socket.as_fd().as_raw_fd().to_ne_bytes().to_vec())
    }

    /// A cell of what is kept for the connection at hand.
    fn flow_cell(&self, cell: u8) -> Result<Option<u64>, String> {
        let flow = self.manifest.state.flow.as_ref().ok_or("the object keeps nothing for its connections")?;
        let key = self.flow_key().ok_or("its socket is closed")?;
        let offset = flow.cells.get(usize::from(cell)).ok_or("no such cell")?.offset as usize;
        let rows = Rows::open(&self.policy.pins, &flow.map).map_err(|error| error.to_string())?;
        let value = rows.get(&key).map_err(|error| error.to_string())?;
        Ok(value.and_then(|bytes| bytes.get(offset..offset + 8)?.try_into().ok().map(u64::from_ne_bytes)))
    }

    /// The records of a kind that were given in the events that the test fired, the oldest first.
    pub(super) fn records_of(&mut self, id: RecordId) -> Result<Vec<Vec<Value>>, String> {
        let info =
            self.manifest.state.records.get(id.index()).ok_or("the object has no such records")?.clone();
        if let Some(name) = self.manifest.state.ring.clone() {
            let mut ring = Ring::open(&self.policy.pins, &name).map_err(|error| error.to_string())?;
            self.records.extend(std::iter::from_fn(|| ring.take()));
        }
        let ours = self.records.iter().filter(|record| record.get(..4) == Some(&id.0.to_ne_bytes()));
        let fired = ours.filter(|record| self.is_of_the_test(record));
        let read = |record: &Vec<u8>| info.cells.iter().map(|cell| read(record, cell)).collect();
        fired
            .map(read)
            .collect::<Option<_>>()
            .ok_or_else(|| "a record that the policy does not declare".into())
    }

    /// Whether a record was given between the two halves of an event that the test fired.
    fn is_of_the_test(&self, record: &[u8]) -> bool {
        let time = record.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_ne_bytes);
        let fired = self.log.iter().zip(&self.taken).filter(|(_, taken)| **taken);
        time.is_some_and(|time| {
            fired.into_iter().any(|(seen, _)| (seen.before.time..=seen.after.time).contains(&time))
        })
    }
}

fn value_of(key: &Key) -> Value {
    match key {
        Key::Number(number) => Value::Number(*number),
        Key::Address(address) => Value::Ip(*address),
    }
}

fn read(record: &[u8], cell: &CellInfo) -> Option<Value> {
    let bytes = record.get(cell.offset as usize..)?;
    if cell.ty == Type::Ip.name() {
        let address = bytes.get(..ADDRESS_BYTES as usize)?.try_into().ok()?;
        return Some(Value::Ip(u128::from_be_bytes(address)));
    }
    bytes.first_chunk().map(|number| Value::Number(u64::from_ne_bytes(*number)))
}

fn put(bytes: &mut [u8], offset: u32, value: u64) {
    if let Some(place) = bytes.get_mut(offset as usize..offset as usize + 8) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
}
