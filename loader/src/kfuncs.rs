//! Kernel functions that a program calls by name: each call is given the number that the function has in the
//! running kernel, for aya does not know such calls.
//!
//! ```text
//! call -1, relocation bpf_cast_to_kern_ctx   ──▶   call kernel function 63539
//! ```
//!
//! The kernel refuses the types by which other loaders find the functions (functions without a body, and a section of
//! functions), so they become types that it takes, in their places.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use aya_obj::btf::{Btf, BtfError, BtfKind};
use object::elf::R_BPF_64_32;
use object::{Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget};
use tcpc_stdlib::kernel::ELF_SECTION;

use crate::btf;
use crate::error::{LoaderError, NoKernelFunction};

/// Where the kernel shows its types.
const KERNEL_TYPES: &str = "/sys/kernel/btf/vmlinux";
/// Whether the kernel compiles programs: 0 if not. Kernels that always do have no such file.
const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";
/// Bytes of an instruction.
const SLOT_SIZE: usize = 8;
/// `BPF_JMP | BPF_CALL`, the operation of a call.
const CALL: u8 = 0x85;
/// `BPF_ALU64 | BPF_MOV`: a register becomes a number.
const MOV64: u8 = 0xb7;
/// The source register of a call that names a kernel function (`BPF_PSEUDO_KFUNC_CALL`).
const KERNEL_FUNCTION: u8 = 2;

/// The bytes of an instruction.
type Slot = [u8; SLOT_SIZE];

/// A call of a kernel function in an object file.
struct Call {
    /// Where the instruction is in the file.
    at: usize,
    name: String,
}

/// What takes the place of a call that is never reached.
const INSTEAD: [u8; SLOT_SIZE] = [MOV64, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

/// The object with every kernel function found; as it is if it calls none.
///
/// # Errors
/// This kernel lacks one of the functions, or does not let programs call any; the file is damaged.
pub fn resolve(object: &[u8]) -> Result<Cow<'_, [u8]>, LoaderError> {
    patch(object, numbers)
}

/// The object without the calls, for a kernel on which none is reached; as it is if it has none.
///
/// # Errors
/// The file is damaged.
pub fn without_calls(object: &[u8]) -> Result<Cow<'_, [u8]>, LoaderError> {
    patch(object, |calls| Ok(calls.iter().map(|call| (call.at, INSTEAD)).collect()))
}

/// The object with other instructions in the places of some, and type information that kernels take.
fn patch(
    object: &[u8],
    instructions: impl FnOnce(&[Call]) -> Result<Vec<(usize, Slot)>, LoaderError>,
) -> Result<Cow<'_, [u8]>, LoaderError> {
    let file = object::File::parse(object).map_err(bad)?;
    let calls = calls(&file)?;
    if calls.is_empty() {
        return Ok(Cow::Borrowed(object));
    }
    let mut patched = object.to_vec();
    for (at, instruction) in instructions(&calls)? {
        replace_call(&mut patched, at, instruction)?;
    }
    if let Some((start, size)) = file.section_by_name(".BTF").and_then(|section| section.file_range()) {
        let range = usize::try_from(start).unwrap_or(usize::MAX)..usize::try_from(start + size).unwrap_or(0);
        let bytes = patched.get_mut(range).ok_or_else(damaged)?;
        btf::hide_kernel_functions(bytes).ok_or_else(damaged)?;
    }
    Ok(Cow::Owned(patched))
}

/// What stands against calling any kernel function: the setting of the JIT compiler, if there is one to be seen, and
/// whether the kernel shows its types.
fn obstacle(jit: Option<&str>, has_types: bool) -> Option<NoKernelFunction> {
    match jit.map(str::trim) {
        Some("0") => Some(NoKernelFunction::NoJit),
        _ if !has_types => Some(NoKernelFunction::NoTypes),
        _ => None,
    }
}

/// The calls with the numbers that their functions have in the running kernel.
fn numbers(calls: &[Call]) -> Result<Vec<(usize, Slot)>, LoaderError> {
    let lacking = |name: &str, why| LoaderError::KernelFunction { name: name.to_owned(), why };
    let jit = fs::read_to_string(JIT).ok();
    if let (Some(first), Some(why)) =
        (calls.first(), obstacle(jit.as_deref(), Path::new(KERNEL_TYPES).exists()))
    {
        return Err(lacking(&first.name, why));
    }
    let types = Btf::from_sys_fs().map_err(|error| unreadable(&error))?;
    let number = |call: &Call| {
        let found = types.id_by_type_name_kind(&call.name, BtfKind::Func);
        let number = found.map_err(|_| lacking(&call.name, NoKernelFunction::Absent))?;
        let [a, b, c, d] = number.to_le_bytes();
        Ok((call.at, [CALL, KERNEL_FUNCTION << 4, 0, 0, a, b, c, d]))
    };
    calls.iter().map(number).collect()
}

/// The calls in the program's section whose function no section of the object has.
fn calls(file: &object::File<'_>) -> Result<Vec<Call>, LoaderError> {
    let Some(section) = file.section_by_name(ELF_SECTION) else { return Ok(Vec::new()) };
    let Some((start, _)) = section.file_range() else { return Ok(Vec::new()) };
    let mut calls = Vec::new();
    for (offset, relocation) in section.relocations() {
        let RelocationTarget::Symbol(index) = relocation.target() else { continue };
        let symbol = file.symbol_by_index(index).map_err(bad)?;
        let is_call = matches!(relocation.flags(), RelocationFlags::Elf { r_type: R_BPF_64_32 });
        if is_call && symbol.is_undefined() {
            let at = usize::try_from(start.saturating_add(offset)).map_err(|_| damaged())?;
            calls.push(Call { at, name: symbol.name().map_err(bad)?.to_owned() });
        }
    }
    Ok(calls)
}

/// Puts an instruction in the place of a call.
fn replace_call(object: &mut [u8], at: usize, instruction: Slot) -> Result<(), LoaderError> {
    match object.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<SLOT_SIZE>()) {
        Some(slot) if slot[0] == CALL => {
            *slot = instruction;
            Ok(())
        }
        _ => Err(damaged()),
    }
}

fn bad(error: object::Error) -> LoaderError {
    LoaderError::BadObject(error.to_string().to_lowercase())
}

fn damaged() -> LoaderError {
    LoaderError::BadObject("a call of a kernel function in it is damaged".into())
}

fn unreadable(error: &BtfError) -> LoaderError {
    LoaderError::System {
        doing: format!("read the kernel's types in `{KERNEL_TYPES}`"),
        error: std::io::Error::other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use object::write::{Object as Writer, Relocation, Symbol, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};

    use super::*;

    /// An object whose program calls this function.
    fn calling(name: &str) -> Vec<u8> {
        let mut writer = Writer::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        let section = writer.add_section(Vec::new(), ELF_SECTION.into(), SectionKind::Text);
        writer.append_section_data(section, &[CALL, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff], 8);
        let symbol = writer.add_symbol(Symbol {
            name: name.into(),
            value: 0,
            size: 0,
            kind: SymbolKind::Unknown,
            scope: SymbolScope::Unknown,
            weak: false,
            section: SymbolSection::Undefined,
            flags: SymbolFlags::None,
        });
        let flags = RelocationFlags::Elf { r_type: R_BPF_64_32 };
        writer.add_relocation(section, Relocation { offset: 0, symbol, addend: 0, flags }).unwrap();
        writer.write().unwrap()
    }

    #[test]
    fn a_function_that_the_kernel_lacks_is_named() {
        let error = resolve(&calling("bpf_no_such_function")).unwrap_err();
        assert!(error.to_string().contains("`bpf_no_such_function`"), "{error}");
        assert!(error.help().is_some());
    }

    #[test]
    fn a_kernel_that_takes_no_such_calls_says_what_to_do() {
        assert_eq!(obstacle(Some("1\n"), true), None);
        assert_eq!(obstacle(None, true), None);
        assert_eq!(obstacle(None, false), Some(NoKernelFunction::NoTypes));
        assert_eq!(obstacle(Some("0\n"), true), Some(NoKernelFunction::NoJit));
        let told = |why| {
            let error = LoaderError::KernelFunction { name: "bpf_cast_to_kern_ctx".into(), why };
            format!("{error}; {}", error.help().unwrap())
        };
        assert_eq!(
            told(NoKernelFunction::NoJit),
            "the policy calls the kernel function `bpf_cast_to_kern_ctx`, and this kernel takes no such call while its \
             JIT compiler is off; turn it on: `sysctl -w net.core.bpf_jit_enable=1`"
        );
        assert!(told(NoKernelFunction::NoTypes).contains("CONFIG_DEBUG_INFO_BTF"));
        assert!(told(NoKernelFunction::Absent).contains("it came with Linux 6.2"));
    }

    #[test]
    fn an_object_without_such_calls_is_left_alone() {
        let mut writer = Writer::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        let section = writer.add_section(Vec::new(), ELF_SECTION.into(), SectionKind::Text);
        writer.append_section_data(section, &[0x95, 0, 0, 0, 0, 0, 0, 0], 8);
        let object = writer.write().unwrap();
        assert!(matches!(resolve(&object), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn only_a_call_is_replaced() {
        let mut object = [CALL, 0x10, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x95, 0, 0, 0, 0, 0, 0, 0];
        assert!(replace_call(&mut object, 8, INSTEAD).is_err());
        assert!(replace_call(&mut object, 15, INSTEAD).is_err());
        replace_call(&mut object, 0, INSTEAD).unwrap();
        assert_eq!(object[..8], INSTEAD);
    }

    #[test]
    fn calls_that_are_never_reached_need_no_function() {
        let object = calling("bpf_no_such_function");
        let without = without_calls(&object).unwrap();
        assert_eq!(without.len(), object.len());
        assert!(without.windows(SLOT_SIZE).any(|slot| slot == INSTEAD));
    }
}
