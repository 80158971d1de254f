//! "Did you mean": the name that was probably meant, from near misses and from the kernel's spellings.

use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::field::FIELDS;
use tcpc_stdlib::kernel::TCP_STATES;
use tcpc_stdlib::option::OPTIONS;

use super::words;
use crate::ast::Name;
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::suggest;

/// Words from C programs and other tools, and what a policy calls the same thing.
const SYNONYMS: &[(&str, &str)] = &[
    ("af_inet", "ipv4"),
    ("af_inet6", "ipv6"),
    ("cc", "congestion"),
    ("congestion_control", "congestion"),
    ("cwnd", "snd_cwnd"),
    ("daddr", "remote_ip"),
    ("dport", "remote_port"),
    ("dst_ip", "remote_ip"),
    ("dst_port", "remote_port"),
    ("ifindex", "bound_dev_if"),
    ("initcwnd", "init_cwnd"),
    ("ipv6_tclass", "tclass"),
    ("iw", "init_cwnd"),
    ("local", "local_ip"),
    ("local_ip4", "local_ip"),
    ("local_ip6", "local_ip"),
    ("mss", "mss_cache"),
    ("pacing_rate", "max_pacing_rate"),
    ("peer", "remote_ip"),
    ("peer_ip", "remote_ip"),
    ("peer_port", "remote_port"),
    ("remote", "remote_ip"),
    ("remote_ip4", "remote_ip"),
    ("retransmits", "icsk_retransmits"),
    ("rtt", "srtt"),
    ("saddr", "local_ip"),
    ("sport", "local_port"),
    ("src_ip", "local_ip"),
    ("src_port", "local_port"),
    ("ssthresh", "snd_ssthresh"),
];

/// Which of `candidates` was probably meant by `name`.
///
/// A kernel spelling or a synonym wins over a near miss. `None` if nothing is close.
pub fn closest<'n>(name: &str, candidates: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let known_as = translate(&name.to_lowercase());
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match candidates.iter().find(|candidate| known_as == Some(**candidate)) {
        Some(candidate) => Some(*candidate),
        // Everything is near a name of one or two letters.
        None if name.len() < 3 => None,
        None => suggest::closest(name, candidates),
    }
}

/// The same, as a sentence and an edit on a diagnostic.
pub fn did_you_mean<'n>(
    diagnostic: Diagnostic,
    name: &str,
    span: Span,
    candidates: impl IntoIterator<Item = &'n str>,
) -> Diagnostic {
    match closest(name, candidates) {
        Some(candidate) if translate(&name.to_lowercase()) == Some(candidate) => {
            diagnostic.help(format!("a policy calls it `{candidate}`")).suggest(span, candidate)
        }
        Some(candidate) => {
            diagnostic.help(format!("a similar name is `{candidate}`")).suggest(span, candidate)
        }
        None => diagnostic,
    }
}

/// The same, with another way out if nothing is close.
pub fn did_you_mean_or<'n>(
    diagnostic: Diagnostic,
    name: &str,
    span: Span,
    candidates: impl IntoIterator<Item = &'n str>,
    otherwise: impl FnOnce() -> String,
) -> Diagnostic {
    let diagnostic = did_you_mean(diagnostic, name, span, candidates);
    if diagnostic.suggestion.is_some() { diagnostic } else { diagnostic.help(otherwise()) }
}

/// A name that nothing of this kind has: it was `declared` as something else, or is to be declared as `example` does.
pub fn undeclared<'n>(
    diagnostic: Diagnostic,
    name: &Name,
    declared: Option<Span>,
    known: impl IntoIterator<Item = &'n str>,
    example: &str,
) -> Diagnostic {
    let way_out = || format!("declare it: `{example}`");
    match declared {
        Some(place) => diagnostic.label(place, "this is something else").help(way_out()),
        None => did_you_mean_or(diagnostic, &name.text, name.span, known, way_out),
    }
}

/// The name of a field that is not among those that there are.
pub fn unknown_field<'n>(
    diagnostic: Diagnostic,
    name: &Name,
    fields: impl Iterator<Item = &'n str> + Clone,
) -> Diagnostic {
    did_you_mean_or(diagnostic, &name.text, name.span, fields.clone(), || match words::list(fields, "and") {
        list if list.is_empty() => "it has no fields at all".into(),
        list => format!("its fields are {list}"),
    })
}

/// What a policy calls something that the kernel's headers, or habit, call `lower`.
fn translate(lower: &str) -> Option<&'static str> {
    let is = |kernel: &str| kernel.eq_ignore_ascii_case(lower);
    // Not every event has `_CB` at its end, and nobody remembers which.
    let stem = |kernel: &'static str| kernel.strip_suffix("_CB").unwrap_or(kernel);
    let asked = lower.strip_suffix("_cb").unwrap_or(lower);
    let event = || EVENTS.iter().find(|event| stem(event.kernel).eq_ignore_ascii_case(asked)).map(|e| e.name);
    let option = || OPTIONS.iter().find(|option| is(option.kernel)).map(|option| option.name);
    let field =
        || FIELDS.iter().find(|field| !field.name.is_empty() && is(field.kernel)).map(|field| field.name);
    let state = || {
        let stem = lower.strip_prefix("bpf_").unwrap_or(lower).strip_prefix("tcp_")?;
        TCP_STATES.iter().find(|state| state.name.eq_ignore_ascii_case(stem)).map(|state| state.name)
    };
    let synonym = || SYNONYMS.iter().find(|(other, _)| *other == lower).map(|(_, name)| *name);
    event().or_else(option).or_else(field).or_else(state).or_else(synonym)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_the_kernels_spelling_to_a_near_miss() {
        let names = ["init_cwnd", "cwnd_clamp", "remote_ip", "srtt", "timeout_init", "sndbuf", "ESTABLISHED"];
        assert_eq!(closest("TCP_BPF_IW", names), Some("init_cwnd"));
        assert_eq!(closest("srtt_us", names), Some("srtt"));
        assert_eq!(closest("remote_ip4", names), Some("remote_ip"));
        assert_eq!(closest("BPF_SOCK_OPS_TIMEOUT_INIT_CB", names), Some("timeout_init"));
        assert_eq!(closest("SO_SNDBUF", names), Some("sndbuf"));
        assert_eq!(closest("BPF_TCP_ESTABLISHED", names), Some("ESTABLISHED"));
    }

    #[test]
    fn offers_nothing_far_fetched() {
        assert_eq!(closest("banana", ["init_cwnd", "sndbuf"]), None);
        assert_eq!(closest("x", ["srtt", "mark"]), None);
    }
}
