//! The program of an object as text, with what its numbers mean.
//!
//! ```text
//! wan: 23 slots
//! ; wan.tcp:1: on timeout_init {
//!     1: r2 = *(u32 *)(r6 +0)              ; op
//!     2: if w2 != 0x1 goto 20              ; timeout_init
//! ```
//!
//! Works on any object, also on one that no kernel would take: what is not known is left out.

mod facts;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;

use tcpc_stdlib::event::event_by_number;
use tcpc_stdlib::field::{field_at, member_at};
use tcpc_stdlib::helper::helper_by_id;
use tcpc_stdlib::kernel::REPLY_OFFSET;
use tcpc_stdlib::option::{OPTIONS, option_by_number};

use self::facts::{Fact, Facts};
use crate::bpf::print::Print;
use crate::bpf::{Insn, Op, Operand};
use crate::object::{ObjectFile, ObjectLine, ResolvedTarget};

/// Where comments begin, if the instruction is not longer.
const COMMENT_COLUMN: usize = 44;

/// The program as text, one instruction a line, with the lines of the policy between.
pub fn disassemble(object: &ObjectFile) -> String {
    let symbols: BTreeMap<usize, String> = object
        .relocations
        .iter()
        .map(|relocation| (relocation.slot, symbol(object, &relocation.target)))
        .collect();
    let mut lines = object.lines.iter().peekable();
    let mut last: Option<&ObjectLine> = None;
    let mut text = format!("{}: {} slots\n", object.name, object.code.len());

    facts::walk(&object.code, |slot, facts| {
        let mut line = None;
        while let Some(next) = lines.next_if(|line| line.slot <= slot) {
            line = Some(next);
        }
        if let Some(line) = line.filter(|line| last.is_none_or(|last| !same_place(last, line))) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "; {}:{}: {}", line.file, line.line, line.text.trim());
            last = Some(line);
        }
        let _ = writeln!(text, "{}", row(object, &symbols, slot, facts));
    });
    text
}

/// One instruction with its comment.
fn row(object: &ObjectFile, symbols: &BTreeMap<usize, String>, slot: usize, facts: &Facts) -> String {
    let insn = object.code.get(slot).copied().unwrap_or_default();
    let target =
        facts::target(slot, insn).filter(|target| *target < object.code.len()).map(|to| to.to_string());
    let print = Print {
        insn,
        next: object.code.get(slot + 1).copied(),
        symbol: symbols.get(&slot).map(String::as_str),
        target: target.as_deref(),
    };
    let row = format!("{slot:5}: {print}");
    match comment(insn, facts) {
        Some(comment) => format!("{row:COMMENT_COLUMN$}; {comment}"),
        None => row,
    }
}

/// What the numbers of an instruction mean.
fn comment(insn: Insn, facts: &Facts) -> Option<String> {
    match insn.op() {
        Op::Load(_) => match facts.get(insn.src) {
            Fact::Context => member(insn.off, false),
            Fact::Struct(of) => {
                let (field, _) = member_at(of, u16::try_from(insn.off).ok()?)?;
                Some(format!("{}.{}", of.kernel(), field.kernel))
            }
            _ => None,
        },
        Op::Store(..) if facts.get(insn.dst) == Fact::Context => member(insn.off, true),
        Op::Jump { src: Operand::Imm(number), .. } if facts.get(insn.dst) == Fact::Event => {
            Some(event_by_number(u32::try_from(number).ok()?)?.name.to_owned())
        }
        Op::Call(helper) => {
            let helper = helper_by_id(u32::try_from(helper).ok()?)?;
            matches!(helper.name, "bpf_setsockopt" | "bpf_getsockopt").then(|| option(facts)).flatten()
        }
        _ => None,
    }
}

/// The member of the context at an offset, as C names it.
fn member(off: i16, written: bool) -> Option<String> {
    let offset = u16::try_from(off).ok()?;
    let (field, word) = field_at(offset)?;
    Some(match field.words {
        _ if written && offset == REPLY_OFFSET => "reply".to_owned(),
        1 => field.kernel.to_owned(),
        _ => format!("{}[{word}]", field.kernel),
    })
}

/// The option that a call sets or reads: level in r2, number in r3.
fn option(facts: &Facts) -> Option<String> {
    let Fact::Number(level) = facts.get(2) else { return None };
    let level = u32::try_from(level).ok()?;
    let name = match facts.get(3) {
        Fact::Number(number) => u32::try_from(number).ok().and_then(|number| option_by_number(level, number)),
        _ => None,
    };
    match name {
        Some(option) => Some(format!("{} {}", option.level_name, option.kernel)),
        None => {
            OPTIONS.iter().find(|option| option.level == level).map(|option| option.level_name.to_owned())
        }
    }
}

/// What a relocation names, as the right side of the load or of the call.
fn symbol(object: &ObjectFile, target: &ResolvedTarget) -> String {
    match *target {
        ResolvedTarget::Map(map) => {
            let name = object.maps.get(map).map_or("?", |map| map.name.as_str());
            format!("map[{name}]")
        }
        ResolvedTarget::Kfunc(kfunc) => kfunc.name.to_owned(),
        ResolvedTarget::Data(section, at) => {
            let Some(section) = object.data.get(section) else { return format!("?[{at}]") };
            let holds = |(_, start, size): &&(String, u32, u32)| at >= *start && at - start < *size;
            match section.symbols.iter().find(holds) {
                Some((name, start, _)) if *start == at => format!("{}[{name}]", section.name),
                Some((name, start, _)) => format!("{}[{name}+{}]", section.name, at - start),
                None => format!("{}[{at}]", section.name),
            }
        }
    }
}

fn same_place(a: &ObjectLine, b: &ObjectLine) -> bool {
    (a.line, &a.file) == (b.line, &b.file)
}
