//! Which kernel a policy needs: the oldest one that has everything in it, and what is newer than a given one.
//!
//! Most needs are known from the typed program. How much room the sets take shows only when they are laid out.

use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::{Program, Requirement};
use tcpc_stdlib::feature::FeatureKind;
use tcpc_stdlib::kernel::{CONSTANTS_MAX_BEFORE, KernelVersion, LARGE_CONSTANTS_SINCE};

use crate::lower::Lowered;

/// Everything in a program that needs a kernel above the floor.
pub(crate) fn needs(program: &Program, lowered: &Lowered) -> Vec<Requirement> {
    program.requirements.iter().cloned().chain(large_constants(program, lowered)).collect()
}

/// The oldest kernel that has all of this, and the constructs that ask for it.
pub fn oldest(needs: &[Requirement]) -> (KernelVersion, Vec<&Requirement>) {
    let newest = needs.iter().map(|need| need.since).max();
    let kernel = newest.unwrap_or(KernelVersion::FLOOR).max(KernelVersion::FLOOR);
    let because = match kernel {
        KernelVersion::FLOOR => Vec::new(),
        kernel => needs.iter().filter(|need| need.since == kernel).collect(),
    };
    (kernel, because)
}

/// An error for each construct that this kernel does not have.
pub fn newer_than(kernel: KernelVersion, needs: &[Requirement]) -> Vec<Diagnostic> {
    let newer = needs.iter().filter(|need| need.since > kernel);
    let errors = newer.map(|need| {
        let Requirement { construct, since, span, kind } = need;
        let message = format!("`{construct}` needs Linux {since}, and the policy is to run on {kernel}");
        Diagnostic::new(Code::NewerThanKernel, message, *span, format!("needs Linux {since}"))
            .help(way_out(construct, *kind, *since))
    });
    errors.collect()
}

/// What can be done about a construct that is too new.
fn way_out(construct: &str, kind: FeatureKind, since: KernelVersion) -> String {
    let without = match kind {
        FeatureKind::LargeConstants | FeatureKind::Other => "do without it".to_owned(),
        FeatureKind::Event => format!("add `when kernel has {construct}`"),
        _ => format!("use it only where `kernel has {construct}`"),
    };
    format!("{without}, or give up older kernels with `--kernel {since}`")
}

/// Constants that older kernels do not take, for the largest set.
fn large_constants(program: &Program, lowered: &Lowered) -> Option<Requirement> {
    let constants: Vec<_> = lowered.func.constants.values().cloned().collect();
    let (_, bytes) = crate::object::layout(&constants);
    let largest = program.sets.iter().max_by_key(|set| set.ranges.len())?;
    (bytes > CONSTANTS_MAX_BEFORE).then(|| Requirement {
        construct: format!("sets of {} MB in all", bytes.div_ceil(1 << 20)),
        kind: FeatureKind::LargeConstants,
        since: LARGE_CONSTANTS_SINCE,
        span: largest.span,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::fmt::Write;

    use tcpc_lang::analyze;
    use tcpc_lang::source::SourceFile;
    use tcpc_stdlib::kernel::v;

    use super::*;
    use crate::{Options, compile};

    fn needs_of(text: &str) -> Vec<Requirement> {
        let source = SourceFile::new("needs.tcp", text);
        let analysis = analyze(&source);
        assert!(analysis.is_valid(), "{:#?}", analysis.diagnostics);
        compile(&analysis.program, &source, &Options { hz: 1000, stats: false }).unwrap().needs
    }

    #[test]
    fn the_newest_construct_decides() {
        let needs =
            needs_of("on tcp_connect { mark = 1; nodelay = true }\non rtt when measured_rtt > 1s { stop }");
        let (kernel, because) = oldest(&needs);
        assert_eq!(kernel, v(6, 10));
        assert_eq!(because.iter().map(|need| need.construct.as_str()).collect::<Vec<_>>(), ["measured_rtt"]);
    }

    #[test]
    fn without_a_need_the_floor_is_enough() {
        assert_eq!(oldest(&needs_of("on timeout_init -> 10ms")), (KernelVersion::FLOOR, Vec::new()));
    }

    #[test]
    fn what_came_later_is_an_error_and_what_came_with_the_kernel_is_not() {
        let needs = needs_of("on tcp_connect { mark = 1; nodelay = true; txrehash = false }");
        let wrong = |major, minor| {
            let errors = newer_than(v(major, minor), &needs);
            errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(wrong(6, 1), "");
        assert_eq!(wrong(6, 0), "`nodelay` needs Linux 6.1, and the policy is to run on 6.0");
        assert!(wrong(5, 10).contains("`txrehash` needs Linux 5.18"), "{}", wrong(5, 10));
    }

    #[test]
    fn large_sets_need_a_kernel_that_takes_them() {
        let set = |elements: u32| {
            let mut text = String::from("set NETS = {\n");
            for element in 0..elements {
                writeln!(text, "2001:db8:{:x}:{:x}::1,", element >> 15, element << 1 & 0xffff).unwrap();
            }
            text + "}\non tcp_connect when remote_ip in NETS { mark = 1 }"
        };
        assert_eq!(needs_of(&set(1000)), []);
        let needs = needs_of(&set(140_000));
        assert_eq!(oldest(&needs).0, LARGE_CONSTANTS_SINCE);
        assert_eq!(newer_than(KernelVersion::FLOOR, &needs).len(), 1);
    }
}
