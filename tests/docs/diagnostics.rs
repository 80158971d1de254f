//! `docs/diagnostics.md`: every code with its page.

use tcpc_lang::diag::{Code, Severity};

use crate::support::{assert_file, repository};

/// What the first two digits of a code say.
const STAGES: &[(&str, &str)] = &[
    ("01", "Syntax"),
    ("02", "Names"),
    ("03", "Types and units"),
    ("04", "Events"),
    ("05", "Limits"),
    ("06", "Objects"),
    ("07", "Hosts"),
    ("08", "Tests"),
    ("09", "Warnings"),
];

#[test]
fn the_page_of_diagnostics_is_current() {
    let mut page = String::from(
        "# Diagnostics\n\nEach problem has a code that stays the same in all versions. `tcpc explain CODE` prints \
         one of these pages.\nIn each, the first example gives the code, the second does not.\n\n\
         This page is made from `lang/src/diag/`.\n",
    );
    for (digits, title) in STAGES {
        page += &format!("\n## {title}\n");
        for code in Code::ALL.iter().filter(|code| &code.as_str()[1..3] == *digits) {
            let severity = match code.severity() {
                Severity::Error => "Error",
                Severity::Warning => "Warning",
            };
            let text =
                code.explanation().replace("```tcp,fails", "```tcp").replace("```tcp,passes", "```tcp");
            page += &format!("\n### {}: {}\n\n*{severity}*\n\n", code.as_str(), code.summary());
            page += text.trim_end();
            page.push('\n');
        }
    }
    assert_file(&repository("docs/diagnostics.md"), &page);
}

#[test]
fn every_code_has_a_stage() {
    for code in Code::ALL {
        assert!(STAGES.iter().any(|(digits, _)| *digits == &code.as_str()[1..3]), "{}", code.as_str());
    }
}
