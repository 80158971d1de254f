//! "Did you mean": the name that was probably meant, from near misses and from the kernel's spellings.

use tcpc_stdlib::event::EVENTS;
use tcpc_stdlib::field::FIELDS;
use tcpc_stdlib::kernel::TCP_STATES;
use tcpc_stdlib::option::OPTIONS;

use crate::diag::Diagnostic;
use crate::source::Span;

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
    ("iw", "init_cwnd"),
    ("initcwnd", "init_cwnd"),
    ("ipv6_tclass", "tclass"),
    ("local_ip4", "local_ip"),
    ("local_ip6", "local_ip"),
    ("mss", "mss_cache"),
    ("pacing_rate", "max_pacing_rate"),
    ("peer_ip", "remote_ip"),
    ("peer_port", "remote_port"),
    ("remote_ip4", "remote_ip"),
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
    let lower = name.to_lowercase();
    let known_as = translate(&lower);
    let limit = (name.chars().count() / 3).max(1);
    let mut best: Option<(usize, &'n str)> = None;
    for candidate in candidates {
        if known_as == Some(candidate) {
            return Some(candidate);
        }
        let candidate_lower = candidate.to_lowercase();
        if candidate_lower.chars().count().abs_diff(lower.chars().count()) > limit {
            continue;
        }
        let distance = distance(&lower, &candidate_lower);
        if distance <= limit && best.is_none_or(|(shortest, _)| distance < shortest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
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

/// What a policy calls something that the kernel's headers, or habit, call `lower`.
fn translate(lower: &str) -> Option<&'static str> {
    let is = |kernel: &str| kernel.eq_ignore_ascii_case(lower);
    let event = || {
        EVENTS.iter().find_map(|event| {
            let stem = event.kernel.strip_suffix("_CB").unwrap_or(event.kernel);
            (is(event.kernel) || is(stem)).then_some(event.name)
        })
    };
    let option = || OPTIONS.iter().find(|option| is(option.kernel)).map(|option| option.name);
    let field = || {
        FIELDS.iter().find(|field| !field.name.is_empty() && is(field.kernel)).map(|field| field.name)
    };
    let state = || {
        let stem = lower.strip_prefix("bpf_").unwrap_or(lower).strip_prefix("tcp_")?;
        TCP_STATES.iter().find(|state| state.name.eq_ignore_ascii_case(stem)).map(|state| state.name)
    };
    let synonym = || SYNONYMS.iter().find(|(other, _)| *other == lower).map(|(_, name)| *name);
    event().or_else(option).or_else(field).or_else(state).or_else(synonym)
}

/// Edits (insert, delete, replace, swap of neighbours) that turn one text into the other.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let width = to.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, a) in from.iter().enumerate() {
        let mut current = Vec::with_capacity(width);
        current.push(row + 1);
        for (column, b) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut edits = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let swapped = row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b;
            if swapped {
                edits = edits.min(before_last[column - 1] + 1);
            }
            current.push(edits);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("snd_cwmd", "snd_cwnd"), 1);
        assert_eq!(distance("sndubf", "sndbuf"), 1);
        assert_eq!(distance("", "rto"), 3);
    }

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
