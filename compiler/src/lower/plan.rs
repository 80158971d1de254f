//! What happens in which event: rules by event, neighbours with one condition under one guard,
//! events with one guard side by side.

use tcpc_lang::hir::{Expr, ExprKind, Program, Rule};
use tcpc_stdlib::builtin::BuiltinId;
use tcpc_stdlib::event::Event;

use super::enable::Enabling;

/// The rules of a program, in the order in which they are lowered.
pub struct Plan<'a> {
    /// Events that share all their conditions stand in one group.
    pub groups: Vec<Vec<Planned<'a>>>,
    /// What sockets ask the kernel for.
    pub enabling: Enabling,
}

/// An event and its rules.
pub struct Planned<'a> {
    /// The event.
    pub event: &'static Event,
    /// Its rules, in order.
    pub guards: Vec<Guarded<'a>>,
    /// Whether sockets ask for something in it.
    pub enables: bool,
}

/// Rules that stand under one condition.
pub struct Guarded<'a> {
    /// The condition.
    pub condition: Option<&'a Expr>,
    /// The condition without places, if testing it once for all rules means the same.
    key: Option<Expr>,
    /// The rules with their indices.
    pub rules: Vec<(usize, &'a Rule)>,
}

impl<'a> Planned<'a> {
    /// Its rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &'a Rule> {
        self.guards.iter().flat_map(|guarded| &guarded.rules).map(|(_, rule)| *rule)
    }
}

impl<'a> Plan<'a> {
    /// Plans a program.
    pub fn new(program: &'a Program) -> Plan<'a> {
        let enabling = Enabling::new(program);
        let mut planned: Vec<Planned<'a>> = Vec::new();
        let asking = enabling.events();
        planned.extend(asking.map(|event| Planned { event, guards: Vec::new(), enables: true }));
        for (index, rule) in program.rules.iter().enumerate() {
            for &event in &rule.events {
                let at = match planned.iter().position(|one| one.event.number == event.number) {
                    Some(at) => at,
                    None => {
                        planned.push(Planned { event, guards: Vec::new(), enables: false });
                        planned.len() - 1
                    }
                };
                add_rule(&mut planned[at].guards, index, rule);
            }
        }
        planned.sort_by_key(|one| one.event.number);
        Plan { groups: group(planned), enabling }
    }
}

fn add_rule<'a>(guards: &mut Vec<Guarded<'a>>, index: usize, rule: &'a Rule) {
    let key = rule.condition.as_ref().filter(|condition| is_repeatable(condition)).map(Expr::without_places);
    if let Some(last) = guards.last_mut()
        && last.condition.is_some() == rule.condition.is_some()
        && (rule.condition.is_none() || (key.is_some() && last.key == key))
    {
        return last.rules.push((index, rule));
    }
    guards.push(Guarded { condition: rule.condition.as_ref(), key, rules: vec![(index, rule)] });
}

fn group(planned: Vec<Planned<'_>>) -> Vec<Vec<Planned<'_>>> {
    let mut groups: Vec<Vec<Planned<'_>>> = Vec::new();
    for one in planned {
        let home =
            groups.iter_mut().filter(|group| group.iter().all(|one| !one.enables)).find(|group| {
                match (group.first().map(|first| &*first.guards), &*one.guards) {
                    (Some([theirs]), [ours]) if !one.enables && same_peer(group, &one) => {
                        ours.key.is_some() && theirs.key == ours.key
                    }
                    _ => false,
                }
            });
        match home {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// Whether addresses mean the same in an event as in those of a group: a listener has no peer.
fn same_peer(group: &[Planned<'_>], one: &Planned<'_>) -> bool {
    group.iter().all(|other| other.event.has_remote == one.event.has_remote)
}

/// Whether a condition gives the same answer however often it is tested in one run, and in every event.
fn is_repeatable(expr: &Expr) -> bool {
    let own = match &expr.kind {
        ExprKind::Field(field) => field.stable && field.kernel != "family",
        ExprKind::Call(id, _) => {
            matches!(id, BuiltinId::Min | BuiltinId::Max | BuiltinId::Clamp | BuiltinId::Hash)
        }
        ExprKind::Option(_)
        | ExprKind::Arg(..)
        | ExprKind::IsRole(_)
        | ExprKind::IsSegment(_)
        | ExprKind::Received(_)
        | ExprKind::HeaderField(..)
        | ExprKind::Cell(..) => false,
        _ => true,
    };
    own && expr.children().into_iter().all(is_repeatable)
}
