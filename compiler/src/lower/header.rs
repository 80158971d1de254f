//! TCP header options: reserving, writing and looking for them.
//!
//! What came in is looked for once in each event that asks, before its rules: all of them see the same.

use tcpc_lang::hir::{Expr, ExprKind, HeaderField, HeaderId, HeaderOption, Rule, SendId};
use tcpc_stdlib::event::Event;
use tcpc_stdlib::header::{EXID, LOAD_FROM_SYN, PREAMBLE, Segment, segment};
use tcpc_stdlib::unit::Unit;

use super::{Lowerer, context_field, kernel_helper};
use crate::ir::{BinaryOp, Block, CondOp, InstData, Size, Slot, SlotPurpose, UnaryOp, Value};

/// Bytes that are loaded and stored at once.
const CHUNK: u8 = 8;

/// What is known of an option that may have come in.
pub struct Arrived {
    /// 1 if it did, else 0.
    present: Value,
    /// Its bytes, eight to a number with the first one on top; 0 if it did not.
    chunks: Vec<Value>,
}

impl Lowerer<'_> {
    /// Looks for the options that the rules of an event mention.
    pub fn look_for_headers<'r>(&mut self, event: &'static Event, rules: impl Iterator<Item = &'r Rule>) {
        let mut wanted: Vec<HeaderId> = Vec::new();
        let mut note = |expr: &Expr| {
            if let ExprKind::Received(id) | ExprKind::HeaderField(id, _) = expr.kind
                && !wanted.contains(&id)
            {
                wanted.push(id);
            }
            false
        };
        for rule in rules {
            rule.any(self.program, &mut note);
        }
        self.arrived.clear();
        let program = self.program;
        for id in wanted {
            if let Some(header) = program.headers.get(id.index()) {
                let arrived = self.look_for(event, header);
                self.arrived.insert(id, arrived);
            }
        }
    }

    /// Looks where it can be in this event.
    fn look_for(&mut self, event: &Event, header: &HeaderOption) -> Arrived {
        let outer = self.b.set_span(header.span);
        let count = usize::from(header.length().div_ceil(CHUNK));
        let absent = self.b.new_block();
        let (end, values) = self.b.new_block_with(count + 1);
        match event.name {
            "passive_established" => {
                let other = self.b.new_block();
                self.load_header(header, LOAD_FROM_SYN, end, other);
                self.b.switch_to(other);
                self.load_header(header, 0, end, absent);
            }
            "hdr_opt_len" | "write_hdr_opt" => {
                let answers = self.b.new_block();
                let synack: Vec<&'static Segment> = segment("synack").into_iter().collect();
                self.lower_is_segment(&synack, answers, absent);
                self.b.switch_to(answers);
                self.load_header(header, LOAD_FROM_SYN, end, absent);
            }
            _ => self.load_header(header, 0, end, absent),
        }
        self.b.switch_to(absent);
        let nothing: Vec<Value> = (0..=count).map(|_| self.b.number(0)).collect();
        self.b.jump_with_all(end, &nothing);
        self.b.switch_to(end);
        self.b.set_span(outer);
        let mut values = values.into_iter();
        let present = values.next().unwrap_or_else(|| self.b.number(0));
        Arrived { present, chunks: values.collect() }
    }

    /// `bpf_load_hdr_opt(ctx, buffer, length, flags)`; the buffer says what to look for. Passes 1 and the bytes to
    /// `found`, or goes to `other`.
    fn load_header(&mut self, header: &HeaderOption, flags: u64, found: Block, other: Block) {
        let mut pattern = header.encode(&[]);
        // The length in a pattern is that of the pattern, or 0 if the kind says all.
        pattern[1] = if header.exid.is_some() { PREAMBLE + EXID } else { 0 };
        let slot = self.store_bytes(&pattern);
        let context = self.b.value(InstData::Context);
        let buffer = self.b.value(InstData::SlotAddr(slot, 0));
        let (length, flags) = (self.b.number(header.length().into()), self.b.number(flags));
        let result = self.b.call(kernel_helper("bpf_load_hdr_opt"), vec![context, buffer, length, flags]);
        let hit = self.b.new_block();
        let length = self.b.number(header.length().into());
        self.b.branch(CondOp::Eq, result, length, hit, other);
        self.b.switch_to(hit);
        let mut values = vec![self.b.number(1)];
        for chunk in 0..header.length().div_ceil(CHUNK) {
            let offset = u16::from(chunk * CHUNK);
            let bytes = self.b.value(InstData::LoadSlot { size: Size::Double, slot, offset });
            values.push(self.b.unary(UnaryOp::SwapBytes64, bytes));
        }
        self.b.jump_with_all(found, &values);
    }

    fn store_bytes(&mut self, bytes: &[u8]) -> Slot {
        let slot = self.b.slot(SlotPurpose::Header, bytes.len() as u32);
        for (index, chunk) in bytes.chunks(CHUNK.into()).enumerate() {
            let mut padded = [0; CHUNK as usize];
            padded[..chunk.len()].copy_from_slice(chunk);
            let number = self.b.number(u64::from_le_bytes(padded));
            self.b.store_slot(Size::Double, slot, index as u16 * u16::from(CHUNK), number);
        }
        slot
    }

    /// Whether an option came in, as 1 or 0.
    pub fn lower_received(&mut self, id: HeaderId) -> Value {
        match self.arrived.get(&id) {
            Some(arrived) => arrived.present,
            None => self.b.number(0),
        }
    }

    /// A field of an option that came in, 0 if it did not.
    pub fn lower_header_field(&mut self, id: HeaderId, index: u8) -> Value {
        let program = self.program;
        let field = program.headers.get(id.index()).and_then(|header| header.fields.get(usize::from(index)));
        let (Some(arrived), Some(field)) = (self.arrived.get(&id), field) else { return self.b.number(0) };
        let parts: Vec<(Value, Part)> =
            parts(field).filter_map(|part| Some((*arrived.chunks.get(part.chunk)?, part))).collect();
        let mut whole = self.b.number(0);
        for (chunk, part) in parts {
            let lowest = self.b.binary_imm(BinaryOp::Shr, chunk, part.in_chunk.into());
            let bits = match part.mask() {
                u64::MAX => lowest,
                mask => self.b.binary_imm(BinaryOp::And, lowest, mask),
            };
            let placed = self.b.binary_imm(BinaryOp::Shl, bits, part.in_field.into());
            whole = self.b.binary(BinaryOp::Or, whole, placed);
        }
        whole
    }

    /// Branches by the flags of the segment that goes out. Where the kernel computes the segment size it shows none, and
    /// the answer is yes if one of the segments carries data.
    pub fn lower_is_segment(&mut self, segments: &[&'static Segment], yes: Block, no: Block) {
        let flags = self.b.field(context_field("skb_tcp_flags"), 0);
        for segment in segments {
            let masked = self.b.binary_imm(BinaryOp::And, flags, segment.mask.into());
            self.go_on_unless(masked, segment.flags, yes);
        }
        if segments.iter().any(|segment| segment.carries_data) {
            self.go_on_unless(flags, 0, yes);
        }
        self.b.jump(no);
    }

    /// Goes to a block if a number is this one.
    fn go_on_unless(&mut self, number: Value, wanted: u8, yes: Block) {
        let next = self.b.new_block();
        let wanted = self.b.number(wanted.into());
        self.b.branch(CondOp::Eq, number, wanted, yes, next);
        self.b.switch_to(next);
    }

    /// Reserves room for an option, or writes it. A refusal is counted.
    pub fn lower_send(&mut self, id: SendId) {
        let program = self.program;
        let Some(send) = program.sends.get(id.index()) else { return };
        let Some(header) = program.headers.get(send.header.index()) else { return };
        let result = match self.event.map(|event| event.name) {
            Some("hdr_opt_len") => self.reserve(header),
            _ => self.write(header, &send.values),
        };
        if self.options.stats {
            let (refused, done) = (self.b.new_block(), self.b.new_block());
            let zero = self.b.number(0);
            self.b.branch(CondOp::Eq, result, zero, done, refused);
            self.b.switch_to(refused);
            self.count_refused_send(id, result);
            self.b.jump(done);
            self.b.switch_to(done);
        }
    }

    fn reserve(&mut self, header: &HeaderOption) -> Value {
        let context = self.b.value(InstData::Context);
        let (length, flags) = (self.b.number(header.length().into()), self.b.number(0));
        self.b.call(kernel_helper("bpf_reserve_hdr_opt"), vec![context, length, flags])
    }

    fn write(&mut self, header: &HeaderOption, values: &[Expr]) -> Value {
        let mut chunks: Vec<Value> = Vec::new();
        for bytes in header.encode(&[]).chunks(CHUNK.into()) {
            let mut padded = [0; CHUNK as usize];
            padded[..bytes.len()].copy_from_slice(bytes);
            chunks.push(self.b.number(u64::from_be_bytes(padded)));
        }
        for (field, value) in header.fields.iter().zip(values) {
            let max = u64::MAX >> (64 - u32::from(field.bits));
            let value = self.lower_scalar(value);
            let value = if max == u64::MAX { value } else { self.at_most(value, max, Unit::Plain) };
            for part in parts(field) {
                let Some(&chunk) = chunks.get(part.chunk) else { continue };
                let bits = self.b.binary_imm(BinaryOp::Shr, value, part.in_field.into());
                let bits = match part.is_whole() {
                    true => bits,
                    false => self.b.binary_imm(BinaryOp::And, bits, part.mask()),
                };
                let placed = self.b.binary_imm(BinaryOp::Shl, bits, part.in_chunk.into());
                chunks[part.chunk] = self.b.binary(BinaryOp::Or, chunk, placed);
            }
        }
        let slot = self.b.slot(SlotPurpose::Header, header.length().into());
        for (index, chunk) in chunks.into_iter().enumerate() {
            let bytes = self.b.unary(UnaryOp::SwapBytes64, chunk);
            self.b.store_slot(Size::Double, slot, index as u16 * u16::from(CHUNK), bytes);
        }
        let context = self.b.value(InstData::Context);
        let buffer = self.b.value(InstData::SlotAddr(slot, 0));
        let (length, flags) = (self.b.number(header.length().into()), self.b.number(0));
        self.b.call(kernel_helper("bpf_store_hdr_opt"), vec![context, buffer, length, flags])
    }
}

/// The bits of a field that lie in one chunk.
#[derive(Clone, Copy)]
struct Part {
    /// The chunk.
    chunk: usize,
    /// How many bits.
    bits: u8,
    /// The lowest one's place in the chunk.
    in_chunk: u8,
    /// The lowest one's place in the field.
    in_field: u8,
    /// How many bits the field has.
    of: u8,
}

impl Part {
    fn mask(self) -> u64 {
        u64::MAX >> (64 - u32::from(self.bits))
    }

    /// Whether it is the upper end of its field: nothing is above it.
    fn is_whole(self) -> bool {
        self.in_field + self.bits == self.of
    }
}

/// A field's bits, chunk by chunk: a field of 64 bits can cross from one to the next.
fn parts(field: &HeaderField) -> impl Iterator<Item = Part> {
    const BITS: u16 = 8 * CHUNK as u16;
    let (first, end, of) = (field.at, field.at + u16::from(field.bits), field.bits);
    (first / BITS..end.div_ceil(BITS)).map(move |chunk| {
        let (low, high) = (first.max(chunk * BITS), end.min((chunk + 1) * BITS));
        Part {
            chunk: chunk.into(),
            bits: (high - low) as u8,
            in_chunk: ((chunk + 1) * BITS - high) as u8,
            in_field: (end - high) as u8,
            of,
        }
    })
}
