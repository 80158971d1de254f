//! What the grammar's actions call: nodes with their places, and complaints about what the grammar
//! takes but this version of the language does not have.

use lalrpop_util::ErrorRecovery;

use crate::ast::{
    BinaryOp, ChangeOp, Expr, ExprKind, Given, ModuleName, Name, Place, Reply, Step, Stmt, Use,
};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::suggest::closest;
use crate::token::{Token, fraction_without_unit};

/// What the parser finds wrong in an item.
#[derive(Default)]
pub struct Context<'s> {
    /// Mistakes after which reading went on.
    pub recoveries: Vec<ErrorRecovery<u32, Token<'s>, ()>>,
    /// Complaints of the actions.
    pub diagnostics: Vec<Diagnostic>,
}

impl<'s> Context<'s> {
    /// Keeps a mistake that the grammar got over.
    pub fn recovered(&mut self, error: ErrorRecovery<u32, Token<'s>, ()>) {
        self.recoveries.push(error);
    }
}

/// `use MODULE …`, `include MODULE …`.
pub fn used(
    include: bool,
    (module, place): (ModuleName, Span),
    alias: Option<Name>,
    names: Option<Vec<Name>>,
    l: u32,
    r: u32,
) -> Use {
    Use { include, module, place, alias, names, span: span(l, r) }
}

/// A construct of the language that this version does not have.
pub fn not_yet(what: &str, span: Span) -> Diagnostic {
    let (construct, help) = match what {
        "+=" => ("changing a value in place is", Some("assign the new value with `=`")),
        _ => ("this is", None),
    };
    let message = format!("{construct} not in this version yet");
    let diagnostic = Diagnostic::new(Code::NotInThisVersion, message, span, "not yet");
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// From `l` up to `r`.
pub fn span(l: u32, r: u32) -> Span {
    Span { start: l, end: r }
}

/// A name.
pub fn name(text: &str, l: u32, r: u32) -> Name {
    Name { text: text.to_string(), span: span(l, r) }
}

/// Something that could not be read.
pub fn error_expr(l: u32, r: u32) -> Expr {
    Expr { kind: ExprKind::Error, span: span(l, r) }
}

/// `left op right`.
pub fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    let span = left.span.to(right.span);
    Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), span }
}

/// A name as a value. `default` is not reserved: nothing else is called so.
pub fn name_expr(text: &str, span: Span) -> Expr {
    let kind = match text {
        "default" => ExprKind::Default,
        _ => ExprKind::Name(text.to_string()),
    };
    Expr { kind, span }
}

/// `-> EXPR` or `-> default`.
pub fn reply(value: Expr, l: u32, r: u32) -> Reply {
    let value = (value.kind != ExprKind::Default).then_some(value);
    Reply { value, span: span(l, r) }
}

/// The text between quotes with `\"` and `\\` resolved; a backslash before anything else stays.
pub fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(&next @ ('"' | '\\'))) => {
                text.push(next);
                chars.next();
            }
            _ => text.push(c),
        }
    }
    text
}

/// A statement that this version does not have.
pub fn later_stmt(cx: &mut Context, keyword: &str, l: u32, r: u32) -> Stmt {
    cx.diagnostics.push(not_yet(keyword, span(l, r)));
    Stmt::Unsupported(name(keyword, l, r))
}

/// `f(x)` where a statement is wanted.
pub fn call_stmt(cx: &mut Context, name: Name, l: u32, r: u32) -> Stmt {
    let message = format!("the value of `{}(…)` is not used", name.text);
    let diagnostic = Diagnostic::new(Code::UnexpectedToken, message, span(l, r), "a call is not a statement")
        .help(
            "statements assign options (`sndbuf = 150KB`), `count`, `let`, `if`, `stop`, or answer with `->`",
        );
    cx.diagnostics.push(diagnostic);
    Stmt::Error(span(l, r))
}

/// `flow.x += 1`, `option.x = 1`.
pub fn member_stmt(cx: &mut Context, place: Place, op: ChangeOp, value: Expr, l: u32, r: u32) -> Stmt {
    if place.object.text == "flow" {
        return Stmt::Change { place, op, value, span: span(l, r) };
    }
    let message = format!("a field of `{}` cannot be assigned here", place.object.text);
    let diagnostic = Diagnostic::new(Code::NotAssignable, message, place.span, "not assignable").help(
        "fields of a header option get their values where it is sent: `send OPTION on syn { FIELD = VALUE }`",
    );
    cx.diagnostics.push(diagnostic);
    Stmt::Error(span(l, r))
}

/// `kernel has 6.15`.
pub fn has_version(cx: &mut Context, l: u32, r: u32) -> Expr {
    cx.diagnostics.push(
        Diagnostic::new(
            Code::UnknownFeature,
            "a kernel is asked for what it has, not for its version",
            span(l, r),
            "a version",
        )
        .note("distributions bring new things to old versions, so a version says little")
        .help("name what is used: `kernel has rto_max`"),
    );
    Expr { kind: ExprKind::Error, span: span(l, r) }
}

/// `fire EVENT [{ ARGS }]`; its expectation is found by [`join_expectations`].
pub fn fire(event: Name, args: Option<Vec<(Name, Expr)>>, l: u32, r: u32) -> Step {
    Step::Fire { event, args: args.unwrap_or_default(), expect: None, span: span(l, r) }
}

/// `transmit SEGMENT`; as [`fire`].
pub fn transmit(segment: Name, l: u32, r: u32) -> Step {
    Step::Transmit { segment, expect: None, span: span(l, r) }
}

/// Gives the `expect` that follows a `fire` or a `transmit` to it: on paper they are one step.
pub fn join_expectations(steps: Vec<Step>) -> Vec<Step> {
    let mut joined: Vec<Step> = Vec::with_capacity(steps.len());
    for step in steps {
        match (joined.last_mut(), step) {
            (
                Some(
                    Step::Fire { expect: expect @ None, span, .. }
                    | Step::Transmit { expect: expect @ None, span, .. },
                ),
                Step::Expect(value),
            ) => {
                *span = span.to(value.span);
                *expect = Some(value);
            }
            (_, step) => joined.push(step),
        }
    }
    joined
}

/// `NAME = EXPR [port EXPR]`.
pub fn given_value(
    cx: &mut Context,
    name: Name,
    value: Expr,
    port: Option<(Name, Expr)>,
    l: u32,
    r: u32,
) -> Given {
    let port = port.and_then(|(word, port)| {
        if word.text == "port" {
            return Some(port);
        }
        let message = format!("unexpected name `{}`", word.text);
        let expected = match word.text.as_str() {
            "transmit" => "`transmit` begins on a line of its own",
            _ => "expected `,`, `port` or the next step",
        };
        let mut diagnostic = Diagnostic::new(Code::UnexpectedToken, message, word.span, expected);
        let is_meant = closest(&word.text, ["port"]).is_some();
        if is_meant {
            diagnostic = diagnostic.help("did you mean `port`?").suggest(word.span, "port");
        }
        cx.diagnostics.push(diagnostic);
        is_meant.then_some(port)
    });
    Given::Value { name, value, port, span: span(l, r) }
}

/// `kernel = 5.10`.
pub fn given_version(
    cx: &mut Context,
    name: Name,
    (version, place): ((u16, u16), Span),
    l: u32,
    r: u32,
) -> Given {
    if name.text != "kernel" {
        let written = format!("{}.{}", version.0, version.1);
        cx.diagnostics.push(*fraction_without_unit(&written, place));
        let value = Expr { kind: ExprKind::Error, span: place };
        return Given::Value { name, value, port: None, span: span(l, r) };
    }
    Given::Kernel { version, span: span(l, r) }
}
