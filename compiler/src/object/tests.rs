#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::bpf::insn::*;
use crate::bpf::{AluOp, JmpOp, Op, Size};

/// A program that looks a port up in a map, counts in `.bss` and replies a constant of `.rodata`.
pub(crate) fn sample() -> ObjectSpec {
    let mut code = vec![
        mov64_reg(6, 1),
        ldx(Size::W, 2, 6, 0),
        jmp32_imm(JmpOp::Ne, 2, 1, 17),
        ldx(Size::W, 3, 6, 68),
        stx(Size::W, 10, 3, -4),
    ];
    code.extend(ld_imm64(1, 0, 0));
    code.extend([
        mov64_reg(2, 10),
        alu64_imm(AluOp::Add, 2, -4),
        call(1),
        jmp_imm(JmpOp::Eq, 0, 0, 9),
        mov64_imm(2, 1),
        atomic_add(Size::DW, 0, 2, 0),
    ]);
    code.extend(ld_imm64(1, 0, 0));
    code.push(atomic_add(Size::DW, 1, 2, 16));
    code.extend(ld_imm64(1, 0, 0));
    code.extend([ldx(Size::W, 2, 1, 0), stx(Size::W, 6, 2, 4), mov64_imm(0, 1), exit()]);
    let line = |slot, line, column| Line { slot, file: 0, line, column };
    ObjectSpec {
        weak_calls: false,
        name: "wan".into(),
        code,
        relocations: vec![
            Relocation { slot: 5, target: Target::Map(0) },
            Relocation { slot: 13, target: Target::Bss(1) },
            Relocation { slot: 16, target: Target::Rodata(1) },
        ],
        lines: vec![line(0, 1, 1), line(3, 2, 5), line(13, 3, 2000), line(16, 4, 1)],
        maps: vec![MapSpec {
            name: "ports".into(),
            kind: MapKind::Hash,
            key: DataType::Struct("ports_key".into(), vec![("local_port".into(), DataType::U32)]),
            value: DataType::Struct("ports_value".into(), vec![("count".into(), DataType::U64)]),
            max_entries: 1024,
        }],
        rodata: vec![
            Global { name: "hz".into(), ty: DataType::U32, bytes: vec![250, 0, 0, 0] },
            Global { name: "timeout".into(), ty: DataType::U32, bytes: vec![3, 0, 0, 0] },
            Global {
                name: "table".into(),
                ty: DataType::Array(Box::new(DataType::U64), 4),
                bytes: (0..32).collect(),
            },
        ],
        data: vec![Global { name: "knob".into(), ty: DataType::U64, bytes: vec![7, 0, 0, 0, 0, 0, 0, 0] }],
        bss: vec![
            Global { name: "hits".into(), ty: DataType::U64, bytes: vec![] },
            Global {
                name: "failures".into(),
                ty: DataType::Array(Box::new(DataType::U64), 128),
                bytes: vec![],
            },
        ],
        sources: vec![(
            "wan.tcp".into(),
            "on timeout_init {\n    count ports by local_port\n\treply é\n}\n".into(),
        )],
        manifest: Manifest { format: 1, policy: "wan".into(), ..Manifest::default() },
    }
}

/// A program that calls kernel functions, one of them twice.
pub(crate) fn calling() -> ObjectSpec {
    let stamp = [call_extern(), mov64_reg(1, 0), mov64_imm(2, 0), call_extern()];
    let mut code = vec![mov64_reg(6, 1), ldx(Size::W, 2, 1, 0), jmp32_imm(JmpOp::Ne, 2, 20, 6)];
    code.extend(stamp);
    code.extend([mov64_reg(1, 6), call_extern(), mov64_imm(0, 1), exit()]);
    let [cast, stamp] = ["bpf_cast_to_kern_ctx", "bpf_sock_ops_enable_tx_tstamp"]
        .map(|name| Target::Kfunc(tcpc_stdlib::kfunc::kfunc(name).unwrap()));
    let relocations = vec![(3, cast.clone()), (6, stamp), (8, cast)];
    let relocations = relocations.into_iter().map(|(slot, target)| Relocation { slot, target });
    ObjectSpec { code, relocations: relocations.collect(), ..smallest() }
}

/// A program without data or maps.
fn smallest() -> ObjectSpec {
    let spec = sample();
    ObjectSpec {
        code: vec![mov64_imm(0, 1), exit()],
        relocations: vec![],
        lines: vec![],
        maps: vec![],
        rodata: vec![],
        data: Vec::new(),
        bss: vec![],
        ..spec
    }
}

#[test]
fn what_is_written_is_read_back() {
    let spec = sample();
    let object = read(&write(&spec).unwrap()).unwrap();

    assert_eq!(object.name, "wan");
    assert_eq!(object.code, spec.code);
    assert_eq!(object.manifest.as_ref(), Some(&spec.manifest));
    let targets: Vec<_> = object.relocations.iter().map(|r| (r.slot, r.target.clone())).collect();
    let (rodata, bss) = (0, 1);
    assert_eq!(
        targets,
        [
            (5, ResolvedTarget::Map(0)),
            (13, ResolvedTarget::Data(bss, 8)),
            (16, ResolvedTarget::Data(rodata, 4)),
        ]
    );
    let map = ObjectMap {
        name: "ports".into(),
        kind: 1,
        key_size: 4,
        value_size: 8,
        max_entries: 1024,
        locked: false,
    };
    assert_eq!(object.maps, [map]);

    let rodata = &object.data[rodata];
    assert_eq!((rodata.name.as_str(), rodata.writable), (".rodata", false));
    assert_eq!(&rodata.bytes[..8], [250, 0, 0, 0, 3, 0, 0, 0]);
    assert_eq!(rodata.symbols, [("hz".into(), 0, 4), ("timeout".into(), 4, 4), ("table".into(), 8, 32)]);
    let bss = &object.data[bss];
    assert_eq!((bss.name.as_str(), bss.writable), (".bss", true));
    assert_eq!(bss.bytes, vec![0; 8 + 1024]);
}

#[test]
fn lines_carry_their_text_and_clamped_columns() {
    let object = read(&write(&sample()).unwrap()).unwrap();
    let lines: Vec<_> =
        object.lines.iter().map(|line| (line.slot, line.line, line.column, line.text.as_str())).collect();
    assert_eq!(
        lines,
        [
            (0, 1, 1, "on timeout_init {"),
            (3, 2, 5, "    count ports by local_port"),
            (13, 3, 1023, " reply é"),
            (16, 4, 1, "}"),
        ]
    );
    assert!(object.lines.iter().all(|line| line.file == "wan.tcp"));
}

#[test]
fn line_records_ascend_and_miss_second_halves() {
    let mut spec = sample();
    let at = |slot, line| Line { slot, file: 0, line, column: 1 };
    spec.lines = vec![at(1, 1), at(1, 2), at(3, 1), at(3, 2), at(6, 3), at(9_999, 4)];
    let object = read(&write(&spec).unwrap()).unwrap();
    let slots: Vec<_> = object.lines.iter().map(|line| (line.slot, line.line)).collect();
    assert_eq!(slots, [(0, 1), (1, 2), (3, 2), (7, 3)]);
    assert!(slots.iter().all(|&(slot, _)| object.code[slot].op() != Op::Upper));
}

#[test]
fn equal_specs_give_equal_bytes() {
    assert_eq!(write(&sample()).unwrap(), write(&sample()).unwrap());
}

#[test]
fn sections_without_content_are_left_out() {
    let bytes = write(&smallest()).unwrap();
    let object = read(&bytes).unwrap();
    assert_eq!((object.data.len(), object.maps.len(), object.lines.len()), (0, 0, 0));
    for name in [".maps", ".rodata", ".bss"] {
        assert!(!bytes.windows(name.len()).any(|window| window == name.as_bytes()), "{name}");
    }
}

#[test]
fn bss_takes_no_room_in_the_file() {
    let mut spec = sample();
    spec.bss[1].ty = DataType::Array(Box::new(DataType::U64), 1 << 20);
    assert!(write(&spec).unwrap().len() < 8192);
    assert_eq!(read(&write(&spec).unwrap()).unwrap().data[1].bytes.len(), 8 + (8 << 20));
}

#[test]
fn aya_reads_what_is_written() {
    for spec in [sample(), smallest(), calling()] {
        let bytes = write(&spec).unwrap();
        let object = aya_obj::Object::parse(&bytes).expect("aya refuses the object");
        assert_eq!(object.license.to_str(), Ok("GPL"));
        assert_eq!(object.programs.keys().collect::<Vec<_>>(), ["wan"]);
        let program = &object.programs["wan"];
        assert!(matches!(program.section, aya_obj::ProgramSection::SockOps));
        let function = &object.functions[&program.function_key()];
        assert_eq!(function.instructions.len(), spec.code.len());
        assert_eq!(function.line_info_rec_size > 0, !spec.lines.is_empty());
        for map in &spec.maps {
            let read = &object.maps[&map.name];
            assert_eq!((read.map_type(), read.key_size(), read.value_size()), (1, 4, 8));
            assert_eq!(read.max_entries(), map.max_entries);
        }
        assert_eq!(object.maps.contains_key(".bss"), !spec.bss.is_empty());
    }
}

#[test]
fn calls_of_kernel_functions_are_symbols_without_a_section() {
    use ::object::{Object as _, ObjectSymbol as _};
    let spec = calling();
    let bytes = write(&spec).unwrap();
    let object = read(&bytes).unwrap();
    assert_eq!(object.code, spec.code);
    let called: Vec<_> = object.relocations.iter().map(|one| (one.slot, one.target.clone())).collect();
    let [cast, stamp] = ["bpf_cast_to_kern_ctx", "bpf_sock_ops_enable_tx_tstamp"]
        .map(|name| ResolvedTarget::Kfunc(tcpc_stdlib::kfunc::kfunc(name).unwrap()));
    assert_eq!(called, [(3, cast.clone()), (6, stamp), (8, cast)]);

    let elf = ::object::File::parse(&*bytes).unwrap();
    let undefined: Vec<&str> = elf
        .symbols()
        .filter(|symbol| symbol.is_undefined() && symbol.is_global())
        .map(|symbol| symbol.name().unwrap())
        .collect();
    assert_eq!(undefined, ["bpf_cast_to_kern_ctx", "bpf_sock_ops_enable_tx_tstamp"]);
    assert!(bytes.windows(8).any(|window| window == b"\0.ksyms\0"));
    assert_eq!(crate::check::check(&object), Ok(()));
    assert!(crate::disasm::disassemble(&object).contains("6: call bpf_sock_ops_enable_tx_tstamp"));
}

#[test]
fn unknown_kernel_functions_are_refused_by_name() {
    let bytes = write(&calling()).unwrap();
    let renamed = replace(&bytes, b"\0bpf_cast_to_kern_ctx\0", b"\0bpf_cast_to_kern_btx\0");
    assert_eq!(
        read(&renamed).unwrap_err().to_string(),
        "the relocation at slot 3 calls `bpf_cast_to_kern_btx`, which is no kernel function that is known here"
    );
    let mut misplaced = calling();
    misplaced.relocations[0].slot = 4;
    assert_eq!(write(&misplaced), Err(WriteError::Relocation { slot: 4 }));
}

#[test]
fn specs_that_contradict_themselves_are_refused() {
    let mut dangling = sample();
    dangling.relocations[0].target = Target::Map(7);
    assert_eq!(write(&dangling), Err(WriteError::Relocation { slot: 5 }));

    let mut misplaced = sample();
    misplaced.relocations[0].slot = 0;
    assert_eq!(write(&misplaced), Err(WriteError::Relocation { slot: 0 }));

    let mut long = sample();
    long.rodata[0].bytes = vec![0; 5];
    assert_eq!(write(&long), Err(WriteError::Global("hz".into())));
}

#[test]
fn other_files_are_named_for_what_they_are() {
    assert_eq!(read(b"").unwrap_err(), ObjectError::NotElf);
    assert_eq!(read(b"on timeout_init -> 10ms").unwrap_err(), ObjectError::NotElf);
    let mut x86 = write(&sample()).unwrap();
    x86[18] = 62;
    x86[19] = 0;
    assert_eq!(read(&x86).unwrap_err(), ObjectError::NotBpf);
    let mut big_endian = write(&sample()).unwrap();
    big_endian[5] = 2;
    assert_eq!(read(&big_endian).unwrap_err(), ObjectError::NotBpf);
    let whole = write(&sample()).unwrap();
    assert!(matches!(read(&whole[..whole.len() / 2]).unwrap_err(), ObjectError::Malformed(_)));
}

#[test]
fn sections_of_other_kinds_hold_no_program() {
    let bytes = write(&smallest()).unwrap();
    let renamed = replace(&bytes, b"\0sockops\0", b"\0xdp_tail\0");
    assert_eq!(read(&renamed).unwrap_err(), ObjectError::NoProgram);
}

#[test]
fn a_newer_manifest_is_refused_by_its_format() {
    let mut spec = smallest();
    spec.manifest.format = 2;
    let error = read(&write(&spec).unwrap()).unwrap_err();
    assert!(error.to_string().contains("format 2"), "{error}");
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        let mut elf = b"\x7fELF\x02\x01\x01\0".to_vec();
        elf.extend(&bytes);
        let _ = read(&elf);
        prop_assert_eq!(read(&bytes).err().filter(|_| !bytes.starts_with(b"\x7fELF")).is_some(), true);
    }

    #[test]
    fn damaged_objects_are_read_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        calls in any::<bool>(),
    ) {
        let spec = if calls { calling() } else { sample() };
        let mut bytes = write(&spec).unwrap();
        for (index, value) in changes {
            *index.get_mut(&mut bytes) = value;
        }
        let _ = read(&bytes);
        let cut = cut.index(bytes.len());
        prop_assert!(read(&bytes[..cut]).is_err());
    }
}

/// Sections and symbols as `readelf` would list them: what libbpf and aya go by.
#[test]
fn the_container_has_the_sections_that_loaders_expect() {
    use ::object::{Object as _, ObjectSection as _, ObjectSymbol as _};
    let bytes = write(&sample()).unwrap();
    let elf = ::object::File::parse(&*bytes).unwrap();
    let mut text = String::new();
    for section in elf.sections() {
        let name = section.name().unwrap();
        text += &format!("{name} {:?}, align {}\n", section.kind(), section.align());
    }
    for symbol in elf.symbols() {
        let section = symbol.section_index().and_then(|index| elf.section_by_index(index).ok());
        let section = section.as_ref().map_or("none", |section| section.name().unwrap());
        text += &format!(
            "{} {:?} at {}+{} of {} bytes, global {}\n",
            symbol.name().unwrap(),
            symbol.kind(),
            section,
            symbol.address(),
            symbol.size(),
            symbol.is_global()
        );
    }
    insta::assert_snapshot!(text);
}

/// clang names constants by their section's symbol, with the offset in the instruction.
#[test]
fn relocations_against_a_section_are_followed() {
    use ::object::write::{Object, Relocation, Symbol, SymbolFlags, SymbolSection};
    use ::object::{Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind};
    use ::object::{SymbolKind, SymbolScope};

    let relocated = |imm: u64| {
        let mut code = Vec::from(ld_imm64(1, 0, imm));
        code.extend([mov64_imm(0, 1), exit()]);
        let mut elf = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        let text = elf.add_section(vec![], b"sockops/x".to_vec(), SectionKind::Text);
        elf.append_section_data(text, &encode(&code), 8);
        let rodata = elf.add_section(vec![], b".rodata.cst16".to_vec(), SectionKind::ReadOnlyData);
        elf.append_section_data(rodata, &[7; 16], 8);
        elf.add_symbol(Symbol {
            name: b"prog".to_vec(),
            value: 0,
            size: 32,
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(text),
            flags: SymbolFlags::None,
        });
        let symbol = elf.section_symbol(rodata);
        let flags = RelocationFlags::Elf { r_type: ::object::elf::R_BPF_64_64 };
        elf.add_relocation(text, Relocation { offset: 0, symbol, addend: 0, flags }).unwrap();
        read(&elf.write().unwrap())
    };
    let target = ResolvedTarget::Data(0, 8);
    assert_eq!(relocated(8).unwrap().relocations, [ResolvedRelocation { slot: 0, target }]);
    let error = relocated(17).unwrap_err();
    assert_eq!(error.to_string(), "the relocation at slot 0 leaves its section");
}
