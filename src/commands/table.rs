//! `tcpc table`: the tables of attached policies.

use std::path::PathBuf;

use clap_complete::engine::ArgValueCandidates;
use serde_json::{Map, Value, json};
use tcpc_lang::show::show_ip;
use tcpc_loader::tables::{self, Dump, Row};
use tcpc_loader::{Key, LoaderError};
use tcpc_stdlib::kernel::is_mapped;
use tcpc_stdlib::manifest::state::KeyInfo;

use crate::exit::Exit;
use crate::ui::Ui;
use crate::{completion, host_errors, values};

/// Arguments.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    action: Action,
}

/// What is done with a table.
#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Show the rows of a table
    Dump(DumpArgs),
    /// Remove the rows of a table
    Clear(ClearArgs),
}

/// Arguments of `tcpc table dump`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Rows are sorted by their keys. Of a table with rows for each CPU the sums are shown.

Examples:
  tcpc table dump peers
  tcpc table dump peers web --cgroup /sys/fs/cgroup/web --format json")]
struct DumpArgs {
    /// Name of the table in the policy
    #[arg(value_name = "TABLE", add = ArgValueCandidates::new(completion::tables))]
    table: String,
    /// Policies [default: all that have such a table]
    #[arg(value_name = "POLICY", add = ArgValueCandidates::new(completion::policies))]
    policies: Vec<String>,
    /// Only those of one cgroup
    #[arg(long, value_name = "CGROUP", add = ArgValueCandidates::new(completion::cgroups))]
    cgroup: Option<PathBuf>,
}

/// Arguments of `tcpc table clear`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
The policy goes on meanwhile: a row that it makes while the table is cleared may stay.

Examples:
  tcpc table clear peers
  tcpc table clear peers web --cgroup /sys/fs/cgroup/web")]
struct ClearArgs {
    /// Name of the table in the policy
    #[arg(value_name = "TABLE", add = ArgValueCandidates::new(completion::tables))]
    table: String,
    /// The policy; not needed if only one has such a table
    #[arg(value_name = "POLICY", add = ArgValueCandidates::new(completion::policies))]
    policy: Option<String>,
    /// Only one of this cgroup
    #[arg(long, value_name = "CGROUP", add = ArgValueCandidates::new(completion::cgroups))]
    cgroup: Option<PathBuf>,
}

/// Shows or clears.
pub fn run(args: &Args, ui: &mut Ui) -> Exit {
    let done = match &args.action {
        Action::Dump(args) => dump(args, ui),
        Action::Clear(args) => clear(args, ui),
    };
    match done {
        Ok(()) => Exit::Done,
        Err(error) => {
            ui.problem(&host_errors::error(&error));
            Exit::Host
        }
    }
}

fn dump(args: &DumpArgs, ui: &mut Ui) -> Result<(), LoaderError> {
    let policies = tcpc_loader::find(&args.policies, args.cgroup.as_deref())?;
    let mut shown = Vec::new();
    for (index, (policy, table)) in tables::named(policies, &args.table)?.into_iter().enumerate() {
        let dump = tables::dump(policy, table)?;
        let gap = if index == 0 { "" } else { "\n" };
        ui.say(format!("{gap}{}", text(&dump)));
        shown.push(document(&dump));
    }
    ui.set("tables", shown);
    Ok(())
}

fn clear(args: &ClearArgs, ui: &mut Ui) -> Result<(), LoaderError> {
    let names: Vec<String> = args.policy.iter().cloned().collect();
    let policies = tcpc_loader::find(&names, args.cgroup.as_deref())?;
    let found = tables::named(policies, &args.table)?;
    let [(policy, table)] = found.as_slice() else {
        let known = found.into_iter().map(|(policy, _)| (policy.name, policy.cgroup)).collect();
        return Err(LoaderError::SeveralPolicies { name: args.policy.clone(), known });
    };
    let rows = tables::clear(&policy.pins, table)?;
    let what = if rows == 1 { "row" } else { "rows" };
    ui.say(format!("removed {rows} {what} of `{}` of `{}`", table.name, policy.name));
    ui.set(
        "cleared",
        json!({ "table": table.name, "policy": policy.name, "cgroup": policy.cgroup, "rows": rows }),
    );
    Ok(())
}

/// A head line, and a line for each row under the names of the columns.
fn text(dump: &Dump) -> String {
    let Dump { policy, table, rows, unkept } = dump;
    let mut head = format!(
        "{} of {} on {}: {} of {} rows",
        table.name,
        policy.name,
        policy.cgroup.display(),
        rows.len(),
        table.max
    );
    if table.per_cpu {
        head += ", sums of all CPUs";
    }
    if *unkept > 0 {
        head += &format!(", {unkept} changes not kept for lack of room");
    }
    if rows.is_empty() {
        return head;
    }
    let names = table.keys.iter().map(|key| &key.name).chain(table.cells.iter().map(|cell| &cell.name));
    let mut lines: Vec<Vec<String>> = vec![names.cloned().collect()];
    lines.extend(rows.iter().map(|row| {
        let keys = table.keys.iter().zip(&row.key).map(|(info, key)| shown_key(info, *key));
        let cells = table.cells.iter().zip(&row.cells).map(|(info, cell)| values::number(&info.ty, *cell));
        keys.chain(cells).collect()
    }));
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..).map_while(width).collect();
    for line in &lines {
        let keys = table.keys.len();
        let cells =
            line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column < keys {
                true => format!("{cell:width$}"),
                false => format!("{cell:>width$}"),
            });
        head += &format!("\n  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    head
}

/// A part of a key; an address that was cut is a prefix.
fn shown_key(info: &KeyInfo, key: Key) -> String {
    match (key, info.cut) {
        (Key::Address(address), Some((v4, v6))) => {
            let (bits, all) = if is_mapped(address) { (v4, 32) } else { (v6, 128) };
            if bits == all { show_ip(address) } else { format!("{}/{bits}", show_ip(address)) }
        }
        _ => values::key(&info.ty, key),
    }
}

/// The same for programs: numbers in the canonical units of their types.
fn document(dump: &Dump) -> Value {
    let Dump { policy, table, rows, unkept } = dump;
    let key = |info: &KeyInfo, key: Key| match key {
        Key::Number(number) => cell_value(&info.ty, number),
        Key::Address(_) => shown_key(info, key).into(),
    };
    let row = |row: &Row| {
        let cells = table.cells.iter().zip(&row.cells);
        let cells: Map<String, Value> =
            cells.map(|(info, cell)| (info.name.clone(), cell_value(&info.ty, *cell))).collect();
        let key: Vec<Value> = table.keys.iter().zip(&row.key).map(|(info, part)| key(info, *part)).collect();
        json!({ "key": key, "cells": cells })
    };
    json!({
        "name": table.name,
        "policy": policy.name,
        "cgroup": policy.cgroup,
        "keys": table.keys.iter().map(|key| json!({ "name": key.name, "type": key.ty, "cut": key.cut })).collect::<Vec<_>>(),
        "cells": table.cells.iter().map(|cell| json!({ "name": cell.name, "type": cell.ty })).collect::<Vec<_>>(),
        "max": table.max,
        "lru": table.lru,
        "per_cpu": table.per_cpu,
        "unkept": unkept,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// A number; a state or a family by its name.
fn cell_value(ty: &str, number: u64) -> Value {
    match ty {
        "bool" => (number != 0).into(),
        "state" | "family" => values::number(ty, number).into(),
        _ => number.into(),
    }
}
