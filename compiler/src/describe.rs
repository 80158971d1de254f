//! What an object says of itself: the manifest, from the typed program and from what lowering made.

use tcpc_lang::hir::{ExprKind, Program, Requirement as Needed, Value};
use tcpc_lang::source::SourceFile;
use tcpc_stdlib::event::Event;
use tcpc_stdlib::manifest::{
    AssignmentInfo, BufferUse, CongestionUse, FORMAT, FeatureInfo, Manifest, POLICY_NAME_MAX,
    PROGRAM_NAME_MAX, Requirement, RuleInfo,
};
use tcpc_stdlib::option::OptionValue;
use tcpc_stdlib::unit::Unit;

use crate::Options;
use crate::lower::{Enabling, Lowered};
use crate::needs::oldest;

/// Describes a program that needs this of a kernel.
pub fn describe(
    program: &Program,
    source: &SourceFile,
    options: &Options,
    lowered: &Lowered,
    needs: &[Needed],
) -> Manifest {
    let place = |span: tcpc_lang::source::Span| source.place(span.start);
    let (kernel, _) = oldest(needs);
    let requirement = |need: &Needed| Requirement {
        construct: need.construct.clone(),
        kind: need.kind,
        kernel: need.since.to_string(),
        place: place(need.span),
    };
    let relying = |info: &FeatureInfo| {
        let of = program.reliances.iter().filter(|row| row.asked.symbol() == info.symbol);
        FeatureInfo { relies_on: of.map(|row| requirement(&row.needed)).collect(), ..info.clone() }
    };
    Manifest {
        format: FORMAT,
        compiler: env!("CARGO_PKG_VERSION").to_owned(),
        policy: policy_name(source),
        source: source.file_name().to_owned(),
        hz: options.hz,
        kernel: kernel.to_string(),
        needs: needs.iter().map(requirement).collect(),
        features: lowered.features.iter().map(relying).collect(),
        stats: options.stats,
        events: events(program),
        rules: program
            .rules
            .iter()
            .zip(&lowered.hits)
            .map(|(rule, hits)| RuleInfo {
                name: rule.name.clone(),
                events: rule.events.iter().map(|event| event.name.to_owned()).collect(),
                place: place(rule.span),
                hits: hits.clone(),
            })
            .collect(),
        counters: lowered.counters.clone(),
        assignments: program
            .assignments
            .iter()
            .zip(&lowered.failures)
            .map(|(assignment, failures)| AssignmentInfo {
                rule: assignment.rule.0,
                option: assignment.option.name.to_owned(),
                header: false,
                value: matches!(assignment.value.kind, ExprKind::Const(_))
                    .then(|| source.slice(assignment.value.span).to_owned()),
                place: place(assignment.span),
                failures: failures.clone(),
            })
            .chain(sends(program, source, lowered))
            .collect(),
        jiffies: lowered.jiffies.clone(),
        hz_symbol: lowered.hz_symbol.clone(),
        congestion: congestion(program, source),
        buffers: buffers(program, source),
        state: lowered.state.clone(),
    }
}

/// Header options are given to the kernel as socket options are, and can be refused.
fn sends<'a>(
    program: &'a Program,
    source: &'a SourceFile,
    lowered: &'a Lowered,
) -> impl Iterator<Item = AssignmentInfo> + 'a {
    program.sends.iter().zip(&lowered.unsent).map(|(send, unsent)| AssignmentInfo {
        rule: send.rule.0,
        option: program
            .headers
            .get(send.header.index())
            .map_or_else(String::new, |header| header.name.clone()),
        header: true,
        value: None,
        place: source.place(send.span.start),
        failures: unsent.clone(),
    })
}

/// The file's name without its ending, as a symbol: `wan.edge.tcp` is `wan_edge`.
pub fn policy_name(source: &SourceFile) -> String {
    let file = source.file_name();
    let stem = file.strip_suffix(".tcp").unwrap_or(file);
    let digit = stem.is_empty() || stem.starts_with(|c: char| c.is_ascii_digit());
    let underscore = digit.then_some('_').into_iter();
    let symbol = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    underscore.chain(symbol).take(POLICY_NAME_MAX).collect()
}

/// The name of the program in the object: as much of the policy's as the kernel keeps.
pub fn program_name(policy: &str) -> String {
    policy.chars().take(PROGRAM_NAME_MAX).collect()
}

/// Events with rules, and those in which sockets ask for something.
fn events(program: &Program) -> Vec<String> {
    let mut events: Vec<&'static Event> = program.rules.iter().flat_map(|rule| rule.events.clone()).collect();
    events.extend(Enabling::new(program).events());
    events.sort_by_key(|event| event.number);
    events.dedup_by_key(|event| event.number);
    events.into_iter().map(|event| event.name.to_owned()).collect()
}

fn congestion(program: &Program, source: &SourceFile) -> Vec<CongestionUse> {
    let uses = program.assignments.iter().filter_map(|assignment| match &assignment.value.kind {
        ExprKind::Const(Value::Name(name))
            if assignment.option.value == OptionValue::Name && assignment.option.name == "congestion" =>
        {
            Some(CongestionUse {
                name: name.clone(),
                has_fallback: assignment.has_fallback,
                place: source.place(assignment.span.start),
            })
        }
        _ => None,
    });
    uses.collect()
}

fn buffers(program: &Program, source: &SourceFile) -> Vec<BufferUse> {
    let uses = program.assignments.iter().filter_map(|assignment| match assignment.value.kind {
        ExprKind::Const(Value::Number(bytes))
            if assignment.option.unit == Unit::Bytes
                && matches!(assignment.option.name, "sndbuf" | "rcvbuf") =>
        {
            Some(BufferUse {
                option: assignment.option.name.to_owned(),
                bytes,
                place: source.place(assignment.span.start),
            })
        }
        _ => None,
    });
    uses.collect()
}
