//! What can be wrong with an object file.

use std::fmt;

/// Why a file is not an object with a sock_ops program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// Not an ELF file at all.
    NotElf,
    /// An ELF file of another machine, or of BPF's other byte order.
    NotBpf,
    /// The container is cut off or its parts contradict each other; the text says where.
    Malformed(String),
    /// No section with a sock_ops program.
    NoProgram,
    /// Several programs: their names.
    SeveralPrograms(Vec<String>),
    /// A section is larger than a kernel would take: its name.
    TooLarge(String),
    /// A relocation that cannot be followed.
    Relocation {
        /// The slot that it is for, counted in the program's section.
        slot: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The type information is broken or lacks something; the text says what.
    Btf(String),
    /// What the object says of itself cannot be read; the text says why.
    Manifest(String),
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectError::NotElf => f.write_str("not an ELF object file"),
            ObjectError::NotBpf => f.write_str("an ELF file, but not for little-endian BPF"),
            ObjectError::Malformed(what) => write!(f, "the object file is damaged: {what}"),
            ObjectError::NoProgram => f.write_str("no program in a section `sockops`"),
            ObjectError::SeveralPrograms(names) => {
                write!(f, "{} programs where one is expected: `{}`", names.len(), names.join("`, `"))
            }
            ObjectError::TooLarge(section) => write!(f, "section `{section}` is too large"),
            ObjectError::Relocation { slot, why } => write!(f, "the relocation at slot {slot} {why}"),
            ObjectError::Btf(what) => write!(f, "the type information is damaged: {what}"),
            ObjectError::Manifest(why) => {
                write!(f, "section `.tcpc` is not a description that this version reads: {why}")
            }
        }
    }
}

impl std::error::Error for ObjectError {}
