//! What a policy did in an event, sorted by what it did it to, so that what cannot be told apart is the same.

use std::collections::BTreeMap;

use tcpc_lang::hir::{ChangeOp, Value};

use crate::scene::topic;

/// A value that was assigned, counted or answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Val {
    /// This one.
    Known(Value),
    /// The one that this text gives.
    Text(u32),
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// To what: `mark`, `counter web`, `reply`.
    pub channel: String,
    /// What.
    pub deed: Deed,
}

/// The kinds of effects.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Something was set to a value; whether it may have been refused.
    Set(String, Vec<Val>, bool),
    /// A cell was changed.
    Changed(ChangeOp, Val),
    /// It happened, with these values.
    Happened(String, Vec<Val>),
    /// Whatever the common rule of this step did to it, if that ran.
    Common(usize),
}

impl Deed {
    /// The step of a common rule.
    pub fn common(&self) -> Option<usize> {
        match self {
            Deed::Common(step) => Some(*step),
            _ => None,
        }
    }
}

/// What was done to each thing.
pub type Channels = BTreeMap<String, Vec<Deed>>;

/// What kind of thing a channel is; its name begins so.
pub const OPTION: &str = "option ";
/// A cell.
pub const CELL: &str = "cell ";
/// A counter.
pub const COUNTER: &str = "counter ";
/// A histogram.
pub const HISTOGRAM: &str = "histogram ";
/// Records.
pub const RECORDS: &str = "records";
/// The answer.
pub const REPLY: &str = "reply";

/// The channel of a socket option or a field: options that change one another share one.
pub fn option_channel(name: &str) -> String {
    format!("{OPTION}{}", topic::of_option(name))
}

/// Sorts effects by channels, and leaves out what later ones undo.
pub fn channels(effects: &[Effect]) -> Channels {
    let mut channels = Channels::new();
    for effect in effects {
        channels.entry(effect.channel.clone()).or_default().push(effect.deed.clone());
    }
    for (name, deeds) in &mut channels {
        let is_kept = |deed: &Deed| match deed {
            Deed::Set(_, _, may_fail) => !may_fail,
            Deed::Changed(op, _) => *op == ChangeOp::Set,
            _ => false,
        };
        // Of options that change one another all assignments count.
        let alone = deeds.iter().all(|deed| match (deed, deeds.first()) {
            (Deed::Set(one, ..), Some(Deed::Set(first, ..))) => one == first,
            (Deed::Set(..), _) => false,
            _ => true,
        }) || !name.contains(" and ");
        if alone && let Some(last) = deeds.iter().rposition(is_kept) {
            deeds.drain(..last);
        }
        let is_sum =
            deeds.iter().all(|deed| matches!(deed, Deed::Changed(ChangeOp::Add, _) | Deed::Common(_)));
        let is_bag =
            name.starts_with(COUNTER) || name.starts_with(HISTOGRAM) || (name.starts_with(CELL) && is_sum);
        if is_bag {
            deeds.sort_by_key(|deed| format!("{deed:?}"));
        }
    }
    channels
}

/// A channel in words.
pub fn show(channel: &str) -> String {
    channel.trim_start_matches(OPTION).trim_start_matches("cell ").to_owned()
}
