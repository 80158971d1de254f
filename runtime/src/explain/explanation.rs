//! What an explanation says.

use serde::Serialize;
use tcpc_stdlib::manifest::Place;

use super::Done;
use crate::report::Actual;

/// What happens in a step of a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The event as a test writes it, or `transmit SEGMENT`.
    pub step: String,
    /// The end that the connection is seen from: `client` or `server`.
    pub role: String,
    /// Its own address and port.
    pub local: String,
    /// The peer's.
    pub remote: String,
    /// The share of the connections that the policy asks for this on, if this one was chosen to be among them.
    pub drawn: Option<String>,
    /// The events that were raised before.
    pub before: Vec<String>,
    /// What the policy was asked; nothing where a segment is sent that it did not ask for.
    pub events: Vec<EventExplained>,
}

/// What happens in an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EventExplained {
    /// The event.
    pub event: String,
    /// What the socket does by itself before the rules.
    pub first: Vec<Done>,
    /// The rules for it, in order.
    pub rules: Vec<RuleExplained>,
    /// The answer, in an event that asks for one.
    pub reply: Option<ReplyExplained>,
}

/// The answer to an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplyExplained {
    /// As a policy would write it; nothing if no rule answered.
    pub value: Option<String>,
    /// The kernel's number, and what that counts.
    pub raw: Option<(u32, String)>,
    /// What the kernel does without an answer.
    pub default: String,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleExplained {
    /// Its name.
    pub name: String,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Whether it fired.
    #[serde(flatten)]
    pub outcome: RuleOutcome,
}

/// Whether a rule fired.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RuleOutcome {
    /// It did all this.
    Fired {
        /// In order.
        done: Vec<Done>,
    },
    /// Its condition did not hold.
    NotFired {
        /// The least parts of it that decided that.
        because: Vec<Cause>,
    },
    /// An earlier rule ended the event.
    NotReached {
        /// The rule.
        after: String,
        /// Whether it answered; else it stopped.
        answered: bool,
    },
}

/// A part of a condition that decided, and what was found in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cause {
    /// The part, as it is written.
    pub part: String,
    /// What a name in its place stands for.
    pub meaning: Option<String>,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Whether it held.
    pub holds: bool,
    /// The values in it.
    pub values: Vec<Actual>,
}
