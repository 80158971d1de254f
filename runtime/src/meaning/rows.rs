//! Rows: what a connection and a table remember.

use tcpc_lang::hir::{Program, TableId, Value};

use super::State;
use crate::kept::Rows;

impl State {
    /// A cell of a row, if the row is there.
    pub(super) fn cell(&self, cookie: u64, table: Option<TableId>, key: &[Value], cell: u8) -> Option<u64> {
        match table {
            None => self.kept.flows.cell(&[Value::Number(cookie)], cell),
            Some(id) => self.kept.tables.get(id.index())?.cell(key, cell),
        }
    }

    /// A row to be changed, made if it is not there; `None` if there is no room for it. Where the table forgets, the row
    /// that was used least recently makes room.
    pub(super) fn row(
        &mut self,
        program: &Program,
        cookie: u64,
        table: Option<TableId>,
        key: &[Value],
    ) -> Option<&mut Vec<u64>> {
        let Some(id) = table else {
            let cells = program.flow.as_ref().map_or(&[][..], |flow| &flow.cells);
            let first = || cells.iter().map(|cell| cell.default).collect();
            return Some(self.kept.flows.rows.entry(vec![Value::Number(cookie)]).or_insert_with(first));
        };
        let table = program.tables.get(id.index())?;
        let rows: &mut Rows = self.kept.tables.get_mut(id.index())?;
        if !rows.rows.contains_key(key) && rows.rows.len() >= table.max as usize {
            if !table.lru {
                return None;
            }
            let oldest = rows.rows.keys().min_by_key(|key| self.used.get(&(id, key.to_vec()))).cloned()?;
            rows.rows.remove(&oldest);
        }
        let first = || table.cells.iter().map(|cell| cell.default).collect();
        Some(rows.rows.entry(key.to_vec()).or_insert_with(first))
    }

    /// Notes that a row was used, for tables that forget.
    pub(super) fn touch(&mut self, program: &Program, table: Option<TableId>, key: &[Value]) {
        if let Some(id) = table.filter(|id| program.tables.get(id.index()).is_some_and(|table| table.lru)) {
            let last = self.used.values().max().map_or(0, |last| last + 1);
            self.used.insert((id, key.to_vec()), last);
        }
    }

    /// Counts that there was no room.
    pub(super) fn count_full(&mut self, table: Option<TableId>) {
        let rows = match table {
            None => Some(&mut self.kept.flows),
            Some(id) => self.kept.tables.get_mut(id.index()),
        };
        if let Some(rows) = rows {
            rows.full += 1;
        }
    }
}
