//! Everything of the catalogue that came after the floor: a policy that uses it is refused for the kernel before,
//! taken for the first one that has it, and taken for every kernel where it asks first.

use tcpc_compiler::needs::{newer_than, oldest};
use tcpc_lang::diag::Code;
use tcpc_lang::hir::Requirement;
use tcpc_lang::show::show;
use tcpc_stdlib::event::{EVENTS, Event, Sock};
use tcpc_stdlib::feature::{Feature, FeatureKind, features};
use tcpc_stdlib::field::{Availability, field};
use tcpc_stdlib::kernel::{KernelVersion, v};
use tcpc_stdlib::option::{SockOption, option};
use tcpc_stdlib::unit::Type;

use super::policy::Policy;

/// An event and a statement for it that use a feature; `None` if no policy can yet.
fn usage(feature: &Feature) -> Option<(&'static str, String)> {
    let name = feature.name;
    let in_events =
        |fits: &dyn Fn(&Event) -> bool| EVENTS.iter().find(|event| event.supported && fits(event));
    Some(match feature.kind {
        FeatureKind::SetOption => {
            let option = option(name).unwrap();
            let fits = |event: &Event| event.sock == Sock::Full && option.limit(event.name).is_none();
            (in_events(&fits).unwrap().name, format!("{name} = {}", least(option)))
        }
        FeatureKind::ReadOption => {
            let option = option(name).unwrap();
            ("tcp_connect", format!("if {name} == {} {{ count seen }}", least(option)))
        }
        FeatureKind::Field => {
            let field = field(name).unwrap();
            let event = in_events(&|event| field.availability(event) == Availability::Yes)?;
            (event.name, format!("count seen by {name}"))
        }
        FeatureKind::Argument => {
            let event = in_events(&|event| event.args.iter().any(|arg| arg.name == name))?;
            (event.name, format!("count seen by {name}"))
        }
        FeatureKind::Event => (in_events(&|event| event.name == name)?.name, "count seen".into()),
        other => panic!("`{name}` is of the kind {other:?}: say how a policy uses it"),
    })
}

/// The least value of an option, as a policy writes it.
fn least(option: &SockOption) -> String {
    match option.ty {
        Type::Name => "\"cubic\"".into(),
        ty => show(ty, option.min as u64 * option.unit.scale().unwrap()),
    }
}

fn before(version: KernelVersion) -> KernelVersion {
    match version.minor.checked_sub(1) {
        Some(minor) => v(version.major, minor),
        None => v(version.major - 1, u16::MAX),
    }
}

fn needs(text: String) -> Vec<Requirement> {
    Policy::new("newer.tcp", text).compile(true).needs
}

#[test]
fn what_is_newer_than_the_floor_is_asked_for() {
    let mut tried = 0;
    for feature in features().filter(|feature| !feature.is_everywhere()) {
        let (written, since) = (feature.written(), feature.since);
        let Some((event, statement)) = usage(&feature) else { continue };
        tried += 1;
        let uses = needs(format!("on {event} {{ {statement} }}\n"));
        assert_eq!(oldest(&uses).0, since, "{written}");
        let refused = newer_than(before(since), &uses);
        assert!(refused.iter().all(|error| error.code == Code::NewerThanKernel), "{written}: {refused:?}");
        let named =
            |error: &tcpc_lang::diag::Diagnostic| error.message.starts_with(&format!("`{written}` needs"));
        assert!(refused.iter().any(named), "{written}: {refused:?}");
        assert_eq!(newer_than(since, &uses), [], "{written}");

        let asks = needs(format!("on {event} when kernel has {written} {{ {statement} }}\n"));
        assert_eq!(newer_than(KernelVersion::FLOOR, &asks), [], "{written}");
    }
    assert!(tried > 30, "only {tried}");
}
