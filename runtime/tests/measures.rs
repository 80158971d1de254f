//! Histograms and records in the interpreter.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use tcpc_compiler::object::{self, ObjectFile};
use tcpc_compiler::{Options, compile};
use tcpc_lang::analyze;
use tcpc_lang::hir::Value;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::mock::World;
use tcpc_runtime::report::render;
use tcpc_runtime::scenario::run_tests;
use tcpc_runtime::vm::{Image, STEPS_MAX};
use tcpc_stdlib::event::event;
use tcpc_stdlib::field::field;
use tcpc_stdlib::manifest::state::{HISTOGRAM_BUCKETS, RECORD_HEADER, RING_BYTES, bucket};

fn object(text: &str) -> ObjectFile {
    let source = SourceFile::new("p.tcp", text);
    let analysis = analyze(&source);
    assert!(analysis.is_valid(), "{text}: {:#?}", analysis.diagnostics);
    let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats: true }).unwrap();
    object::read(&compiled.object).unwrap()
}

/// The 64-bit numbers at a symbol of `.bss`.
fn numbers(object: &ObjectFile, world: &World, symbol: &str, count: usize) -> Vec<u64> {
    let (section, at) = object
        .data
        .iter()
        .enumerate()
        .find_map(|(index, data)| {
            let found = data.symbols.iter().find(|(name, ..)| name == symbol)?;
            Some((index, found.1 as usize))
        })
        .unwrap();
    let bytes = &world.memory.data[section].bytes[at..at + count * 8];
    bytes.as_chunks().0.iter().map(|number| u64::from_le_bytes(*number)).collect()
}

/// Values at the edges of every bucket, and some between.
fn values() -> Vec<u64> {
    let edges = (0..64).flat_map(|bit| [1u64 << bit, (1u64 << bit) - 1, (1u64 << bit) + 1]);
    edges.chain([u64::MAX, u64::MAX - 1, 10_000_000, 1_500]).collect()
}

#[test]
fn every_value_goes_into_its_bucket() {
    // A number of 64 bits, and one of 32.
    for (text, name, most) in [
        ("on active_established { observe x = bytes_acked }", "bytes_acked", u64::MAX),
        ("on active_established { observe x = snd_cwnd }", "snd_cwnd", u64::from(u32::MAX)),
    ] {
        let object = object(text);
        let image = Image::new(&object).unwrap();
        let mut wanted = vec![0; HISTOGRAM_BUCKETS as usize];
        let mut world = World { memory: image.memory(), ..World::default() };
        for value in values().into_iter().filter(|value| *value <= most) {
            world.sock.give(field(name).unwrap(), &Value::Number(value)).unwrap();
            world.begin(event("active_established").unwrap(), [0; 4]);
            image.run(&mut world, STEPS_MAX).unwrap();
            world.end();
            wanted[bucket(value) as usize] += 1;
            assert_eq!(numbers(&object, &world, "observed_x", HISTOGRAM_BUCKETS as usize), wanted, "{value}");
        }
    }
}

#[test]
fn records_that_find_no_room_are_counted_by_their_kind() {
    let object = object(
        "event small { n: int }
         event large { a: ip, b: ip }
         on active_established { emit small { n = snd_cwnd } emit large { a = local_ip, b = remote_ip } }",
    );
    let image = Image::new(&object).unwrap();
    let mut world = World { memory: image.memory(), ..World::default() };
    let (small, large) = (u64::from(RECORD_HEADER) + 8 + 8, u64::from(RECORD_HEADER) + 32 + 8);
    // One byte stays free.
    let rounds = (u64::from(RING_BYTES) - 1) / (small + large);
    for _ in 0..rounds + 10 {
        world.begin(event("active_established").unwrap(), [0; 4]);
        image.run(&mut world, STEPS_MAX).unwrap();
        world.end();
    }
    let given = world.memory.maps[0].ring().unwrap().records().len() as u64;
    let lost = ["lost_small", "lost_large"].map(|symbol| numbers(&object, &world, symbol, 1)[0]);
    assert_eq!(given + lost[0] + lost[1], 2 * (rounds + 10));
    assert!(lost[1] == 10 && lost[0] > 0, "{lost:?}");
}

#[test]
fn tests_see_the_last_record_of_each_kind() {
    let text = "
        event opened { peer: ip, port: port, early: bool, window: size }
        event closed { srtt: duration, from: state, family: family, share: percent, rate: rate }
        on active_established {
            emit opened { peer = remote_ip, port = remote_port, early = bytes_acked == 0B, window = snd_cwnd * mss_cache }
            observe windows = snd_cwnd
        }
        on state when new_state == CLOSE {
            emit closed { srtt = srtt, from = old_state, family = family, share = 25%, rate = max_pacing_rate }
        }
        test \"two connections\" {
            given remote = 192.0.2.1 port 443, snd_cwnd = 10, mss_cache = 1460B, max_pacing_rate = 1Gbps
            expect emitted opened == 0 and emitted closed == 0 and observed windows == 0
            fire active_established
            expect opened.peer == 192.0.2.1 and opened.port == 443 and opened.early and opened.window == 14600B
            connection other {
                given remote = 2001:db8::2 port 80, local = 2001:db8::1, srtt = 30ms
                fire active_established
                fire state { old_state = LAST_ACK, new_state = CLOSE }
            }
            expect emitted opened == 2 and opened.peer == 2001:db8::2 and opened.port == 80
            expect observed windows == 2
            expect emitted closed == 1 and closed.srtt == 30ms and closed.from == LAST_ACK
            expect closed.family == ipv6 and closed.share == 25% and closed.rate == 4294967295B/s
        }";
    let source = SourceFile::new("p.tcp", text);
    let analysis = analyze(&source);
    assert!(analysis.is_valid(), "{:#?}", analysis.diagnostics);
    let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats: true }).unwrap();
    let report = run_tests(&compiled.object, &analysis.program, &source, None).unwrap();
    assert_eq!((report.passed(), report.failed()), (1, 0), "{}", render(&report));
}

#[test]
fn what_a_record_held_is_shown_where_it_was_not_expected() {
    let text = "
        event opened { peer: ip, srtt: duration }
        on active_established { emit opened { peer = remote_ip, srtt = srtt } }
        test \"wrong\" {
            given remote = 192.0.2.1 port 443, srtt = 10ms
            fire active_established expect emitted opened == 2 or opened.srtt == 11ms
        }
        test \"none\" { fire tcp_connect expect opened.srtt == 1ms }";
    let source = SourceFile::new("p.tcp", text);
    let analysis = analyze(&source);
    let compiled = compile(&analysis.program, &source, &Options { hz: 1000, stats: true }).unwrap();
    let report = render(&run_tests(&compiled.object, &analysis.program, &source, None).unwrap());
    for part in ["emitted opened", "opened.srtt", "10ms", "no such record was given"] {
        assert!(report.contains(part), "{part}: {report}");
    }
}
