//! What the statements cost that count, measure and report: policies that execute each once and many times when a
//! connection is established.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tcpc_compiler::{Compiled, Options, compile};
use tcpc_lang::{analyze, source::SourceFile};
use tcpc_loader::{AttachRequest, Watcher, attach, detach, find_one};

use super::{CONNECTIONS, Group, ROUNDS, connect, info, median};

/// How often a statement is executed where it is executed often.
const TIMES: usize = 20;
/// Addresses before this one are those of the other measurements.
const FIRST_BATCH: usize = 100_000;
/// Holds all records of a measurement.
const ROOMY: u32 = 32 << 20;
/// Holds a few of them.
const SMALL: u32 = 64 << 10;

/// What happens to records meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Ring {
    None,
    Roomy,
    Small,
    Watched,
}

const RECORD: &str = "emit seen { peer = remote_ip, window = snd_cwnd + N, srtt = srtt }";

/// A name, the statement with `N` for a number that is another one each time, and what becomes of records.
const STATEMENTS: &[(&str, &str, Ring)] = &[
    ("`count NAME`", "count seen", Ring::None),
    ("`count NAME by remote_ip`", "count seen by remote_ip", Ring::None),
    ("`observe NAME = VALUE`", "observe window = snd_cwnd + N", Ring::None),
    ("`emit`, there is room and nobody waits", RECORD, Ring::Roomy),
    ("`emit`, and somebody watches", RECORD, Ring::Watched),
    ("`emit`, there is no room", RECORD, Ring::Small),
];

/// Prints a table.
pub fn run(group: &Group) {
    let mut batch = FIRST_BATCH;
    println!("\nstatements, one thread, {CONNECTIONS} connections, medians of {ROUNDS} rounds\n");
    println!("| statement | slots | ns |\n| --- | --- | --- |");
    for (name, statement, ring) in STATEMENTS {
        let built = [1, TIMES].map(|times| policy(statement, *ring, times));
        let mut rounds: [Vec<f64>; 2] = Default::default();
        for _ in 0..ROUNDS {
            for (object, times) in built.iter().zip(&mut rounds) {
                batch += 1;
                times.push(nanoseconds(group, &object.object, *ring, batch));
            }
        }
        let [once, often] = rounds.map(median);
        let more = (TIMES - 1) as f64;
        let slots = (built[1].slots - built[0].slots) as f64 / more;
        println!("| {name} | {slots:.0} | {:.1} |", (often - once) / more);
    }
}

fn policy(statement: &str, ring: Ring, times: usize) -> Compiled {
    let head = match ring {
        Ring::None => "",
        _ => "event seen { peer: ip, window: packets, srtt: duration }\n",
    };
    let body: String = (0..times).map(|number| statement.replace('N', &number.to_string()) + "\n").collect();
    let source = SourceFile::new("statements.tcp", format!("{head}on established {{\n{body}}}\n"));
    let analysis = analyze(&source);
    assert!(analysis.is_valid(), "{:?}", analysis.diagnostics);
    compile(&analysis.program, &source, &Options { hz: 1000, stats: false }).unwrap()
}

/// The time of all runs for each end of a connection.
fn nanoseconds(group: &Group, object: &[u8], ring: Ring, batch: usize) -> f64 {
    let attached = attach(AttachRequest {
        cgroup: group.path.clone(),
        object: object.into(),
        ring_bytes: match ring {
            Ring::None => None,
            Ring::Roomy | Ring::Watched => Some(ROOMY),
            Ring::Small => Some(SMALL),
        },
        ..AttachRequest::default()
    })
    .unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        if ring == Ring::Watched {
            let policy = find_one(Some(&attached.name), Some(&group.path)).unwrap();
            scope.spawn(|| watch(Watcher::open(policy).unwrap(), &done));
        }
        connect(batch).unwrap();
        done.store(true, Ordering::Relaxed);
    });
    let time = info(attached.program_id).run_time().as_nanos() as f64;
    detach(&group.path, Some(&attached.name)).unwrap();
    time / (2 * CONNECTIONS) as f64
}

fn watch(mut watcher: Watcher, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        watcher.wait(Duration::from_millis(10)).unwrap();
        watcher.take(|_| true).unwrap();
    }
}
