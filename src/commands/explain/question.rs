//! What is asked: events and segments, each on one end of a connection, with what must come before.

use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::{Program, Role, RuleKind};
use tcpc_lang::suggest::closest;
use tcpc_stdlib::enable::enabling_call;
use tcpc_stdlib::event::{EVENT_GROUPS, EVENTS, Event, EventRole, event};
use tcpc_stdlib::header::{SEGMENTS, SYN, Segment};

use super::Asked;

/// The word before a segment.
const TRANSMIT: &str = "transmit";
/// The events in which a policy sends header options: they are raised by segments.
const SENDING: &[&str] = &["hdr_opt_len", "write_hdr_opt"];

/// Something that happens on a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// An event.
    Fire(&'static Event),
    /// A segment is sent.
    Transmit(&'static Segment),
}

/// A step that is to be explained.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// The step.
    pub step: Step,
    /// The end that it happens on.
    pub role: Role,
}

impl Question {
    /// The step as a test writes it.
    pub fn name(&self) -> String {
        match self.step {
            Step::Fire(event) => event.name.to_owned(),
            Step::Transmit(segment) => format!("{TRANSMIT} {}", segment.name),
        }
    }

    /// The event in which a listener must ask, if the step is about a connection that it accepts.
    pub fn listens_before(&self) -> bool {
        matches!(self.step, Step::Transmit(segment) if segment.enabled_in.contains(&"tcp_listen"))
    }

    /// The events that come before on the connection itself, so that the kernel is asked for the step.
    pub fn before(&self) -> Vec<&'static str> {
        let established = match self.role {
            Role::Client => "active_established",
            Role::Server => "passive_established",
        };
        let (asked_in, call) = match self.step {
            Step::Fire(event) => (event.enabled_in, enabling_call(event.name).map(|call| call.within)),
            Step::Transmit(segment) => (segment.enabled_in, None),
        };
        let asked =
            if asked_in.contains(&established) { Some(established) } else { asked_in.first().copied() };
        asked.filter(|name| *name != "tcp_listen").into_iter().chain(call).collect()
    }
}

/// All that is asked.
pub fn questions(program: &Program, asked: &Asked) -> Result<Vec<Question>, Diagnostic> {
    let role = asked.role.map(Role::from);
    let steps = match &asked.event {
        Some(name) => named(name.trim(), program)?,
        None => all(program),
    };
    if steps.is_empty() {
        let what = "the policy has no rules".to_owned();
        return Err(Diagnostic::without_place(Code::NotExplainable, what).help("name a policy that has some"));
    }
    let fits = |step: &Step| role.is_none_or(|role| end_of(*step).is_none_or(|end| end == role));
    let fitting: Vec<Step> = steps.iter().copied().filter(fits).collect();
    if fitting.is_empty() {
        let end = if role == Some(Role::Server) { "server" } else { "client" };
        let other = if role == Some(Role::Server) { "client" } else { "server" };
        let what = match &asked.event {
            Some(name) => format!("`{}` never happens on the {end}", name.trim()),
            None => format!("nothing that the policy has rules for happens on the {end}"),
        };
        let help = format!("ask with `--role {other}`");
        return Err(Diagnostic::without_place(Code::NotExplainable, what).help(help));
    }
    let question = |step| Question { step, role: end_of(step).or(role).unwrap_or(Role::Client) };
    Ok(fitting.into_iter().map(question).collect())
}

/// The only end that a step happens on.
fn end_of(step: Step) -> Option<Role> {
    match step {
        Step::Fire(event) => match event.role {
            EventRole::Client => Some(Role::Client),
            EventRole::Server => Some(Role::Server),
            EventRole::BySynSent | EventRole::Unknown => None,
        },
        Step::Transmit(segment) if segment.from_request => Some(Role::Server),
        Step::Transmit(segment) if segment.flags & SYN != 0 => Some(Role::Client),
        Step::Transmit(_) => None,
    }
}

/// The steps of a name: an event, a group of events, `transmit SEGMENT`.
fn named(name: &str, program: &Program) -> Result<Vec<Step>, Diagnostic> {
    if SENDING.contains(&name) {
        return Ok(transmitted(program));
    }
    if let Some(event) = event(name).filter(|event| event.supported) {
        return Ok(vec![Step::Fire(event)]);
    }
    if let Some(group) = EVENT_GROUPS.iter().find(|group| group.name == name) {
        return Ok(group.events.iter().filter_map(|name| event(name)).map(Step::Fire).collect());
    }
    let words: Vec<&str> = name.split_whitespace().collect();
    if let [TRANSMIT, segment] = words[..] {
        if let Some(segment) = SEGMENTS.iter().find(|row| row.name == segment) {
            return Ok(vec![Step::Transmit(segment)]);
        }
        let names: Vec<&str> = SEGMENTS.iter().map(|row| row.name).collect();
        let unknown =
            Diagnostic::without_place(Code::NotExplainable, format!("there is no segment `{segment}`"));
        return Err(unknown.help(format!("there are `{}`", names.join("`, `"))));
    }
    let events = EVENTS.iter().filter(|event| event.supported).map(|event| event.name);
    let known = events.chain(EVENT_GROUPS.iter().map(|group| group.name));
    let kernel = EVENTS.iter().find(|event| event.supported && event.kernel.eq_ignore_ascii_case(name));
    let unknown = Diagnostic::without_place(Code::NotExplainable, format!("there is no event `{name}`"));
    Err(match kernel.map(|event| event.name).or_else(|| closest(name, known)) {
        Some(meant) => unknown.help(format!("did you mean `{meant}`?")),
        None => unknown.help("`tcpc doc` lists all events; a segment is sent by `transmit SEGMENT`"),
    })
}

/// All that a policy has rules for, in the order of the catalogue; segments come last.
fn all(program: &Program) -> Vec<Step> {
    let has_rules = |event: &&Event| program.rules.iter().any(|rule| rule.events.contains(event));
    let (sending, others): (Vec<_>, Vec<_>) =
        EVENTS.iter().filter(has_rules).partition(|event| SENDING.contains(&event.name));
    let mut steps: Vec<Step> = others.into_iter().map(Step::Fire).collect();
    if !sending.is_empty() {
        steps.extend(transmitted(program));
    }
    steps
}

/// The segments that a policy sends options in; every segment if it has rules for the events of all.
fn transmitted(program: &Program) -> Vec<Step> {
    let sends = |segment: &&'static Segment| {
        program.rules.iter().any(|rule| match rule.kind {
            RuleKind::Send(id) => {
                program.sends.get(id.index()).is_some_and(|send| send.segments.contains(segment))
            }
            _ => rule.events.iter().any(|event| SENDING.contains(&event.name)),
        })
    };
    let named: Vec<Step> = SEGMENTS.iter().filter(sends).map(Step::Transmit).collect();
    if named.is_empty() { SEGMENTS.iter().map(Step::Transmit).collect() } else { named }
}
