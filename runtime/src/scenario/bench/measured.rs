//! What a policy measured and reported: histograms, and records in the ring buffer.

use tcpc_lang::hir::{HistogramId, RecordId, Value};
use tcpc_stdlib::manifest::state::{ADDRESS_BYTES, CellInfo, HISTOGRAM_BUCKETS};
use tcpc_stdlib::unit::Type;

use super::Bench;

impl Bench<'_> {
    /// How many values a histogram holds: the sum of its buckets.
    pub fn histogram_sum(&self, id: HistogramId) -> Option<u64> {
        let info = self.manifest.state.histograms.get(id.index())?;
        let (section, at) = self.place(&info.symbol)?;
        let bytes =
            self.world.memory.data.get(section)?.bytes.get(at..at + HISTOGRAM_BUCKETS as usize * 8)?;
        Some(bytes.as_chunks().0.iter().map(|bucket| u64::from_le_bytes(*bucket)).sum())
    }

    /// The fields of the records of a kind, the oldest record first.
    pub fn records_of(&self, id: RecordId) -> Option<Vec<Vec<Value>>> {
        let info = self.manifest.state.records.get(id.index())?;
        let name = self.manifest.state.ring.as_deref()?;
        let ring = self.world.memory.maps.iter().find(|map| map.name() == name)?.ring()?;
        let ours = ring.records().iter().filter(|record| record.get(..4) == Some(&id.0.to_le_bytes()));
        ours.map(|record| info.cells.iter().map(|cell| read(record, cell)).collect()).collect()
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
