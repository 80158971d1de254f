//! Attaching: all or nothing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, ProgramError, SockOps};
use aya::{Ebpf, EbpfError, EbpfLoader};
use tcpc_stdlib::enable::has_calls;
use tcpc_stdlib::feature::FeatureKind;
use tcpc_stdlib::manifest::{Manifest, Place};
use tcpc_stdlib::unit::{jiffies, jiffies_to_nanos};

use crate::cgroup::Cgroup;
use crate::error::LoaderError;
use crate::features::Prober;
use crate::form::check_form;
use crate::image::Image;
use crate::kfuncs;
use crate::list::{OtherProgram, programs_of};
use crate::params;
use crate::pins::{Store, check_name, map_pin};
use crate::preflight::{Host, Warning};
use crate::probe;
use crate::record::Record;
use crate::refusal::Refusal;
use crate::sets;
use crate::trial::Trial;

/// What to attach where.
#[derive(Clone, Debug, Default)]
pub struct AttachRequest {
    /// The cgroup's directory.
    pub cgroup: PathBuf,
    /// The object file's bytes.
    pub object: Vec<u8>,
    /// The name to attach it under; the policy's own if `None`.
    pub name: Option<String>,
    /// Whether the root of the hierarchy is meant where it is named.
    pub allow_root: bool,
    /// Parameters that do not start with their defaults: names, and values in the canonical unit of their type.
    pub parameters: Vec<(String, u64)>,
    /// Bytes of the buffer for records, rounded up to a power of two; the policy's own choice if `None`.
    pub ring_bytes: Option<u32>,
}

/// A policy that was attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The name under which it is attached.
    pub name: String,
    /// The cgroup's directory.
    pub cgroup: PathBuf,
    /// The kernel's number for the program.
    pub program_id: u32,
    /// The kernel's number for the link.
    pub link_id: u32,
    /// The directory of its pins.
    pub pins: PathBuf,
    /// Ticks per second of this kernel.
    pub hz: u32,
    /// Durations that are longer than asked for, for lack of finer ticks.
    pub roundings: Vec<Rounding>,
    /// What the policy asks of the kernel, and whether it has it.
    pub features: Vec<(String, bool)>,
    /// What works differently on this host than the policy says.
    pub warnings: Vec<Warning>,
    /// Programs that the cgroup had before; they run as before.
    pub others: Vec<OtherProgram>,
}

/// A duration that is no whole number of ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounding {
    /// Nanoseconds asked for.
    pub asked: u64,
    /// Nanoseconds that the kernel takes.
    pub given: u64,
    /// Ticks per second.
    pub hz: u32,
    /// Where it stands.
    pub place: Place,
}

impl fmt::Display for Rounding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} at HZ={}", Nanos(self.asked), Nanos(self.given), self.hz)
    }
}

/// Loads a policy and attaches it to a cgroup, where it stays when the process ends.
///
/// # Errors
/// See [`LoaderError`]. Nothing stays behind then.
pub fn attach(request: AttachRequest) -> Result<Attached, LoaderError> {
    attach_as(request, &Trial)
}

/// The same, where another than the running kernel says what it has.
///
/// # Errors
/// As [`attach`].
pub fn attach_as(request: AttachRequest, prober: &dyn Prober) -> Result<Attached, LoaderError> {
    let cgroup = Cgroup::open(&request.cgroup)?;
    if cgroup.is_root && !request.allow_root {
        return Err(LoaderError::CgroupRoot(cgroup.path));
    }
    let mut image = Image::parse(&request.object)?;
    check_form(&request.object)?;
    let name = request.name.unwrap_or_else(|| image.manifest.policy.clone());
    check_name(&name)?;
    if request.ring_bytes.is_some() && image.manifest.state.ring.is_none() {
        return Err(LoaderError::NoRecords(name));
    }
    may_load()?;
    let host = Host::probe()?;
    let found = host.features(&image, prober)?;
    let mut warnings = host.check(&image.manifest)?;
    warnings.extend(found.untried.map(Warning::NotTried));
    let resolved = match lacks_calls(&image.manifest, &found.features) {
        true => kfuncs::without_calls(&request.object)?,
        false => kfuncs::resolve(&request.object)?,
    };
    let hz = probe::host_hz()?;
    let directory = cgroup.directory()?;

    let store = Store::find_or_make()?;
    let lock = store.lock()?;
    let Some(reserved) = store.reserve(&lock, cgroup.id, &name)? else {
        return Err(LoaderError::AlreadyAttached { name, cgroup: cgroup.path });
    };
    let others = programs_of(&directory)?;
    let parameters = params::start_values(&image.manifest, &request.parameters)?;
    let mut object =
        load_object(&resolved, &image.manifest, hz, &found.features, &parameters, request.ring_bytes)?;
    let program = the_program(&mut object)?;
    program.load().map_err(load_failed)?;
    pin_objects(&mut object, reserved.directory())?;
    fill_sets(&image.manifest, reserved.directory())?;
    image.manifest.hz = hz;
    let asked = image.manifest.features.iter().map(|one| one.name.clone());
    let features = asked.zip(found.features).collect();
    let roundings = roundings(&image.manifest);
    Record::new(&name, &cgroup.path, image.manifest, image.symbols)
        .pin(&reserved.directory().join("record"))?;

    let program = the_program(&mut object)?;
    let program_id = program.info().map_err(program_failed("ask about the program"))?.id();
    // Links always share the cgroup with other programs; `Single` is what the kernel takes for them.
    let link = program
        .attach(&directory, CgroupAttachMode::Single)
        .and_then(|id| program.take_link(id))
        .map_err(|error| attach_failed(error, &cgroup.path))?;
    let link = FdLink::try_from(link).map_err(|error| LoaderError::System {
        doing: "keep the link to the cgroup".into(),
        error: io::Error::other(error),
    })?;
    let link_id = link.info().map_err(|error| other("ask about the link", error))?.id();
    link.pin(reserved.directory().join("link")).map_err(|error| other("pin the link", error))?;
    Ok(Attached {
        name,
        cgroup: cgroup.path,
        program_id,
        link_id,
        pins: reserved.keep(),
        hz,
        roundings,
        features,
        warnings,
        others,
    })
}

/// Refuses early what the kernel would refuse late.
pub(crate) fn may_load() -> Result<(), LoaderError> {
    let missing = probe::missing_capabilities()?;
    if missing.is_empty() { Ok(()) } else { Err(LoaderError::NotPermitted { missing }) }
}

/// Whether the program asks if the kernel has the event that it makes calls in, and the kernel has it not.
pub(crate) fn lacks_calls(manifest: &Manifest, features: &[bool]) -> bool {
    let mut asked = manifest.features.iter().zip(features);
    asked.any(|(one, has)| one.kind == FeatureKind::Event && has_calls(&one.name) && !has)
}

/// Creates the maps, with the constants that depend on the kernel set for this one, and parameters as they were asked for.
pub(crate) fn load_object(
    bytes: &[u8],
    manifest: &Manifest,
    hz: u32,
    features: &[bool],
    parameters: &[(&str, u64)],
    ring_bytes: Option<u32>,
) -> Result<Ebpf, LoaderError> {
    let ticks: Vec<u32> =
        manifest.jiffies.iter().map(|one| jiffies(one.nanos, hz).min(i32::MAX as u64) as u32).collect();
    let mut loader = EbpfLoader::new();
    if let (Some(ring), Some(bytes)) = (&manifest.state.ring, ring_bytes) {
        loader.map_max_entries(ring, bytes);
    }
    for (one, ticks) in manifest.jiffies.iter().zip(&ticks) {
        loader.override_global(&one.symbol, ticks, true);
    }
    if let Some(symbol) = &manifest.hz_symbol {
        loader.override_global(symbol, &hz, true);
    }
    let features: Vec<u32> = features.iter().map(|has| u32::from(*has)).collect();
    for (one, has) in manifest.features.iter().zip(&features) {
        loader.override_global(&one.symbol, has, true);
    }
    for (symbol, value) in parameters {
        loader.override_global(symbol, value, true);
    }
    loader.load(bytes).map_err(|error| match error {
        EbpfError::ProgramError(error) => load_failed(error),
        EbpfError::MapError(error) => other("create the maps of the policy", error),
        error => LoaderError::BadObject(with_sources(&error)),
    })
}

/// The object's sock_ops program.
pub(crate) fn the_program(object: &mut Ebpf) -> Result<&mut SockOps, LoaderError> {
    object
        .programs_mut()
        .find_map(|(_, program)| <&mut SockOps>::try_from(program).ok())
        .ok_or_else(|| LoaderError::BadObject("it has no sock_ops program".into()))
}

/// Pins the program and the maps.
fn pin_objects(object: &mut Ebpf, directory: &Path) -> Result<(), LoaderError> {
    the_program(object)?.pin(directory.join("program")).map_err(|error| other("pin the program", error))?;
    for (name, map) in object.maps() {
        map.pin(directory.join(map_pin(name)))
            .map_err(|error| other(&format!("pin the map `{name}`"), error))?;
    }
    Ok(())
}

/// Puts in what sets start with.
fn fill_sets(manifest: &Manifest, directory: &Path) -> Result<(), LoaderError> {
    manifest.state.sets.iter().try_for_each(|info| sets::fill(info, directory))
}

/// Which durations are longer than asked for. `manifest.hz` is the running kernel's.
fn roundings(manifest: &Manifest) -> Vec<Rounding> {
    let hz = manifest.hz;
    let exact = |nanos: u64| (nanos as u128 * hz as u128).is_multiple_of(1_000_000_000);
    manifest
        .jiffies
        .iter()
        .filter(|one| !exact(one.nanos))
        .map(|one| Rounding {
            asked: one.nanos,
            given: jiffies_to_nanos(jiffies(one.nanos, hz), hz),
            hz,
            place: one.place.clone(),
        })
        .collect()
}

pub(crate) fn load_failed(error: ProgramError) -> LoaderError {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            if log.trim().is_empty() {
                LoaderError::system("load the program")(io_error)
            } else {
                LoaderError::Refused(Box::new(Refusal::new(log, &io_error)))
            }
        }
        error => program_failed("load the program")(error),
    }
}

fn attach_failed(error: ProgramError, cgroup: &Path) -> LoaderError {
    let number = match &error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error(),
        _ => None,
    };
    match number {
        // Capabilities were checked before: this is the kernel's answer to an exclusive program.
        Some(libc::EPERM) => LoaderError::Exclusive(cgroup.into()),
        Some(libc::E2BIG) => LoaderError::TooManyPrograms(cgroup.into()),
        _ => program_failed("attach the program")(error),
    }
}

fn program_failed(doing: &str) -> impl FnOnce(ProgramError) -> LoaderError {
    move |error| match error {
        ProgramError::SyscallError(error) => LoaderError::system(doing)(error.io_error),
        error => other(doing, error),
    }
}

fn other(doing: &str, error: impl std::error::Error) -> LoaderError {
    LoaderError::System { doing: doing.into(), error: io::Error::other(with_sources(&error)) }
}

/// The error and what caused it, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// A duration for people: the largest unit with at most three decimals.
struct Nanos(u64);

impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, scale) = match self.0 {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("us", 1_000),
            1_000_000..1_000_000_000 => ("ms", 1_000_000),
            _ => ("s", 1_000_000_000),
        };
        let decimals = format!("{:03}", self.0 % scale * 1_000 / scale);
        match decimals.trim_end_matches('0') {
            "" => write!(f, "{}{unit}", self.0 / scale),
            decimals => write!(f, "{}.{decimals}{unit}", self.0 / scale),
        }
    }
}

#[cfg(test)]
mod tests {
    use tcpc_stdlib::manifest::JiffiesInfo;

    use super::*;

    fn rounded(nanos: u64, hz: u32) -> Vec<String> {
        let jiffies = vec![JiffiesInfo { symbol: "rto".into(), nanos, place: 1.into() }];
        let manifest = Manifest { jiffies, hz, ..Manifest::default() };
        roundings(&manifest).iter().map(Rounding::to_string).collect()
    }

    #[test]
    fn a_rounding_says_what_was_asked_and_what_is_given() {
        assert_eq!(rounded(10_000_000, 250), ["10ms is 12ms at HZ=250"]);
        assert_eq!(rounded(1_500_000, 100), ["1.5ms is 10ms at HZ=100"]);
        assert_eq!(rounded(5_000, 300), ["5us is 3.333ms at HZ=300"]);
    }

    #[test]
    fn whole_ticks_are_no_rounding() {
        assert!(rounded(10_000_000, 1000).is_empty());
        assert!(rounded(12_000_000, 250).is_empty());
        assert!(rounded(10_000_000, 300).is_empty());
    }

    #[test]
    fn durations_are_shown_in_their_largest_unit() {
        for (nanos, text) in [(0, "0ns"), (999, "999ns"), (1_050, "1.05us"), (2_000_000_000, "2s")] {
            assert_eq!(Nanos(nanos).to_string(), text);
        }
    }
}
