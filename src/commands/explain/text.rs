//! Explanations as text.

use std::fmt::Write;

use tcpc_runtime::explain::{Cause, Done, EventExplained, Explanation, ReplyExplained, RuleOutcome};
use tcpc_runtime::report::Actual;
use tcpc_stdlib::kernel::{ERRNOS, errno_number};

use crate::ui::Paint;

/// What happens in a step.
pub fn explanation(explained: &Explanation, paint: Paint) -> String {
    let Explanation { step, role, local, remote, drawn, before, events } = explained;
    let mut text = String::new();
    line(&mut text, 0, &format!("{} on the {role}, {local} -> {remote}", paint.strong(step)));
    if let Some(share) = drawn {
        line(
            &mut text,
            1,
            &paint.faint(&format!("on one of the {share} of the connections that it is asked for")),
        );
    }
    if !before.is_empty() {
        line(&mut text, 1, &paint.faint(&format!("raised before it: {}", before.join(", "))));
    }
    if events.is_empty() {
        line(&mut text, 1, "the policy did not ask for it: the segment has the kernel's own options");
    }
    for event in events {
        let inner = events.len() > 1 || event.event != *step;
        if inner {
            line(&mut text, 1, &format!("{}:", event.event));
        }
        render_event(&mut text, if inner { 2 } else { 1 }, event, paint);
    }
    text
}

/// A step that does not happen.
pub fn not_raised(step: &str, why: &str, paint: Paint) -> String {
    format!("{}\n  is not raised here: {why}\n", paint.strong(step))
}

fn render_event(text: &mut String, depth: usize, event: &EventExplained, paint: Paint) {
    for done in &event.first {
        render_done(text, depth, done, paint);
    }
    if event.rules.is_empty() {
        line(text, depth, "no rule is for it");
    }
    for rule in &event.rules {
        let head = format!("`{}` ({})", rule.name, rule.place);
        match &rule.outcome {
            RuleOutcome::Fired { done } => {
                line(text, depth, &format!("{head} {}", paint.good("fired")));
                done.iter().for_each(|done| render_done(text, depth + 1, done, paint));
            }
            RuleOutcome::NotFired { because } => {
                line(text, depth, &format!("{head} {}", paint.bad("did not fire")));
                because.iter().for_each(|cause| render_cause(text, depth + 1, cause));
            }
            RuleOutcome::NotReached { after, answered } => {
                let how = if *answered { "answered" } else { "ended the event" };
                let what = format!("was not reached: `{after}` {how}");
                line(text, depth, &paint.faint(&format!("{head} {what}")));
            }
        }
    }
    if let Some(ReplyExplained { value, raw, default }) = &event.reply {
        line(
            text,
            depth,
            &match (value, raw) {
                (Some(value), Some((raw, unit))) => {
                    format!("reply: {}, for the kernel {raw} ({unit})", paint.strong(value))
                }
                _ => format!("reply: none, and without one the kernel takes: {default}"),
            },
        );
    }
}

fn render_done(text: &mut String, depth: usize, done: &Done, paint: Paint) {
    let mut result = done.result.as_ref().map(|result| format!(": {result}")).unwrap_or_default();
    let mut because = done.because.as_slice();
    // A condition of one part need not be said twice.
    if let [Cause { part, meaning: None, values, .. }] = because
        && done.what == format!("if {part}")
    {
        result += &found(values);
        because = &[];
    }
    let refused = done.errno.as_ref().map(|errno| {
        let row = ERRNOS.iter().find(|row| Some(row.number) == errno_number(errno));
        let meaning = row.map(|row| format!(" ({})", row.meaning)).unwrap_or_default();
        format!(" {}", paint.bad(&format!("failed with {errno}{meaning}")))
    });
    line(text, depth, &format!("{}{result}{}", done.what, refused.unwrap_or_default()));
    because.iter().for_each(|cause| render_cause(text, depth + 1, cause));
}

fn render_cause(text: &mut String, depth: usize, cause: &Cause) {
    let Cause { part, meaning, holds, values, .. } = cause;
    let meaning = meaning.as_ref().map(|meaning| format!(", which is `{meaning}`,")).unwrap_or_default();
    line(text, depth, &format!("`{part}`{meaning} is {holds}{}", found(values)));
}

/// The values in a part of a condition.
fn found(values: &[Actual]) -> String {
    let values: Vec<String> =
        values.iter().map(|Actual { name, value }| format!("`{name}` is {value}")).collect();
    if values.is_empty() { String::new() } else { format!(": {}", values.join(", ")) }
}

/// Writing to a string cannot fail.
fn line(text: &mut String, depth: usize, what: &str) {
    let _ = writeln!(text, "{:width$}{what}", "", width = 2 * depth);
}
