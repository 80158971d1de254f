//! What one kernel has and an older one has not, by the name that a policy asks for it with: `kernel has NAME`.
//!
//! | written | means |
//! | --- | --- |
//! | `rto_max` | the option can be assigned (or read, if it never can be assigned) |
//! | `reading sndbuf` | the option can be read |
//! | `skb_hwtstamp`, `measured_rtt`, `tstamp_ack`, `syn_tos` | the field, the argument, the event, the built-in name is there |
//!
//! Everything here is derived from the other tables; nothing is written twice.

use std::string::String;

use serde::{Deserialize, Serialize};

use crate::builtin::{BUILTINS, builtin};
use crate::event::EVENTS;
use crate::field::{FIELDS, field};
use crate::kernel::KernelVersion;
use crate::option::{OPTIONS, option};

/// The word before an option that is to be read.
pub const READING: &str = "reading";

/// Something that a kernel has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// What a policy calls it.
    pub name: &'static str,
    /// What kind of thing it is.
    pub kind: FeatureKind,
    /// First kernel that has it.
    pub since: KernelVersion,
}

/// The kinds of things that a kernel has or has not, each found out in its own way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeatureKind {
    /// A socket option that can be set.
    SetOption,
    /// A socket option that can be read.
    ReadOption,
    /// A field of the context.
    Field,
    /// An event.
    Event,
    /// An argument of an event.
    Argument,
    /// A built-in name.
    Builtin,
    /// More constants than older kernels take.
    LargeConstants,
    /// Anything else.
    #[default]
    #[serde(other)]
    Other,
}

impl Feature {
    /// As a policy writes it, without `kernel has`.
    pub fn written(&self) -> String {
        match self.kind {
            FeatureKind::ReadOption => std::format!("{READING} {}", self.name),
            _ => self.name.into(),
        }
    }

    /// Name of the 32-bit constant of an object that says whether the kernel has it.
    pub fn symbol(&self) -> String {
        std::format!("kernel_has_{}", self.written().replace(' ', "_"))
    }

    /// Whether every kernel that policies aim at has it.
    pub fn is_everywhere(&self) -> bool {
        self.since <= KernelVersion::FLOOR
    }
}

/// What `written` stands for after `kernel has`.
pub fn feature(written: &str) -> Option<Feature> {
    match written.strip_prefix(READING) {
        Some(name) if name.starts_with(' ') => read_option(name.trim_start()),
        _ => argument(written)
            .or_else(|| field_of(written))
            .or_else(|| set_option(written))
            .or_else(|| event(written))
            .or_else(|| builtin_of(written)),
    }
}

/// Every feature, once.
pub fn features() -> impl Iterator<Item = Feature> {
    let args = EVENTS.iter().flat_map(|event| event.args.iter().map(|arg| arg.name));
    let fields = FIELDS.iter().map(|field| field.name);
    let options = OPTIONS.iter().map(|option| option.name);
    let events = EVENTS.iter().map(|event| event.name);
    let builtins = BUILTINS.iter().map(|builtin| builtin.name);
    let named = args.chain(fields).chain(options).chain(events).chain(builtins).filter_map(feature);
    let read = OPTIONS.iter().filter_map(|option| read_option(option.name));
    let mut seen: std::vec::Vec<(FeatureKind, &str)> = std::vec::Vec::new();
    named.chain(read).filter(move |one| {
        let is_new = !seen.contains(&(one.kind, one.name));
        seen.push((one.kind, one.name));
        is_new
    })
}

fn argument(name: &str) -> Option<Feature> {
    let arg = EVENTS.iter().flat_map(|event| event.args).find(|arg| arg.name == name)?;
    Some(Feature { name: arg.name, kind: FeatureKind::Argument, since: arg.since })
}

fn field_of(name: &str) -> Option<Feature> {
    let field = field(name)?;
    Some(Feature { name: field.name, kind: FeatureKind::Field, since: field.since })
}

fn set_option(name: &str) -> Option<Feature> {
    let option = option(name).filter(|option| option.reserved.is_none())?;
    let set = option.set_since.map(|since| (FeatureKind::SetOption, since));
    let (kind, since) = set.or(option.get_since.map(|since| (FeatureKind::ReadOption, since)))?;
    Some(Feature { name: option.name, kind, since })
}

fn read_option(name: &str) -> Option<Feature> {
    let option = option(name).filter(|option| option.reserved.is_none())?;
    Some(Feature { name: option.name, kind: FeatureKind::ReadOption, since: option.get_since? })
}

fn event(name: &str) -> Option<Feature> {
    let event = crate::event::event(name).filter(|event| event.number != 0)?;
    Some(Feature { name: event.name, kind: FeatureKind::Event, since: event.since })
}

fn builtin_of(name: &str) -> Option<Feature> {
    let builtin = builtin(name)?;
    Some(Feature { name: builtin.name, kind: FeatureKind::Builtin, since: builtin.since })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::kernel::v;

    #[test]
    fn a_name_stands_for_what_it_is_in_the_catalogue() {
        let of = |written| feature(written).map(|one| (one.kind, one.since));
        assert_eq!(of("rto_max"), Some((FeatureKind::SetOption, v(6, 15))));
        assert_eq!(of("reading sndbuf"), Some((FeatureKind::ReadOption, v(5, 17))));
        assert_eq!(of("measured_rtt"), Some((FeatureKind::Argument, v(6, 10))));
        assert_eq!(of("skb_hwtstamp"), Some((FeatureKind::Field, v(6, 2))));
        assert_eq!(of("tstamp_ack"), Some((FeatureKind::Event, v(6, 15))));
        assert_eq!(of("readingsndbuf"), None);
        assert_eq!(of("reading srtt"), None);
        assert_eq!(of("void"), None);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for one in features() {
            // An option that can only be read needs no `reading`.
            assert_eq!(feature(&one.written()).map(|found| found.name), Some(one.name));
        }
    }

    /// A name of several things would leave open which of them is asked for.
    #[test]
    fn what_came_later_has_its_name_for_itself() {
        for one in features().filter(|one| !one.is_everywhere() && one.kind != FeatureKind::ReadOption) {
            let namesakes: Vec<Feature> = [argument, field_of, set_option, event, builtin_of]
                .iter()
                .filter_map(|find| find(one.name))
                .collect();
            assert_eq!(namesakes, [one]);
        }
    }

    #[test]
    fn symbols_are_identifiers_and_differ() {
        let mut symbols: Vec<String> = features().map(|one| one.symbol()).collect();
        assert!(symbols.iter().all(|symbol| symbol.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')));
        symbols.sort();
        let all = symbols.len();
        // A loader sets constants by their name alone, and these are longer than that of a map or a program.
        let set = features().filter(|one| !one.is_everywhere()).map(|one| one.symbol());
        assert!(set.into_iter().all(|symbol| symbol.len() > crate::manifest::PROGRAM_NAME_MAX));
        symbols.dedup();
        assert_eq!(symbols.len(), all);
    }
}
