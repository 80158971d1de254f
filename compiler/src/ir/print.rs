//! The text form of the IR: what `--emit ir` and the golden files show.
//!
//! ```text
//! block1(v3):                      ; line 4
//!     v5 = field remote_port
//!     br ne v5, 443 block2 else block3
//! ```

use std::fmt::{self, Display, Write};

use super::{Block, BlockCall, CondOp, Func, InstData, Size, Terminator, Value};

impl Display for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (map, spec) in &self.maps {
            writeln!(
                f,
                "{map} = {:?} {}: {} to {} bytes, {} rows",
                spec.kind,
                spec.name,
                spec.key.size(),
                spec.value.size(),
                spec.max_entries
            )?;
        }
        for (constant, global) in &self.constants {
            writeln!(f, "{constant} = rodata {}: {} bytes", global.name, global.ty.size())?;
        }
        for (counter, global) in &self.counters {
            writeln!(f, "{counter} = bss {}: {} bytes", global.name, global.ty.size())?;
        }
        for (variable, global) in &self.variables {
            writeln!(f, "{variable} = data {}: {} bytes", global.name, global.ty.size())?;
        }
        for (table, data) in &self.tables {
            writeln!(f, "{table} = {} of {} entries of {} words", data.data, data.entries, data.words)?;
        }
        for (slot, size) in &self.slots {
            writeln!(f, "{slot} = {size} bytes")?;
        }
        for block in self.reverse_postorder() {
            self.fmt_block(f, block)?;
        }
        Ok(())
    }
}

impl Func {
    fn fmt_block(&self, f: &mut fmt::Formatter<'_>, block: Block) -> fmt::Result {
        let data = &self.blocks[block];
        write!(f, "{block}")?;
        if !data.params.is_empty() {
            write!(f, "({})", list(&data.params))?;
        }
        writeln!(f, ":")?;
        for placed in &data.insts {
            let inst = &self.insts[placed.inst];
            if matches!(inst, InstData::Const(_)) {
                continue;
            }
            write!(f, "    ")?;
            if let Some(result) = placed.result {
                write!(f, "{result} = ")?;
            }
            self.fmt_inst(f, inst)?;
            writeln!(f)?;
        }
        write!(f, "    ")?;
        self.fmt_terminator(f, &data.terminator)?;
        writeln!(f)
    }

    /// A constant is shown as its number, anything else by name.
    fn operand(&self, value: Value) -> String {
        self.constant(value).map_or_else(|| value.to_string(), |number| number.to_string())
    }

    fn operands(&self, values: &[Value]) -> String {
        values.iter().map(|&value| self.operand(value)).collect::<Vec<_>>().join(", ")
    }

    fn fmt_inst(&self, f: &mut fmt::Formatter<'_>, inst: &InstData) -> fmt::Result {
        match inst {
            InstData::Const(number) => write!(f, "{number}"),
            InstData::Context => write!(f, "context"),
            InstData::MapAddr(map) => write!(f, "addr {map}"),
            InstData::SlotAddr(slot, offset) => write!(f, "addr {slot}+{offset}"),
            InstData::ConstantAddr(constant, offset) => write!(f, "addr {constant}+{offset}"),
            InstData::CounterAddr(counter, offset) => write!(f, "addr {counter}+{offset}"),
            InstData::VariableAddr(variable) => write!(f, "addr {variable}"),
            InstData::LoadField { field, word } => {
                write!(f, "field {}", field_word(field.kernel, field.words, *word))
            }
            InstData::StoreField { field, word, value } => {
                write!(
                    f,
                    "set_field {}, {}",
                    field_word(field.kernel, field.words, *word),
                    self.operand(*value)
                )
            }
            InstData::LoadMember { field, base } => {
                write!(f, "member {}.{} {base}", field.of.kernel(), field.kernel)
            }
            InstData::Load { size, addr, offset } => write!(f, "load.{} {addr}+{offset}", width(*size)),
            InstData::Store { size, addr, offset, value } => {
                write!(f, "store.{} {addr}+{offset}, {}", width(*size), self.operand(*value))
            }
            InstData::LookUp { map, key, .. } => write!(f, "look_up {map}, {}", self.operands(key)),
            InstData::LookUpSock { map, sock } => write!(f, "look_up {map}, {sock}"),
            InstData::AtomicAdd { addr, offset, value } => {
                write!(f, "atomic_add {addr}+{offset}, {}", self.operand(*value))
            }
            InstData::LoadSlot { size, slot, offset } => write!(f, "load.{} {slot}+{offset}", width(*size)),
            InstData::StoreSlot { size, slot, offset, value } => {
                write!(f, "store.{} {slot}+{offset}, {}", width(*size), self.operand(*value))
            }
            InstData::Forget => write!(f, "forget"),
            InstData::Unary(op, value) => write!(f, "{} {}", lower(op), self.operand(*value)),
            InstData::Binary(op, a, b) => {
                write!(f, "{} {}, {}", lower(op), self.operand(*a), self.operand(*b))
            }
            InstData::Call { helper, args } => write!(f, "call {}({})", helper.name, self.operands(args)),
            InstData::CallKernel { kfunc, args } => {
                write!(f, "call kernel {}({})", kfunc.name, self.operands(args))
            }
            InstData::TableFind { table, key } => write!(f, "find {table}, {}", self.operands(key)),
        }
    }

    fn fmt_terminator(&self, f: &mut fmt::Formatter<'_>, terminator: &Terminator) -> fmt::Result {
        match terminator {
            Terminator::Jump(call) => write!(f, "jump {}", self.call(call)),
            Terminator::Branch(cond, yes, no) => {
                let op = match cond.op {
                    CondOp::Test => "test".to_owned(),
                    op => lower(&op),
                };
                let (a, b) = (self.operand(cond.a), self.operand(cond.b));
                write!(f, "br {op} {a}, {b} {} else {}", self.call(yes), self.call(no))
            }
            Terminator::Switch { value, cases, default } => {
                write!(f, "switch {}", self.operand(*value))?;
                for (number, block) in cases {
                    write!(f, " {number}:{block}")?;
                }
                match default {
                    Some(block) => write!(f, " else {block}"),
                    None => Ok(()),
                }
            }
            Terminator::Exit => write!(f, "exit"),
        }
    }

    fn call(&self, call: &BlockCall) -> String {
        if call.args.is_empty() {
            call.block.to_string()
        } else {
            format!("{}({})", call.block, self.operands(&call.args))
        }
    }
}

fn field_word(name: &str, words: u8, word: u8) -> String {
    if words == 1 { name.to_owned() } else { format!("{name}[{word}]") }
}

fn width(size: Size) -> &'static str {
    match size {
        Size::Byte => "u8",
        Size::Half => "u16",
        Size::Word => "u32",
        Size::Double => "u64",
    }
}

fn lower(op: &impl fmt::Debug) -> String {
    format!("{op:?}").to_lowercase()
}

fn list(values: &[Value]) -> String {
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{value}");
    }
    text
}
