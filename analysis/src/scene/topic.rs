//! What a rule that writes something can change of what later rules read.

use tcpc_lang::hir::{Program, Row};
use tcpc_stdlib::field::{Field, Struct};
use tcpc_stdlib::option::{OPTIONS, SockOption, option};

/// The fields of TCP and its options, which can change one another.
const TCP: &str = "tcp";
/// The fields of the socket below TCP.
const SOCK: &str = "sock";

/// Whether an option is one of TCP. All others are taken by the layers around it, which do not know its fields.
fn is_of_tcp(option: &SockOption) -> bool {
    option.level_name.contains("TCP")
}

/// The name under which assignments of a socket option, or of a field, are kept: options that change one another share
/// one, as their descriptions say.
pub fn of_option(name: &str) -> String {
    let mentions = |one: &str, other: &str| {
        let quoted = format!("`{other}`");
        option(one).is_some_and(|option| option.note.contains(&quoted))
    };
    let mut related: Vec<&str> = OPTIONS
        .iter()
        .map(|option| option.name)
        .filter(|other| *other == name || mentions(name, other) || mentions(other, name))
        .collect();
    if related.is_empty() {
        related.push(name);
    }
    related.sort_unstable();
    related.join(" and ")
}

/// What may read otherwise after an option was assigned.
pub fn changed_by_option(name: &str) -> Vec<String> {
    let layer = match option(name) {
        Some(option) if !is_of_tcp(option) => SOCK,
        _ => TCP,
    };
    vec![layer.to_owned(), of_option(name)]
}

/// What may read otherwise after a field was written.
pub fn changed_by_field() -> Vec<String> {
    vec![TCP.to_owned()]
}

/// What a field is changed with; `None` if it stays.
pub fn of_field(field: &Field) -> Option<String> {
    match field.of {
        _ if field.stable => None,
        Struct::Sock => Some(SOCK.to_owned()),
        Struct::SockOps | Struct::TcpSock => Some(TCP.to_owned()),
    }
}

/// What an option is changed with.
pub fn read_with(option: &SockOption) -> String {
    if is_of_tcp(option) { TCP.to_owned() } else { of_option(option.name) }
}

/// What a cell is changed with: two keys can lead to one row.
pub fn of_cell(program: &Program, row: &Row, cell: u8) -> String {
    let (title, cells) = match row {
        Row::Flow => ("flow", program.flow.as_ref().map(|flow| &flow.cells)),
        Row::Table(id, _) => {
            let table = program.tables.get(id.index());
            (table.map_or("", |table| table.name.as_str()), table.map(|table| &table.cells))
        }
    };
    let cell = cells.and_then(|cells| cells.get(usize::from(cell)));
    format!("{title}.{}", cell.map_or("", |cell| &cell.name))
}
