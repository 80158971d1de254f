//! Objects that are assembled by hand: some do what the compiler never would.

use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::bpf::{Insn, JmpOp, Size};
use tcpc_compiler::object::{DataType, Global, Line, ObjectSpec, Relocation, Target, write};
use tcpc_stdlib::event::event;
use tcpc_stdlib::kernel::{REPLY_OFFSET, RETURN_OK};
use tcpc_stdlib::manifest::{FORMAT, JiffiesInfo, Manifest, RuleInfo};

/// Symbol of the constant that depends on HZ.
const TIMEOUT: &str = "timeout";
/// Symbol of the counter.
const HITS: &str = "hits";

/// A policy of these instructions that does nothing of note.
pub fn of_code(name: &str, code: Vec<Insn>) -> ObjectSpec {
    ObjectSpec {
        weak_calls: false,
        name: name.into(),
        code,
        relocations: Vec::new(),
        lines: vec![Line { slot: 0, file: 0, line: 1, column: 1 }],
        maps: Vec::new(),
        rodata: Vec::new(),
        data: Vec::new(),
        bss: Vec::new(),
        sources: vec![(format!("{name}.tcp"), "on first -> 1\non second -> 2\n".into())],
        manifest: Manifest { format: FORMAT, policy: name.into(), ..Manifest::default() },
    }
}

/// A policy that does nothing.
pub fn idle(name: &str) -> ObjectSpec {
    of_code(name, finish())
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
    spec.manifest.jiffies = vec![JiffiesInfo { symbol: TIMEOUT.into(), nanos, place: 1.into() }];
    spec.manifest.rules = vec![RuleInfo {
        name: "timeout_init@1".into(),
        events: vec!["timeout_init".into()],
        place: 1.into(),
        hits: Some(HITS.into()),
    }];
    bytes(&spec)
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
