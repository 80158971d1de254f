//! What a policy does on real connections is what its models say: the compiled bytes, and the meaning of the text.
//!
//! Each generated policy is attached for real and sees a few connections over loopback, with addresses and ports that
//! its conditions speak of, data of varied sizes, ended in varied ways. A recorder sees each event before the policy and
//! after it; the models get what the policy got, and must answer, set, count, keep and report the same.
//!
//! Left out are policies whose doing depends on what no record shows: random numbers, the clock, and which rows of a
//! table are forgotten first.

use tcpc_compiler::object::read;
use tcpc_lab::ends::{Addresses, Given};
use tcpc_lab::session::{Contact, Ending, run};
use tcpc_lab::twin::Modelled;
use tcpc_lab::{Host, is_repeatable};
use tcpc_lang::hir::{Role, Value};
use tcpc_loader::LoaderError;
use tcpc_runtime::vm::Image;
use tcpc_stdlib::kernel::TOS_ON_DUAL_STACK_SINCE;
use tcpc_stdlib::option::option;

use crate::agree::compiled;
use crate::budget::Budget;
use crate::generate::literal::address;
use crate::generate::{Made, checked, policy};
use crate::random::Random;
use crate::shrink::shrink;
use crate::trial::{Broken, Finding, Summary, Tally};

/// Connections for each policy.
const CONTACTS: u64 = 6;
/// Policies that are tried while one finding is cut down: each takes real connections.
const MOST_ASKED: usize = 150;
/// A run ends after so many findings: most are one mistake.
const MOST_FINDINGS: usize = 10;
/// Differences that a finding shows.
const MOST_SHOWN: usize = 12;

/// Tries policies as long as the budget says; `told` hears of each finding at once.
pub fn churn(host: &Host, from: u64, budget: &Budget, told: &dyn Fn(&Finding)) -> Summary {
    let began = std::time::Instant::now();
    let mut summary = Summary { name: "churn".into(), seed: budget.seed, ..Summary::default() };
    for trial in budget.start() {
        let (refused, outcome) = one(host, budget.seed, from + trial);
        summary.programs += 1;
        summary.refused += refused;
        match outcome {
            Ok(tally) => {
                tally
                    .iter()
                    .for_each(|(name, count)| *summary.tally.entry((*name).into()).or_default() += count);
            }
            Err(finding) => {
                told(&finding);
                summary.findings.push(finding);
                if summary.findings.len() >= MOST_FINDINGS {
                    break;
                }
            }
        }
    }
    summary.seconds = began.elapsed().as_secs_f64();
    summary
}

/// One trial, known by the seed and its number: how many policies the checker refused on the way, and what came of
/// the one that was tried.
pub fn one(host: &Host, seed: u64, trial: u64) -> (u64, Result<Tally, Finding>) {
    let mut random = Random(Random(seed).number().wrapping_add(trial));
    let mut refused = 0;
    let made = loop {
        let (made, more) = policy(&mut random.split());
        refused += more;
        if is_told_by_records(host, &made) {
            break made;
        }
    };
    let contacts = contacts(&mut random.split());
    let broken = match agrees(host, &made, &contacts) {
        Ok(tally) => return (refused, Ok(tally)),
        Err(broken) => broken,
    };
    let mut last = broken.clone();
    let small = shrink(made.tree, MOST_ASKED, |tree| {
        let Some(made) = checked(tree.clone()) else { return false };
        match agrees(host, &made, &contacts) {
            Err(still) if still.kind == broken.kind && is_told_by_records(host, &made) => {
                last = still;
                true
            }
            _ => false,
        }
    });
    let finding = Finding { trial, kind: last.kind.into(), what: last.what, policy: small.to_string() };
    (refused, Err(finding))
}

/// Whether the host has what the policy needs, and a record of an event shows all that its doing depends on.
fn is_told_by_records(host: &Host, made: &Made) -> bool {
    let program = &made.analysis.program;
    is_repeatable(program)
        && program.tables.iter().all(|table| !table.lru)
        && program.requirements.iter().all(|needs| needs.since <= host.version)
}

/// The property of one policy.
///
/// # Errors
/// How it is broken.
pub fn agrees(host: &Host, made: &Made, contacts: &[Contact]) -> Result<Tally, Broken> {
    let Some(compiled) = compiled(made, true)? else { return Ok(vec![("too large", 1)]) };
    let object = read(&compiled.object).map_err(|error| Broken::new("object", error.to_string()))?;
    let image = Image::new(&object).map_err(|error| Broken::new("object", error.to_string()))?;
    let policy =
        Modelled { program: &made.analysis.program, source: &made.source, object: &object, image: &image };
    let contacts: Vec<Contact> = contacts.iter().map(|contact| told(host, made, contact)).collect();
    let found = match run(host, &compiled.object, policy, &contacts) {
        Ok(found) => found,
        // One that is named without another to fall back on.
        Err(LoaderError::CongestionMissing { .. }) => return Ok(vec![("not for this host", 1)]),
        Err(error) => return Err(Broken::new("host", format!("{error}: {error:?}"))),
    };
    if found.differences.is_empty() {
        let (whole, all) = (found.whole as u64, contacts.len() as u64);
        return Ok(vec![("connections", all), ("whole connections", whole), ("events", found.events as u64)]);
    }
    let shown = found.differences.iter().take(MOST_SHOWN).map(|one| {
        format!(
            "`{}` in `{}`: {} in the kernel, {} by the {}",
            one.what, one.event, one.kernel, one.model, one.by
        )
    });
    Err(Broken::new("differs", shown.collect::<Vec<_>>().join("\n")))
}

/// Releases of one version differ in whether they take `tos` on an IPv6 socket with an IPv4 peer.
fn told(host: &Host, made: &Made, contact: &Contact) -> Contact {
    let mut contact = contact.clone();
    if host.version < TOS_ON_DUAL_STACK_SINCE && made.source.text().contains("tos") {
        contact.addresses.dual_stack = false;
    }
    contact
}

/// Connections with addresses, ports and options like those that generated policies speak of.
pub fn contacts(random: &mut Random) -> Vec<Contact> {
    (0..CONTACTS).map(|_| contact(random)).collect()
}

fn contact(random: &mut Random) -> Contact {
    let v4 = random.one_in(2);
    let mut address = || loop {
        let address = address(random, v4);
        // The last address of a network of IPv4 is everybody's.
        if !(v4 && address as u8 == 255) {
            break address;
        }
    };
    let (local, remote) = (address(), address());
    let role = random.pick(&[Role::Client, Role::Server]);
    let (own, other) = (random.pick(&[40_000u16, 40_001, 50_000]), random.pick(&[22u16, 80, 443, 8080, 1]));
    let ports = if role == Role::Client { (own, other) } else { (other, own) };
    let mut options: Vec<Given> = Vec::new();
    for (name, value) in [
        ("congestion", Value::Name("reno".to_owned())),
        ("tos", Value::Number(0x20)),
        ("mark", Value::Number(7)),
        ("user_timeout", Value::Number(30_000_000_000)),
        ("keepidle", Value::Number(60_000_000_000)),
    ] {
        if let Some(option) = option(name).filter(|_| random.one_in(5))
            && (v4 || name != "tos")
        {
            options.push((option, value));
        }
    }
    Contact {
        role,
        addresses: Addresses {
            local: (local, ports.0),
            remote: (remote, ports.1),
            dual_stack: v4 && random.one_in(4),
        },
        options,
        service: (role == Role::Server && random.one_in(3)).then(|| random.pick(&[0x20, 0x48, 0xb8])),
        data: (
            random.pick(&[0, 1, 100, 1448, 20_000, 200_000]),
            random.pick(&[0, 1, 100, 3000, 40_000]),
            random.pick(&[0, 1, 1, 3]),
        ),
        ending: random.pick(&[Ending::Here, Ending::There, Ending::AtOnce, Ending::Reset]),
    }
}
