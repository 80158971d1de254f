//! Objects with single effects, assembled by hand: they try the loader and the lab without a compiler.

use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::bpf::{AluOp, Insn, JmpOp, Size};
use tcpc_compiler::object::{DataType, Global, Line, ObjectSpec, Relocation, Target, write};
use tcpc_stdlib::event::event;
use tcpc_stdlib::helper::helper;
use tcpc_stdlib::kernel::{CONGESTION_NAME_MAX, REPLY_OFFSET, RETURN_OK};
use tcpc_stdlib::manifest::{FORMAT, JiffiesInfo, Manifest, RuleInfo};
use tcpc_stdlib::option::option;

/// Symbol of the constant that depends on HZ.
const TIMEOUT: &str = "timeout";
/// Symbol of the counter.
const HITS: &str = "hits";

/// A policy of these instructions that does nothing of note.
pub fn of_code(name: &str, code: Vec<Insn>) -> ObjectSpec {
    ObjectSpec {
        name: name.into(),
        code,
        relocations: Vec::new(),
        lines: vec![Line { slot: 0, line: 1, column: 1 }],
        maps: Vec::new(),
        rodata: Vec::new(),
        bss: Vec::new(),
        source_name: format!("{name}.tcp"),
        source_text: "on first -> 1\non second -> 2\n".into(),
        manifest: Manifest { format: FORMAT, policy: name.into(), ..Manifest::default() },
    }
}

/// A policy that does nothing.
pub fn idle(name: &str) -> ObjectSpec {
    of_code(name, finish())
}

/// Answers an event with a number.
pub fn reply(name: &str, to: &str, value: i32) -> Vec<u8> {
    let mut code = vec![ldx(Size::W, 2, 1, 0), jmp32_imm(JmpOp::Ne, 2, number(to), 2)];
    code.extend([mov64_imm(3, value), stx(Size::W, 1, 3, REPLY_OFFSET as i16)]);
    code.extend(finish());
    bytes(&of_code(name, code))
}

/// Answers `timeout_init` with a duration that is resolved by the loader, and counts the answers.
pub fn timeout(name: &str, nanos: u64) -> Vec<u8> {
    let mut code = vec![ldx(Size::W, 2, 1, 0), jmp32_imm(JmpOp::Ne, 2, number("timeout_init"), 8)];
    code.extend(ld_imm64(4, 0, 0));
    code.extend([ldx(Size::W, 3, 4, 0), stx(Size::W, 1, 3, REPLY_OFFSET as i16)]);
    code.extend(ld_imm64(4, 0, 0));
    code.extend([mov64_imm(5, 1), atomic_add(Size::DW, 4, 5, 0)]);
    code.extend(finish());
    let mut spec = of_code(name, code);
    spec.relocations = vec![
        Relocation { slot: 2, target: Target::Rodata(0) },
        Relocation { slot: 6, target: Target::Bss(0) },
    ];
    spec.rodata = vec![Global { name: TIMEOUT.into(), ty: DataType::U32, bytes: vec![1, 0, 0, 0] }];
    spec.bss = vec![Global { name: HITS.into(), ty: DataType::U64, bytes: Vec::new() }];
    spec.manifest.jiffies = vec![JiffiesInfo { symbol: TIMEOUT.into(), nanos, line: 1 }];
    spec.manifest.rules = vec![RuleInfo {
        name: "timeout_init@1".into(),
        events: vec!["timeout_init".into()],
        line: 1,
        hits: Some(HITS.into()),
    }];
    bytes(&spec)
}

/// Sets a socket option to a number in some events.
pub fn set_number(name: &str, events: &[&str], what: &str, value: i32) -> Vec<u8> {
    set(name, events, what, &[value])
}

/// Sets a socket option to a name in some events.
pub fn set_name(name: &str, events: &[&str], what: &str, value: &str) -> Vec<u8> {
    let mut text = value.as_bytes().to_vec();
    text.resize(CONGESTION_NAME_MAX, 0);
    let words: Vec<i32> = text.as_chunks().0.iter().map(|word| i32::from_le_bytes(*word)).collect();
    set(name, events, what, &words)
}

fn set(name: &str, events: &[&str], what: &str, words: &[i32]) -> Vec<u8> {
    let what = option(what).unwrap();
    let mut code = vec![ldx(Size::W, 2, 1, 0)];
    for (index, event) in events.iter().enumerate() {
        // Over the remaining comparisons and the two instructions that finish.
        let over = events.len() - index - 1 + 2;
        code.push(jmp32_imm(JmpOp::Eq, 2, number(event), over as i16));
    }
    code.extend(finish());
    let size = 4 * words.len() as i16;
    for (word, at) in words.iter().zip((-size..0).step_by(4)) {
        code.push(st_imm(Size::W, 10, at, *word));
    }
    code.extend([
        mov64_imm(2, what.level as i32),
        mov64_imm(3, what.number as i32),
        mov64_reg(4, 10),
        alu64_imm(AluOp::Add, 4, i32::from(-size)),
        mov64_imm(5, i32::from(size)),
        call(helper("bpf_setsockopt").unwrap().id),
    ]);
    code.extend(finish());
    bytes(&of_code(name, code))
}

fn finish() -> Vec<Insn> {
    vec![mov64_imm(0, RETURN_OK), exit()]
}

fn number(name: &str) -> i32 {
    event(name).unwrap().number as i32
}

/// The object file.
pub fn bytes(spec: &ObjectSpec) -> Vec<u8> {
    write(spec).unwrap()
}
