//! What is asked, as tests of the policy: the language reads and checks it, as in a file.

use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::hir::{Program, Role, Test};
use tcpc_lang::source::SourceFile;
use tcpc_lang::suggest::closest;
use tcpc_lang::{Analysis, analyze_with_tests};

use super::question::{Question, Step};
use super::{Asked, flow};

/// A test for each question, and where each of its lines comes from.
pub struct Script {
    text: String,
    /// The argument behind each line, where there is one.
    origins: Vec<Option<String>>,
    tests: usize,
    /// The arguments of the steps.
    arguments: Vec<&'static str>,
}

/// A policy with the tests that were asked for.
pub struct Checked {
    /// The policy's text, with that of the tests.
    pub source: SourceFile,
    /// The policy.
    pub program: Program,
    /// The tests.
    pub tests: Vec<Test>,
}

/// Writes a test for each question.
pub fn write(asked: &Asked, questions: &[Question]) -> Result<Script, Vec<Diagnostic>> {
    let flow = asked.flow.as_deref().map(flow::read).transpose().map_err(|problem| vec![problem])?;
    let arguments = Script::arguments(questions);
    let mut script = Script { text: String::new(), origins: Vec::new(), tests: questions.len(), arguments };
    for (index, question) in questions.iter().enumerate() {
        script.line(&format!("test \"explained {index}: {}\" {{", question.name()), None);
        if let Some((local, remote)) = flow {
            let origin = asked.flow.as_ref().map(|text| format!("--flow '{text}'"));
            for (name, (address, port)) in [("local", local), ("remote", remote)] {
                let port = port.map_or(String::new(), |port| format!(" port {port}"));
                script.line(&format!("given {name} = {address}{port}"), origin.clone());
            }
        }
        let role = if question.role == Role::Server { "server" } else { "client" };
        script.line(&format!("given role = {role}"), None);
        let mut arguments = Vec::new();
        for setting in &asked.settings {
            let origin = Some(format!("--set '{setting}'"));
            match argument_of(setting, questions) {
                Some(_) if !is_argument(setting, question) => {}
                Some(_) => arguments.push((setting, origin)),
                None => script.line(&format!("given {setting}"), origin),
            }
        }
        if question.listens_before() {
            script.line("connection listener {\nfire tcp_listen\n}", None);
        }
        for event in question.before() {
            script.line(&format!("fire {event}"), None);
        }
        match question.step {
            Step::Transmit(segment) => script.line(&format!("transmit {}", segment.name), None),
            Step::Fire(event) => {
                script.line(&format!("fire {} {{", event.name), None);
                for (setting, origin) in arguments {
                    script.line(setting, origin);
                }
                script.line("}", None);
            }
        }
        script.line("}", None);
    }
    Ok(script)
}

/// The name that a setting begins with, if some step that is asked for has an argument of this name.
fn argument_of<'s>(setting: &'s str, questions: &[Question]) -> Option<&'s str> {
    questions.iter().any(|question| is_argument(setting, question)).then(|| name_of(setting))
}

fn is_argument(setting: &str, question: &Question) -> bool {
    match question.step {
        Step::Fire(event) => event.args.iter().any(|arg| arg.name == name_of(setting)),
        Step::Transmit(_) => false,
    }
}

fn name_of(setting: &str) -> &str {
    setting.split('=').next().unwrap_or("").trim()
}

impl Script {
    fn line(&mut self, text: &str, origin: Option<String>) {
        // A setting of several lines stays one.
        let text = if origin.is_some() { text.replace(['\n', '\r'], " ") } else { text.to_owned() };
        for line in text.lines() {
            self.text += line;
            self.text.push('\n');
            self.origins.push(origin.clone());
        }
    }

    /// The arguments of the steps that are asked for.
    fn arguments(questions: &[Question]) -> Vec<&'static str> {
        let events = questions.iter().filter_map(|question| match question.step {
            Step::Fire(event) => Some(event),
            Step::Transmit(_) => None,
        });
        events.flat_map(|event| event.args).map(|arg| arg.name).collect()
    }

    /// Reads and checks the tests with the policy, whose text is right.
    pub fn check(self, source: &SourceFile) -> Result<Checked, Vec<Diagnostic>> {
        let mut source = source.clone();
        let bug = |what: String| vec![Diagnostic::without_place(Code::NotExplainable, what)];
        let file = source
            .add("the command line", "the command line", "", &self.text)
            .ok_or_else(|| bug("the policy and what is asked are too large together".into()))?;
        let Analysis { mut program, diagnostics } = analyze_with_tests(&source, file);
        let errors = diagnostics.into_iter().filter(Diagnostic::is_error);
        let mut problems: Vec<Diagnostic> = Vec::new();
        for problem in errors.map(|problem| self.without_place(&source, problem)) {
            // Each question complains about the same settings.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let (tests, own) = std::mem::take(&mut program.tests)
            .into_iter()
            .partition::<Vec<_>, _>(|test| source.file_at(test.span.start) == file);
        program.tests = own;
        match tests.len() == self.tests {
            true => Ok(Checked { source, program, tests }),
            false => Err(bug("a setting is one setting, and cannot end the test that it stands in".into())),
        }
    }

    /// A complaint about a line that nobody wrote becomes one about the argument behind it.
    fn without_place(&self, source: &SourceFile, mut problem: Diagnostic) -> Diagnostic {
        let Some(label) = problem.primary.take() else { return problem };
        problem.secondary.clear();
        let line = source.line(label.span.start) as usize;
        let origin = self.origins.get(line.saturating_sub(1)).and_then(Option::as_ref);
        if let Some(origin) = origin {
            let what = if label.text.is_empty() { String::new() } else { format!(": {}", label.text) };
            let place = source.slice(label.span);
            let place = if place.trim().is_empty() { String::new() } else { format!(" at `{place}`") };
            problem.notes.insert(0, format!("in `{origin}`{place}{what}"));
        }
        if problem.code == Code::UnknownSetting
            && problem.help.is_empty()
            && let Some(meant) = closest(source.slice(label.span), self.arguments.iter().copied())
        {
            problem = problem.help(format!("an argument with a similar name is `{meant}`"));
        }
        problem.suggestion = None;
        problem
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use tcpc_lang::analyze;

    use super::super::question::questions;
    use super::*;

    const POLICY: &str = "\
        option uto = kind 28 { minutes: u1, value: u15 }\n\
        flow { rtos: int = 0 }\n\
        on rto when backoff > 2 or srtt > 5ms { flow.rtos += 1 }\n\
        receive uto when uto.value > 0 { user_timeout = 1min }\n";

    fn checked(event: Option<&str>, settings: &[&str]) -> Result<Checked, Vec<Diagnostic>> {
        let source = SourceFile::new("p.tcp", POLICY);
        let program = analyze(&source).program;
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let asked = Asked { event: event.map(str::to_owned), flow: None, role: None, settings };
        let questions = questions(&program, &asked).unwrap();
        write(&asked, &questions)?.check(&source)
    }

    #[test]
    fn settings_are_those_of_a_test_and_arguments_go_where_they_belong() {
        let right: &[&[&str]] = &[
            &["srtt=3ms"],
            &[" srtt = 3ms "],
            &["backoff=3", "srtt=3ms"],
            &["flow.rtos = 7", "uto { value = 30, minutes = 1 }", "kernel = 5.10"],
            &["congestion \"bbr\" fails ENOENT", "hz=250 # a comment"],
            &["uto {\n value = 30\n }"],
        ];
        for settings in right {
            let tests =
                checked(None, settings).unwrap_or_else(|problems| panic!("{settings:?}: {problems:?}")).tests;
            assert_eq!(tests.len(), 4, "{settings:?}");
        }
        assert!(checked(Some("active_established"), &["backoff=3"]).is_err());
    }

    #[test]
    fn what_is_no_setting_is_told_with_the_argument_that_it_came_from() {
        let wrong = [
            "",
            " ",
            "}",
            "{",
            "\"",
            "=",
            "srtt",
            "srtt=",
            "srtt=3",
            "srt=3ms",
            "srtt=3ms }",
            "srtt=3ms }\ntest \"x\" {",
            "uto {",
            "uto { value = 99999 }",
            "flow.nothing = 1",
            "größe=1",
            "a\u{0}b",
            "srtt = 3ms, ",
            "#",
            "fire rto",
            "srtt=3ms expect rto",
            "backoff=",
            "backoff=-1",
            "backoff=9999999999",
            "\u{7}",
            "é=é",
            "srtt=1ms;;}",
        ];
        for setting in wrong {
            let Err(problems) = checked(Some("rto"), &[setting]) else { panic!("`{setting}` is taken") };
            assert!(
                problems.iter().all(|problem| problem.is_error() && problem.primary.is_none()),
                "{setting}"
            );
        }
    }
}
