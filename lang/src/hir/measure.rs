//! What a policy measures and reports: counters, histograms, and records for user space.

use tcpc_stdlib::manifest::state::{ADDRESS_BYTES, NUMBER_BYTES, RECORD_HEADER};
use tcpc_stdlib::unit::Type;

use crate::source::Span;

/// A counter, declared by its first `count`.
#[derive(Clone, Debug, PartialEq)]
pub struct Counter {
    /// Its name.
    pub name: String,
    /// The type of its key: a scalar type or `Ip`.
    pub key: Option<Type>,
    /// The place of its first use.
    pub span: Span,
}

/// A histogram, declared by its first `observe`.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Its name.
    pub name: String,
    /// The type of its values, which have an order.
    pub ty: Type,
    /// The place of its first use.
    pub span: Span,
}

/// A kind of records: `event NAME { FIELDS }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its fields, in the order of the source.
    pub fields: Vec<RecordField>,
    /// The place of its name.
    pub span: Span,
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordField {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Its first byte, counted from the beginning of the record.
    pub offset: u32,
    /// The place of its name.
    pub span: Span,
}

impl RecordField {
    /// Bytes of its cell.
    pub fn size(&self) -> u32 {
        if self.ty == Type::Ip { ADDRESS_BYTES } else { NUMBER_BYTES }
    }
}

impl Record {
    /// Bytes of a record, its header included.
    pub fn size(&self) -> u32 {
        self.fields.last().map_or(RECORD_HEADER, |last| last.offset + last.size())
    }
}
