//! What an object file says of itself: its manifest, and where its globals are.

use object::{Object, ObjectSection, ObjectSymbol};
use serde::{Deserialize, Serialize};
use tcpc_stdlib::manifest::{FORMAT, Manifest, SECTION};

use crate::error::LoaderError;

/// The parts of an object file that the loader reads itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The object's description of itself.
    pub manifest: Manifest,
    /// Its globals, in the order of the file.
    pub symbols: Vec<Symbol>,
}

/// A global of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// The section that holds it: `.rodata`, `.bss`, `.data`.
    pub section: String,
    /// Where it begins there, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub size: u64,
}

impl Image {
    /// Reads an object file.
    ///
    /// # Errors
    /// The bytes are no ELF file, have no manifest or one of a later format, or the manifest names constants
    /// that the file does not have.
    pub fn parse(bytes: &[u8]) -> Result<Image, LoaderError> {
        let bad = |error: object::Error| LoaderError::BadObject(error.to_string().to_lowercase());
        let file = object::File::parse(bytes).map_err(bad)?;
        let section = file.section_by_name(SECTION).ok_or(LoaderError::NoManifest)?;
        let manifest = read_manifest(section.data().map_err(bad)?)?;
        let image = Image { manifest, symbols: read_symbols(&file) };
        image.check_constants()?;
        Ok(image)
    }

    /// Bytes of the policy's constants.
    pub fn constants(&self) -> u64 {
        let constants = self.symbols.iter().filter(|symbol| symbol.section == ".rodata");
        constants.map(|symbol| symbol.offset.saturating_add(symbol.size)).max().unwrap_or(0)
    }

    /// Every constant that a loader sets is a 32-bit number that the file has.
    fn check_constants(&self) -> Result<(), LoaderError> {
        let manifest = &self.manifest;
        let ticks = manifest.jiffies.iter().map(|one| &one.symbol).chain(&manifest.hz_symbol);
        let names = ticks.chain(manifest.features.iter().map(|one| &one.symbol));
        for name in names {
            if !self.symbols.iter().any(|symbol| symbol.name == *name && symbol.size == 4) {
                return Err(LoaderError::BadObject(format!("it has no 32-bit constant `{name}`")));
            }
        }
        Ok(())
    }
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, LoaderError> {
    /// The one member that every format has.
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let bad = |error: serde_json::Error| {
        LoaderError::BadObject(format!("its description of itself is damaged: {error}"))
    };
    let head: Head = serde_json::from_slice(&bytes[..end]).map_err(bad)?;
    if head.format > FORMAT {
        return Err(LoaderError::NewerManifest(head.format));
    }
    serde_json::from_slice(&bytes[..end]).map_err(bad)
}

fn read_symbols(file: &object::File<'_>) -> Vec<Symbol> {
    file.symbols()
        .filter_map(|symbol| {
            let section = file.section_by_index(symbol.section_index()?).ok()?;
            let name = symbol.name().ok().filter(|name| !name.is_empty())?;
            let section = section.name().ok()?;
            matches!(section, ".rodata" | ".bss" | ".data").then(|| Symbol {
                name: name.into(),
                section: section.into(),
                offset: symbol.address(),
                size: symbol.size(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use object::write::{Object as Writer, Symbol as WriterSymbol, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, SectionKind, SymbolFlags, SymbolKind, SymbolScope};
    use tcpc_stdlib::manifest::JiffiesInfo;

    use super::*;

    /// An object with one constant `syn_rto` and this manifest text.
    fn object(manifest: Option<&str>) -> Vec<u8> {
        let mut writer = Writer::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        let rodata = writer.add_section(Vec::new(), b".rodata".to_vec(), SectionKind::ReadOnlyData);
        writer.append_section_data(rodata, &[0; 8], 4);
        writer.add_symbol(WriterSymbol {
            name: b"syn_rto".to_vec(),
            value: 4,
            size: 4,
            kind: SymbolKind::Data,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(rodata),
            flags: SymbolFlags::None,
        });
        if let Some(text) = manifest {
            let section = writer.add_section(Vec::new(), SECTION.into(), SectionKind::Other);
            writer.append_section_data(section, text.as_bytes(), 1);
        }
        writer.write().unwrap()
    }

    fn manifest(symbol: &str) -> String {
        let jiffies = vec![JiffiesInfo { symbol: symbol.into(), nanos: 10_000_000, place: 1.into() }];
        serde_json::to_string(&Manifest { format: FORMAT, jiffies, ..Manifest::default() }).unwrap()
    }

    #[test]
    fn reads_the_manifest_and_where_globals_are() {
        let text = manifest("syn_rto") + "\n\0\0";
        let image = Image::parse(&object(Some(&text))).unwrap();
        assert_eq!(image.manifest.jiffies[0].nanos, 10_000_000);
        let symbol = Symbol { name: "syn_rto".into(), section: ".rodata".into(), offset: 4, size: 4 };
        assert_eq!(image.symbols, [symbol]);
    }

    #[test]
    fn bytes_that_are_no_object_are_refused() {
        for bytes in [&b""[..], b"on rwnd_init -> 10", b"\x7fELF", &object(Some("{}"))[..100]] {
            assert!(matches!(Image::parse(bytes), Err(LoaderError::BadObject(_))));
        }
    }

    #[test]
    fn an_object_of_another_compiler_is_named_as_such() {
        assert!(matches!(Image::parse(&object(None)), Err(LoaderError::NoManifest)));
    }

    #[test]
    fn a_damaged_or_a_later_description_is_refused() {
        assert!(matches!(Image::parse(&object(Some("{\"form"))), Err(LoaderError::BadObject(_))));
        let later = format!("{{\"format\": {}, \"new\": []}}", FORMAT + 1);
        assert!(matches!(Image::parse(&object(Some(&later))), Err(LoaderError::NewerManifest(_))));
    }

    #[test]
    fn a_constant_that_the_file_lacks_is_refused() {
        let error = Image::parse(&object(Some(&manifest("rto")))).unwrap_err();
        assert_eq!(error.to_string(), "the object cannot be loaded: it has no 32-bit constant `rto`");
    }
}
