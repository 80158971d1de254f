//! What a policy remembers, in a test: rows of its maps.

use tcpc_lang::hir::{TableId, Value};
use tcpc_stdlib::manifest::state::{ADDRESS_BYTES, CellInfo};

use super::Bytes;
use crate::mock::World;

/// The map's name, the row's key, where the cells are.
struct Place {
    map: String,
    key: Vec<u8>,
    cells: Vec<CellInfo>,
}

impl Bytes<'_> {
    /// Sets a cell of a row, which is made if it is not there.
    pub(super) fn write_cell(
        &self,
        world: &mut World,
        table: Option<TableId>,
        key: &[Value],
        cell: u8,
        value: u64,
    ) -> Result<(), String> {
        let place = self.row_place(world, table, key)?;
        let map = world.memory.maps.iter_mut().find(|map| map.name() == place.map);
        let map = map.ok_or("the object does not keep this")?;
        let mut bytes = match map.get(&place.key) {
            Some(bytes) => bytes.to_vec(),
            None => {
                let mut bytes = vec![0; map.value_size() as usize];
                place.cells.iter().for_each(|cell| put(&mut bytes, cell.offset, cell.default));
                bytes
            }
        };
        if let Some(cell) = place.cells.get(usize::from(cell)) {
            put(&mut bytes, cell.offset, value);
        }
        map.update(&place.key, &bytes, 0).map_err(|errno| match errno {
            "E2BIG" => "the table is full".to_string(),
            errno => errno.to_string(),
        })
    }

    /// A cell of a row; `None` if the row is not there.
    pub(super) fn read_cell(
        &self,
        world: &World,
        table: Option<TableId>,
        key: &[Value],
        cell: u8,
    ) -> Result<Option<u64>, String> {
        let place = self.row_place(world, table, key)?;
        let map = world.memory.maps.iter().find(|map| map.name() == place.map);
        let map = map.ok_or("the object does not keep this")?;
        let offset = place.cells.get(usize::from(cell)).map_or(0, |cell| cell.offset as usize);
        let number = |bytes: &[u8]| {
            let bytes = bytes.get(offset..offset + 8)?;
            bytes.try_into().ok().map(u64::from_le_bytes)
        };
        Ok(map.get(&place.key).and_then(number))
    }

    fn row_place(&self, world: &World, table: Option<TableId>, key: &[Value]) -> Result<Place, String> {
        let state = &self.manifest.state;
        let Some(id) = table else {
            let flow = state.flow.as_ref().ok_or("the object keeps nothing for its connections")?;
            let key = world.sock.cookie.to_le_bytes().to_vec();
            return Ok(Place { map: flow.map.clone(), key, cells: flow.cells.clone() });
        };
        let info = state.tables.get(id.index()).ok_or("the object has no such table")?;
        let mut bytes = Vec::new();
        for part in key {
            match part {
                Value::Ip(address) => bytes.extend(address.to_be_bytes()),
                Value::Number(number) => bytes.extend(number.to_le_bytes()),
                Value::Name(_) => return Err("a key that is a name".into()),
            }
        }
        debug_assert!(bytes.len() <= info.keys.len() * ADDRESS_BYTES as usize);
        Ok(Place { map: info.map.clone(), key: bytes, cells: info.cells.clone() })
    }
}

fn put(bytes: &mut [u8], offset: u32, value: u64) {
    if let Some(place) = bytes.get_mut(offset as usize..offset as usize + 8) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}
