//! What the kernel's verifier says when it refuses a program.

/// A refused program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kernel's whole log, unchanged.
    pub log: String,
    /// Why, in the kernel's words: the last line of the log that is no statistic.
    pub reason: String,
    /// The line of the policy that the refused instruction belongs to, if the log tells.
    pub line: Option<PolicyLine>,
}

/// A line of a policy, as the kernel's log shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLine {
    /// Name of the file, without folders, and the line from 1; kernels before 6.9 do not show them.
    pub place: Option<(String, u32)>,
    /// Its text.
    pub text: String,
}

impl Refusal {
    /// Understands a log. `errno` is the reason where the log is empty.
    pub fn new(log: String, errno: &std::io::Error) -> Refusal {
        let reason = log
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty() && !is_statistic(line))
            .map_or_else(|| errno.to_string(), str::to_owned);
        // The verifier writes a line record before the instructions it covers and ends with the
        // refused instruction, so the last record is the one.
        let line = log.lines().rev().find_map(policy_line);
        Refusal { log, reason, line }
    }

    /// Whether nothing is wrong with the program but that the verifier gave up following all ways through it
    /// (`BPF_COMPLEXITY_LIMIT_INSNS` in `kernel/bpf/verifier.c`).
    pub fn is_too_complex(&self) -> bool {
        self.reason.starts_with("BPF program is too large. Processed")
    }
}

/// Lines that the verifier appends to every log.
fn is_statistic(line: &str) -> bool {
    const PREFIXES: &[&str] = &["processed ", "verification time ", "stack depth "];
    PREFIXES.iter().any(|prefix| line.starts_with(prefix))
}

/// Reads `; TEXT @ FILE:LINE` (Linux 6.9 on) or `; TEXT`.
fn policy_line(line: &str) -> Option<PolicyLine> {
    let shown = line.strip_prefix("; ")?;
    let placed = shown.rsplit_once(" @ ").and_then(|(text, place)| {
        let (file, number) = place.rsplit_once(':')?;
        Some((text, (file.to_owned(), number.trim().parse().ok()?)))
    });
    Some(match placed {
        Some((text, place)) => PolicyLine { place: Some(place), text: text.trim().into() },
        None => PolicyLine { place: None, text: shown.trim().into() },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LOG: &str = "\
0: R1=ctx() R10=fp0
; on timeout_init -> 10ms @ dc.tcp:3
0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2_w=scalar()
; on rwnd_init when mail @ home -> 20 @ dc.tcp:7
5: (61) r3 = *(u32 *)(r1 +400)
invalid bpf_context access off=400 size=4
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0
";

    fn errno() -> std::io::Error {
        std::io::Error::from_raw_os_error(libc::EACCES)
    }

    #[test]
    fn the_reason_is_the_last_line_that_says_something() {
        assert_eq!(Refusal::new(LOG.into(), &errno()).reason, "invalid bpf_context access off=400 size=4");
        assert_eq!(Refusal::new(String::new(), &errno()).reason, errno().to_string());
    }

    #[test]
    fn a_program_with_too_many_ways_is_told_from_a_wrong_one() {
        let refused = |log: &str| Refusal::new(log.into(), &errno());
        let long = "7: (85) call bpf_get_prandom_u32#7\nBPF program is too large. Processed 1000001 insn\n";
        assert!(refused(long).is_too_complex());
        assert!(!refused(LOG).is_too_complex());
    }

    #[test]
    fn the_line_is_the_last_one_shown_before_the_refusal() {
        let line = Refusal::new(LOG.into(), &errno()).line.unwrap();
        assert_eq!(line.place, Some(("dc.tcp".into(), 7)));
        assert_eq!(line.text, "on rwnd_init when mail @ home -> 20");
    }

    #[test]
    fn the_log_of_an_old_kernel_gives_the_text_only() {
        let old = "; on timeout_init -> 10ms\n0: (b7) r0 = 2\nAt program exit the register R0 has value 2\n";
        let line = Refusal::new(old.into(), &errno()).line.unwrap();
        assert_eq!((line.place, line.text.as_str()), (None, "on timeout_init -> 10ms"));
        assert_eq!(Refusal::new("0: (95) exit\nR0 !read_ok\n".into(), &errno()).line, None);
    }
}
