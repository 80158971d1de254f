//! No text makes the parser panic or lose its way, however it was made.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_lang::diag::{Code, Diagnostic};
use tcpc_lang::parse::{MOST_DIAGNOSTICS, parse};
use tcpc_lang::source::{SourceFile, Span};
use tcpc_lang::token::{KEYWORDS, lex};

fn diagnostics(text: &str) -> Vec<Diagnostic> {
    parse(&SourceFile::new("robust.tcp", text)).1
}

fn codes(text: &str) -> Vec<Code> {
    diagnostics(text).iter().map(|diagnostic| diagnostic.code).collect()
}

/// Parses a text and asserts that every place is in it, on whole characters.
fn check(text: &str) {
    let (policy, diagnostics) = parse(&SourceFile::new("robust.tcp", text));
    let within = |span: Span| {
        let slice = text.get(span.start as usize..span.end as usize);
        assert!(slice.is_some(), "{span:?} is not a place in {text:?}");
    };
    for diagnostic in &diagnostics {
        diagnostic.primary.iter().chain(&diagnostic.secondary).for_each(|label| within(label.span));
        diagnostic.suggestion.iter().for_each(|edit| within(edit.span));
    }
    lex(text).0.iter().for_each(|token| within(token.1));
    assert!(diagnostics.len() <= MOST_DIAGNOSTICS);
    assert!(!policy.items.is_empty() || !diagnostics.is_empty(), "nothing is said about {text:?}");
}

/// xorshift64: the same texts in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}

const SAMPLES: &[&str] = &[
    include_str!("syntax/broken.tcp"),
    include_str!("syntax/datacenter.tcp"),
    include_str!("syntax/expressions.tcp"),
    include_str!("syntax/later.tcp"),
    include_str!("syntax/literals.tcp"),
    include_str!("syntax/statements.tcp"),
    include_str!("syntax/tests.tcp"),
];

#[test]
fn damaged_policies() {
    let mut random = Random(0x5eed);
    for round in 0..600 {
        let mut text: Vec<char> = SAMPLES[round % SAMPLES.len()].chars().collect();
        for _ in 0..=random.below(6) {
            let at = random.below(text.len());
            let end = (at + random.below(40)).min(text.len());
            match random.below(4) {
                0 => drop(text.drain(at..end)),
                1 => text.truncate(at.max(1)),
                2 => text.insert(
                    at,
                    *random.pick(&['{', '}', '(', ')', '"', '=', 'é', '\0', '\u{202e}', '\n', '%']),
                ),
                _ => {
                    let piece: Vec<char> = text[at..end].to_vec();
                    let to = random.below(text.len());
                    text.splice(to..to, piece);
                }
            }
            if text.is_empty() {
                text.push('x');
            }
        }
        check(&text.into_iter().collect::<String>());
    }
}

#[test]
fn words_in_any_order() {
    let mut words: Vec<&str> = KEYWORDS.to_vec();
    words.extend(
        "{ } ( ) [ ] , ; : @ . .. -> => = += == != < & && | || ! << + - * / % /* */ // \" ' \n #".split(' '),
    );
    words.extend(
        "x sample counter rule emit flow param port default 1 5% 10ms 1.5 0x 9x ::1 1:2 10.0.0.0/8 1.2.3 é"
            .split(' '),
    );
    let mut random = Random(7);
    for _ in 0..1500 {
        let text: Vec<&str> = (0..random.below(60)).map(|_| *random.pick(&words)).collect();
        check(&text.join(*random.pick(&["", " ", " ", " ", "\n"])));
    }
}

#[test]
fn binary_junk() {
    let mut random = Random(99);
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..random.below(400)).map(|_| random.below(256) as u8).collect();
        match SourceFile::from_bytes("junk", &bytes) {
            Ok(source) => check(source.text()),
            Err(diagnostic) => assert_eq!(diagnostic.code, Code::NotText),
        }
        check(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn what_is_no_text_is_refused_as_a_whole() {
    let object = SourceFile::from_bytes("policy.o", b"\x7fELF\x02\x01\x01\0\xff\xff").unwrap_err();
    assert!(object.message.contains("compiled object"), "{}", object.message);
    let latin = SourceFile::from_bytes("a.tcp", b"# caf\xe9\non rto { }").unwrap_err();
    assert_eq!(latin.code, Code::NotText);
    assert!(latin.notes[0].contains("line 1, column 6"), "{:?}", latin.notes);
    assert_eq!(codes("on timeout_init -> 10ms\0"), [Code::NotText]);
}

#[test]
fn line_ends_and_byte_order_marks_do_not_matter() {
    assert_eq!(codes("\u{feff}on timeout_init -> 10ms\r\n# x\r\nconst A = 1\r\n"), []);
}

#[test]
fn a_file_without_items_is_empty() {
    for text in ["", "\n\n", "# only this", ";"] {
        assert_eq!(codes(text), [Code::EmptyPolicy], "{text:?}");
    }
}

#[test]
fn a_truncated_policy_gives_one_complaint_about_its_end() {
    let whole = "on tcp_connect when same_prefix(44) { sndbuf = 150KB; if port == 3 { stop } }";
    for end in 1..whole.len() {
        let found = diagnostics(&whole[..end]);
        let syntax = found.iter().filter(|found| found.code != Code::UnknownUnit).count();
        assert!((1..=2).contains(&syntax), "{}: {found:#?}", &whole[..end]);
    }
}

#[test]
fn depth_is_bounded_before_the_tree_is_built() {
    let many = 10_000;
    let deep = [
        format!("const X = {}1{}", "(".repeat(many), ")".repeat(many)),
        format!("const X = {}", "(".repeat(many)),
        format!("const X = {}1", "not ".repeat(many)),
        format!("const X = 1{}", " + 1".repeat(many)),
        format!("const X = 1{}", " + (1".repeat(many)),
        format!("const X = {}1", "if a then b else ".repeat(many)),
        format!("const X = {}", "f(a, ".repeat(many)),
        format!("on rto {{ {} }}", "if a { ".repeat(many)),
        format!("on rto {{ if a {{ }} {} }}", "else if a { } ".repeat(many)),
        format!("on rto when a in {}", "{ (b in ".repeat(many)),
        format!("test \"x\" {{ {} }}", "connection c { ".repeat(many)),
    ];
    for text in deep {
        let found = codes(&text);
        assert!(found.contains(&Code::TooDeep), "{}: {found:?}", &text[..60]);
    }
    let wide = format!("on rto {{ {} }}", "mark = 1 + 2; if a { stop } ".repeat(2_000));
    assert_eq!(codes(&wide), []);
    let set = format!("set S = {{ {} }}", "10.0.0.0/8, ".repeat(5_000));
    assert_eq!(codes(&set), []);
}

#[test]
fn long_lines_of_anything_come_to_an_end() {
    let size = 1 << 17;
    for piece in [
        "x",
        "$",
        "(",
        "1+",
        "on ",
        "x ",
        "\"",
        "on x { y z ",
        "10.0.0.300 ",
        "# ",
        "é",
        "1 ms ",
        "}",
        "count x ",
    ] {
        let text = piece.repeat(size / piece.len());
        check(&text);
    }
}

#[test]
fn errors_of_one_run_are_limited() {
    let found = diagnostics(&"const = 1\n".repeat(500));
    assert_eq!(found.len(), MOST_DIAGNOSTICS);
    assert!(found[MOST_DIAGNOSTICS - 1].notes.iter().any(|note| note.contains("more errors")));
}

#[test]
fn no_name_of_the_catalogue_is_a_word_of_the_language() {
    let names = (tcpc_stdlib::event::EVENTS
        .iter()
        .flat_map(|event| std::iter::once(event.name).chain(event.args.iter().map(|arg| arg.name))))
    .chain(tcpc_stdlib::event::EVENT_GROUPS.iter().map(|group| group.name))
    .chain(tcpc_stdlib::field::FIELDS.iter().map(|field| field.name))
    .chain(tcpc_stdlib::option::OPTIONS.iter().map(|option| option.name))
    .chain(tcpc_stdlib::builtin::BUILTINS.iter().map(|builtin| builtin.name));
    for name in names.filter(|name| !name.is_empty()) {
        assert!(!KEYWORDS.contains(&name), "`{name}` cannot be written");
        let text = format!("on {name} when {name} == 1 {{ {name} = {name} }}\nlet f = {name}\n");
        assert_eq!(codes(&text), [], "`{name}` cannot be written everywhere");
    }
}

#[test]
fn keywords_are_exactly_the_words_that_can_be_no_name() {
    for word in KEYWORDS {
        let token = format!("{:?}", lex(word).0[0].0);
        assert!(!token.starts_with("Name"), "`{word}` is a name");
    }
}
