//! What a policy measured and reported: histograms, and records in the ring buffer.

use tcpc_lang::hir::{HistogramId, RecordId, Value};
use tcpc_stdlib::manifest::state::{ADDRESS_BYTES, CellInfo, HISTOGRAM_BUCKETS};
use tcpc_stdlib::unit::Type;

use super::Bytes;
use crate::kept::GivenRecord;
use crate::mock::World;

/// Where the time stands in a record's head.
const TIME_AT: usize = 8;

impl Bytes<'_> {
    /// The buckets of a histogram.
    pub(super) fn buckets(&self, world: &World, id: HistogramId) -> Option<Vec<u64>> {
        let info = self.manifest.state.histograms.get(id.index())?;
        self.numbers(world, &info.symbol, HISTOGRAM_BUCKETS as usize)
    }

    /// The fields of the records of a kind, the oldest record first.
    pub(super) fn records_of(&self, world: &World, id: RecordId) -> Option<Vec<Vec<Value>>> {
        let records = self.all_records(world)?;
        let ours = records.into_iter().filter(|record| record.kind == id);
        Some(ours.map(|record| record.values).collect())
    }

    /// All records.
    pub(super) fn all_records(&self, world: &World) -> Option<Vec<GivenRecord>> {
        let name = self.manifest.state.ring.as_deref()?;
        let ring = world.memory.maps.iter().find(|map| map.name() == name)?.ring()?;
        ring.records().iter().map(|record| self.decode(record)).collect()
    }

    fn decode(&self, record: &[u8]) -> Option<GivenRecord> {
        let kind = RecordId(u32::from_le_bytes(*record.first_chunk()?));
        let time = u64::from_le_bytes(*record.get(TIME_AT..)?.first_chunk()?);
        let info = self.manifest.state.records.get(kind.index())?;
        let values = info.cells.iter().map(|cell| read(record, cell)).collect::<Option<_>>()?;
        Some(GivenRecord { kind, time, values })
    }
}

/// A cell of a record.
fn read(record: &[u8], cell: &CellInfo) -> Option<Value> {
    let bytes = record.get(cell.offset as usize..)?;
    if cell.ty == Type::Ip.name() {
        let address = bytes.get(..ADDRESS_BYTES as usize)?.try_into().ok()?;
        return Some(Value::Ip(u128::from_be_bytes(address)));
    }
    bytes.first_chunk().map(|number| Value::Number(u64::from_le_bytes(*number)))
}
