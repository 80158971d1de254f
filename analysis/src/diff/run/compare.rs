//! What both have done at the end of a way: the same, something else, or what a common rule may hide.

use std::collections::BTreeSet;

use tcpc_lang::hir::{ChangeOp, Value};

use super::{End, Run};
use crate::diff::effect::{Channels, Deed, Val, channels, show};
use crate::formula::{Formula, Node, all, any, constant, not};
use crate::ranges::Ranges;
use crate::scene::World;

impl Run<'_, '_> {
    /// How both have ended.
    pub(super) fn compare(&mut self, world: &mut World) -> End {
        let [old, new] = [0, 1].map(|side| channels(&self.sides[side].effects));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let (mut when, mut what, mut is_exact) = (Vec::new(), Vec::new(), true);
        for name in names {
            let of = |channels: &Channels| channels.get(name).cloned().unwrap_or_default();
            let (old, new) = (of(&old), of(&new));
            if old == new {
                continue;
            }
            let hiding: Vec<usize> = old.iter().chain(&new).filter_map(Deed::common).collect();
            if let Some(&step) = hiding.last() {
                let idle = hiding.iter().filter_map(|step| self.passed.get(step)).map(not);
                return End::Hidden { step, when: all(idle), what: show(name) };
            }
            let (condition, certain) = self.differ(world, &old, &new);
            if !matches!(*condition, Node::No) {
                is_exact &= certain;
                when.push(condition);
                what.push(show(name));
            }
        }
        if when.is_empty() { End::Same } else { End::Differ { when: any(when), what, is_exact } }
    }

    /// When what was done to one thing differs, and whether that is certain.
    fn differ(&mut self, world: &mut World, old: &[Deed], new: &[Deed]) -> (Formula, bool) {
        let certainly = (constant(true), true);
        if old.len() != new.len() {
            return certainly;
        }
        let (mut when, mut certain) = (Vec::new(), true);
        for (old, new) in old.iter().zip(new) {
            let (old, new) = match (old, new) {
                (Deed::Set(a, old, _), Deed::Set(b, new, _)) if a == b => (old.as_slice(), new.as_slice()),
                (Deed::Happened(a, old), Deed::Happened(b, new)) if a == b => {
                    (old.as_slice(), new.as_slice())
                }
                (Deed::Changed(a, old), Deed::Changed(b, new)) if a == b => {
                    // Two subtractions can both stop at zero.
                    certain &= *a != ChangeOp::Sub || old == new;
                    (std::slice::from_ref(old), std::slice::from_ref(new))
                }
                _ => return certainly,
            };
            if old.len() != new.len() {
                return certainly;
            }
            for (old, new) in old.iter().zip(new).filter(|(old, new)| old != new) {
                match (old, new) {
                    (Val::Known(_), Val::Known(_)) => when.push(constant(true)),
                    (Val::Known(known), Val::Text(text)) | (Val::Text(text), Val::Known(known)) => {
                        when.push(self.other_than(world, *text, known));
                    }
                    (Val::Text(_), Val::Text(_)) => {
                        certain = false;
                        when.push(constant(true));
                    }
                }
            }
        }
        (any(when), certain)
    }

    /// When a computed value is not this one.
    fn other_than(&mut self, world: &mut World, text: u32, known: &Value) -> Formula {
        let Some((scene, expr)) = self.texts.get(&text).cloned() else { return constant(true) };
        let number = match known {
            Value::Number(number) => (*number).into(),
            Value::Ip(address) => *address,
            Value::Name(_) => return constant(true),
        };
        let mut scene = scene;
        not(&scene.holds_in(world, expr, &Ranges::one(number)))
    }
}
