//! What the grammar would have taken, in words.
//!
//! The generated parser lists terminals. A reader wants the idea: "a value", not its fourteen
//! first tokens.

/// The terminals that the grammar would have taken.
pub struct Expected(Vec<String>);

/// Terminals that stand for one idea when all of `signs` are there.
struct Group {
    signs: &'static [&'static str],
    members: &'static [&'static str],
    words: &'static str,
}

const GROUPS: &[Group] = &[
    Group {
        signs: &["stop", "count"],
        members: &["stop", "count", "observe", "emit", "let", "if", "->", "NAME", ";"],
        words: "a statement",
    },
    Group {
        signs: &["given", "fire"],
        members: &["given", "fire", "transmit", "advance", "expect", "connection", ";", "NAME"],
        words: "a step of the test",
    },
    Group {
        signs: &["reading", "NAME"],
        members: &["reading", "NAME", "VERSION"],
        words: "the name of something that kernels have",
    },
    Group { signs: &["=", "+="], members: &["=", "+=", "-=", "[", ".", "("], words: "`=`" },
    Group {
        signs: &["INT", "(", "NAME"],
        members: &[
            "NAME", "PATH", "INT", "QUANTITY", "TEXT", "IP", "PREFIX", "BAD", "true", "false", "(", "if",
            "not", "counter", "observed", "emitted", "rule", "kernel", "{",
        ],
        words: "a value",
    },
    Group {
        signs: &["INT", "TEXT", "true"],
        members: &["INT", "QUANTITY", "TEXT", "IP", "PREFIX", "BAD", "true", "false"],
        words: "a literal",
    },
    Group {
        signs: &["|"],
        members: &[
            "+", "-", "*", "/", "%", "&", "|", "^", "<<", ">>", "==", "!=", "<", "<=", ">", ">=", "in",
            "and", "or", "..", "(", "[", ".", ":", "@",
        ],
        words: "an operator",
    },
];

impl Expected {
    /// Takes the list of an error.
    pub fn new(terminals: &[String]) -> Expected {
        Expected(terminals.iter().map(|terminal| terminal.trim_matches('"').to_string()).collect())
    }

    /// Whether this terminal would have been taken.
    pub fn has(&self, terminal: &str) -> bool {
        self.0.iter().any(|known| known == terminal)
    }

    /// Whether only the end would have been taken.
    pub fn nothing(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a name was read that can only be the target of an assignment.
    pub fn assignment(&self) -> bool {
        self.has("=") && self.has("+=")
    }

    /// Whether a value would have been taken.
    pub fn value(&self) -> bool {
        self.has("INT") && self.has("(")
    }

    /// Whether a value could have ended here: it might have gone on with an operator.
    pub fn after_value(&self) -> bool {
        self.has("and") || self.has("|")
    }

    /// The words among them.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        let words = self.0.iter().map(String::as_str).filter(|&word| word != "sample");
        words.filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
    }

    /// "`->`, `{` or an operator".
    pub fn in_words(&self) -> String {
        let mut rest: Vec<&str> = self.0.iter().map(String::as_str).collect();
        let mut groups = Vec::new();
        for group in GROUPS {
            if group.signs.iter().all(|sign| rest.contains(sign)) {
                rest.retain(|terminal| !group.members.contains(terminal));
                groups.push(group.words.to_string());
            }
        }
        let single = rest.iter().filter_map(|terminal| match *terminal {
            "NAME" => Some("a name".to_string()),
            "TEXT" => Some("a text in quotes".to_string()),
            "INT" => Some("a number".to_string()),
            "VERSION" => Some("a version".to_string()),
            "BAD" | "PATH" | "sample" | ";" => None,
            other => Some(format!("`{other}`")),
        });
        let mut words: Vec<String> = single.collect();
        words.append(&mut groups);
        match words.split_last() {
            None => "the end".to_string(),
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
        }
    }
}
