//! The policy that is attached, and its two models: one runs the compiled bytes, one the typed tree directly.

use tcpc_compiler::object::ObjectFile;
use tcpc_lang::hir::{Given, Program};
use tcpc_lang::source::SourceFile;
use tcpc_loader::LoaderError;
use tcpc_loader::observe::{Ring, Rows, Section};
use tcpc_runtime::kept::Kept;
use tcpc_runtime::meaning::Meaning;
use tcpc_runtime::mock::World;
use tcpc_runtime::scenario::{Bytes, Engine};
use tcpc_runtime::vm::Image;
use tcpc_stdlib::manifest::COUNTER_SECTION;

use crate::host::Host;
use crate::numbers::{Numbers, counted, differing, rows, since};
use crate::recorder::Seen;
use crate::replay::{Difference, Origin, Replay};

/// A policy that can be run in the model of the kernel.
#[derive(Clone, Copy)]
pub struct Modelled<'a> {
    /// Its typed tree.
    pub program: &'a Program,
    /// Its text.
    pub source: &'a SourceFile,
    /// Its object.
    pub object: &'a ObjectFile,
    /// The object, ready to be run.
    pub image: &'a Image,
}

/// The two models, and a third one that nothing happens in: the kernel's data are read with it.
pub struct Twin<'a> {
    bytes: Replay<'a, Bytes<'a>>,
    meaning: Replay<'a, Meaning<'a>>,
    reader: Bytes<'a>,
    scratch: World,
    program: &'a Program,
    counted: Numbers,
}

impl<'a> Twin<'a> {
    /// Models of this host.
    pub fn new(policy: &Modelled<'a>, host: &'a Host) -> Twin<'a> {
        let Modelled { program, source, object, image } = *policy;
        let bytes = || Bytes::new(object, image, program, source);
        let mut reader = bytes();
        let scratch = reader.begin();
        Twin {
            bytes: Replay::new(program, bytes(), "bytes", host),
            meaning: Replay::new(program, Meaning::new(program, source), "meaning", host),
            counted: counted(&reader.kept(&scratch), program),
            reader,
            scratch,
            program,
        }
    }

    /// As [`Replay::give`].
    ///
    /// # Errors
    /// As there.
    pub fn give(&mut self, given: &Given, cookie: u64) -> Result<(), String> {
        self.bytes.give(given, cookie)?;
        self.meaning.give(given, cookie)
    }

    /// As [`Replay::event`].
    ///
    /// # Errors
    /// As there.
    pub fn event(&mut self, seen: &Seen, origin: &Origin) -> Result<Vec<Difference>, String> {
        let added = seen.after.counters.as_ref().map(|counters| {
            self.show(COUNTER_SECTION, counters);
            let counted = counted(&self.reader.kept(&self.scratch), self.program);
            let added = since(&self.counted, &counted);
            self.counted = counted;
            added
        });
        let mut found = self.bytes.event(seen, origin, added.as_ref())?;
        found.extend(self.meaning.event(seen, origin, added.as_ref())?);
        Ok(found)
    }

    /// What an attached policy keeps otherwise than its models: its counters, its tables and its records.
    pub fn compare_kept(&self, kernel: &Kept) -> Vec<Difference> {
        let mut found = Vec::new();
        for (by, model) in [("bytes", self.bytes.kept()), ("meaning", self.meaning.kept())] {
            let mut differ = |what: String, kernel: String, model: String| {
                if kernel != model {
                    found.push(Difference {
                        event: "end".to_owned(),
                        what,
                        kernel,
                        model,
                        by: by.to_owned(),
                    });
                }
            };
            let all = |kept: &Kept| {
                let mut all = counted(kept, self.program);
                all.extend(rows(kept, self.program));
                all
            };
            for (what, kernel, model) in differing(&all(kernel), &all(&model)) {
                differ(what, kernel.to_string(), model.to_string());
            }
            differ("parameters".to_owned(), format!("{:?}", kernel.params), format!("{:?}", model.params));
            differ("sets".to_owned(), format!("{:?}", kernel.sets), format!("{:?}", model.sets));
            let records = |kept: &Kept| {
                let plain: Vec<_> = kept.records.iter().map(|one| (one.kind, one.values.clone())).collect();
                format!("{plain:?}")
            };
            differ("records".to_owned(), records(kernel), records(&model));
        }
        found
    }

    /// All that the attached policy keeps, whose pins are in this directory, but for what it keeps of connections.
    /// `ring` are those of its records that were read already.
    ///
    /// # Errors
    /// The pins cannot be read.
    pub fn read(&mut self, pins: &std::path::Path, ring: &mut Vec<Vec<u8>>) -> Result<Kept, LoaderError> {
        self.scratch = self.reader.begin();
        let names: Vec<String> = self.scratch.memory.data.iter().map(|data| data.name.clone()).collect();
        for name in names {
            if let Some(section) = Section::open(pins, &name)? {
                let bytes = section.read()?;
                self.show(&name, &bytes);
            }
        }
        for map in &mut self.scratch.memory.maps {
            let name = map.name().to_owned();
            if let Some(model) = map.ring_mut() {
                let mut there = Ring::open(pins, &name)?;
                ring.extend(std::iter::from_fn(|| there.take()));
                // One that has no room was lost in the kernel too.
                for record in ring.iter() {
                    let _ = model.output(record.clone(), 0);
                }
            } else if !map.is_of_sockets() {
                for (key, _) in
                    map.rows().into_iter().map(|(key, value)| (key, value.len())).collect::<Vec<_>>()
                {
                    let _ = map.delete(&key);
                }
                for (key, value) in Rows::open(pins, &name)?.all()? {
                    // The model's map is as large as the kernel's.
                    let _ = map.update(&key, &value, 0);
                }
            }
        }
        Ok(self.reader.kept(&self.scratch))
    }

    fn show(&mut self, section: &str, bytes: &[u8]) {
        if let Some(data) = self.scratch.memory.data.iter_mut().find(|data| data.name == section) {
            let length = data.bytes.len().min(bytes.len());
            data.bytes[..length].copy_from_slice(&bytes[..length]);
        }
    }
}
