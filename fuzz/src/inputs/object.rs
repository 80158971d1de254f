//! An object file: what `disasm`, `test --object` and `attach` do with it before the kernel is asked.

use std::cell::OnceCell;

use aya_obj::Object;
use aya_obj::btf::BtfFeatures;
use tcpc_compiler::object::{self, ObjectFile};
use tcpc_compiler::{Options, compile, disasm};
use tcpc_lang::Analysis;
use tcpc_lang::modules::{NoFiles, load};
use tcpc_lang::source::SourceFile;
use tcpc_loader::{Answer, Host, Image, Prober, Question, check_form, start_values, without_calls};
use tcpc_runtime::mock::World;
use tcpc_runtime::scenario::run_tests;
use tcpc_runtime::vm::Image as Runnable;
use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::policies::POLICIES;

use super::features::Features;

/// Steps that a hostile program may take in one event.
const STEPS: u64 = 20_000;

/// A policy of the standard library, and its object.
pub struct Sample {
    source: SourceFile,
    analysis: Analysis,
    /// Its object.
    pub object: Vec<u8>,
}

thread_local! {
    static SAMPLES: OnceCell<Vec<Sample>> = const { OnceCell::new() };
}

/// Does something with the objects of the standard library, which are built once.
pub fn with_samples<T>(act: impl FnOnce(&[Sample]) -> T) -> T {
    SAMPLES.with(|cell| act(cell.get_or_init(samples)))
}

fn samples() -> Vec<Sample> {
    let sample = |text: &str, name: &str| {
        let source = load(SourceFile::new(format!("{name}.tcp"), text), &NoFiles);
        let analysis = tcpc_lang::analyze(&source);
        let compiled = compile(&analysis.program, &source, &Options { hz: 250, stats: true }).ok()?;
        Some(Sample { source, analysis, object: compiled.object })
    };
    POLICIES.iter().filter_map(|policy| sample(policy.text, policy.name)).collect()
}

pub fn seeds() -> Vec<Vec<u8>> {
    with_samples(|samples| samples.iter().map(|sample| sample.object.clone()).collect())
}

pub fn run(input: &[u8], features: &mut Features) {
    match object::read(input) {
        Ok(object) => {
            let shown = disasm::disassemble(&object);
            features.amount("lines", shown.lines().count());
            let pairs = object.code.array_windows();
            pairs.for_each(|[one, other]| features.pair("code", one.code, other.code));
            let name = object.manifest.as_ref().map_or("", |manifest| &manifest.policy).to_owned();
            interpret(&object, features);
            test(input, &name, features);
        }
        Err(error) => features.said("object", &error.to_string()),
    }
    attach(input, features);
}

/// Runs the program in every event, one after another on one socket.
fn interpret(object: &ObjectFile, features: &mut Features) {
    let image = match Runnable::new(object) {
        Ok(image) => image,
        Err(error) => return features.said("program", &error.to_string()),
    };
    let mut world = World { memory: image.memory(), ..World::default() };
    for event in EVENTS {
        world.begin(event, [0; 4]);
        match image.run(&mut world, STEPS) {
            Ok(outcome) => outcome.calls.iter().for_each(|call| features.said("call", call.helper)),
            Err(error) => features.said("run", &error.to_string()),
        }
        world.end();
    }
}

/// Runs the tests of the policy that the object says it was built from.
fn test(input: &[u8], policy: &str, features: &mut Features) {
    with_samples(|samples| {
        let known = samples.iter().find(|sample| sample.source.name().strip_suffix(".tcp") == Some(policy));
        let Some(Sample { source, analysis, .. }) = known.or(samples.first()) else { return };
        match run_tests(input, &analysis.program, source, None) {
            Ok(report) => features.amount("failed tests", report.failed()),
            Err(error) => features.said("test", &error.to_string()),
        }
    });
}

/// A kernel of which nothing can be found out.
struct Silent;

impl Prober for Silent {
    fn answer(&self, questions: &[Question]) -> Vec<Answer> {
        vec![Answer::Unknown; questions.len()]
    }
}

/// What the loader does before it makes a map.
pub fn attach(input: &[u8], features: &mut Features) {
    let image = match Image::parse(input) {
        Ok(image) => image,
        Err(error) => return features.said("image", &error.to_string()),
    };
    let host = Host {
        kernel: KernelVersion::FLOOR,
        congestion: Some(vec!["cubic".into(), "reno".into()]),
        sndbuf: Some(("net.core.wmem_max", 212_992)),
        rcvbuf: Some(("net.core.rmem_max", 212_992)),
        ipv6: true,
    };
    for result in [
        host.features(&image, &Silent).map(drop),
        host.check(&image.manifest).map(drop),
        start_values(&image.manifest, &[]).map(drop),
    ] {
        if let Err(error) = result {
            features.said("preflight", &error.to_string());
        }
    }
    if let Err(error) = check_form(input) {
        return features.said("form", &error.to_string());
    }
    match without_calls(input) {
        Ok(bytes) => relocate(&bytes, features),
        Err(error) => features.said("calls", &error.to_string()),
    }
}

/// What the loader's library does with the object before it asks the kernel.
fn relocate(input: &[u8], features: &mut Features) {
    let mut object = match Object::parse(input) {
        Ok(object) => object,
        Err(error) => return features.said("parse", &error.to_string()),
    };
    if let Err(error) = object.fixup_and_sanitize_btf(&BtfFeatures::default()) {
        return features.said("types", &error.to_string());
    }
    let maps: Vec<_> = object.maps.drain().collect();
    let texts = object.functions.keys().map(|(section, _)| *section).collect();
    let maps = maps.iter().zip(3..).map(|((name, map), fd)| (name.as_str(), fd, map));
    let relocated = object.relocate_maps(maps, &texts).and_then(|()| object.relocate_calls(&texts));
    if let Err(error) = relocated {
        features.said("relocate", &error.to_string());
    }
}
