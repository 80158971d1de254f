//! The known pitfalls of sock_ops programs, in the order of a list that engineers keep: each cannot be in what
//! the compiler makes, or is told to the author. What is looked at is every policy of this suite and of the
//! standard library, after the last instruction was chosen.

use std::collections::BTreeSet;

use tcpc_compiler::bpf::{AluOp, Insn, Op, Operand, Size};
use tcpc_compiler::object::ObjectFile;
use tcpc_compiler::{Options, compile};
use tcpc_lang::analyze;
use tcpc_lang::hir::Value;
use tcpc_lang::source::SourceFile;
use tcpc_runtime::report::Status;
use tcpc_runtime::scenario::run_tests;
use tcpc_stdlib::event::{EVENTS, event};
use tcpc_stdlib::field::{Guard, field_at, kernel_field};
use tcpc_stdlib::helper::helper;
use tcpc_stdlib::kernel::AF_INET6;
use tcpc_stdlib::option::option;

use super::bench::{Bench, MAPPED};
use super::policy::{self, Policy};

/// The codes of all that is said about a text.
fn said(text: &str) -> Vec<&'static str> {
    let source = SourceFile::new("pitfall.tcp", text);
    analyze(&source).diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect()
}

/// An access to the context in a finished program.
struct ContextAccess {
    slot: usize,
    insn: Insn,
}

/// Where a program touches the context: which registers and stack slots may hold its address is followed along all
/// paths. Every jump goes forward, so one walk sees all of them.
fn context_accesses(code: &[Insn]) -> Vec<ContextAccess> {
    let mut before: Vec<Option<BTreeSet<i32>>> = vec![None; code.len() + 1];
    before[0] = Some(BTreeSet::from([1]));
    let mut found = Vec::new();
    for slot in 0..code.len() {
        let Some(now) = before[slot].clone() else { continue };
        let mut held = now.clone();
        let insn = code[slot];
        // A register is known by its number, a stack slot by its offset, which is below 0.
        let (dst, src, offset) = (i32::from(insn.dst), i32::from(insn.src), i32::from(insn.off));
        let mut set = |place: i32, holds: bool| {
            held.remove(&place);
            held.extend(holds.then_some(place));
        };
        let jump = (slot as i64 + 1 + i64::from(insn.off)) as usize;
        let (mut next, mut target) = (Some(slot + 1), None);
        match insn.op() {
            Op::Load(size) => {
                if now.contains(&src) {
                    found.push(ContextAccess { slot, insn });
                }
                set(dst, src == 10 && size == Size::DW && now.contains(&offset));
            }
            Op::Store(..) if now.contains(&dst) => found.push(ContextAccess { slot, insn }),
            Op::Store(_, value) if dst == 10 => {
                set(offset, matches!(value, Operand::Reg(_)) && now.contains(&src))
            }
            Op::Alu { wide: true, op: AluOp::Mov, src: Operand::Reg(_) } => set(dst, now.contains(&src)),
            Op::Alu { .. } | Op::Swap { .. } => set(dst, false),
            Op::LoadImm64(_) => {
                set(dst, false);
                next = Some(slot + 2);
            }
            Op::Call(_) => (0..6).for_each(|register| set(register, false)),
            Op::Jump { .. } => target = Some(jump),
            Op::Goto => {
                target = Some(jump);
                next = None;
            }
            Op::Exit => next = None,
            _ => {}
        }
        for after in next.into_iter().chain(target) {
            before[after].get_or_insert_default().extend(&held);
        }
    }
    found
}

/// Every access to the context in every policy.
fn all_accesses() -> Vec<(String, ContextAccess)> {
    let all: Vec<_> = policy::objects()
        .into_iter()
        .flat_map(|(name, object)| {
            let accesses = context_accesses(&object.code);
            accesses.into_iter().map(move |access| (name.clone(), access))
        })
        .collect();
    assert!(all.len() > 500, "only {} accesses", all.len());
    all
}

fn loads(accesses: &[(String, ContextAccess)]) -> impl Iterator<Item = (&String, usize, Insn, Size)> {
    accesses.iter().filter_map(|(name, access)| match access.insn.op() {
        Op::Load(size) => Some((name, access.slot, access.insn, size)),
        _ => None,
    })
}

fn stores(accesses: &[(String, ContextAccess)]) -> impl Iterator<Item = (&String, usize, Insn)> {
    accesses.iter().filter_map(|(name, access)| match access.insn.op() {
        Op::Store(..) => Some((name, access.slot, access.insn)),
        _ => None,
    })
}

fn calls(object: &ObjectFile) -> BTreeSet<u32> {
    let number = |insn: &Insn| match insn.op() {
        Op::Call(id) => Some(id as u32),
        _ => None,
    };
    object.code.iter().filter_map(number).collect()
}

#[test]
fn the_reply_is_written_only_in_events_that_ask() {
    let offset = |field: &str| kernel_field(field).unwrap().offset as i16;
    // These policies assign the only other field that can be written.
    let assigning = ["written_field.tcp", "loss_response.tcp"];
    let may_write = |name: &str, to: i16| {
        to == offset("args") || (assigning.contains(&name) && to == offset("sk_txhash"))
    };
    for (name, slot, insn) in stores(&all_accesses()) {
        assert!(may_write(name, insn.off), "{name} writes something else at slot {slot}");
    }
    for (name, object) in policy::objects() {
        let manifest = object.manifest.clone().unwrap();
        let mut bench = Bench::new(object);
        for event in EVENTS.iter().filter(|event| event.name != "void") {
            let outcome = bench.fire(event.name);
            let has_rules = manifest.events.iter().any(|own| own == event.name);
            assert!(
                event.reply.is_some() && has_rules || bench.world.reply().is_none(),
                "{name}: {}",
                event.name
            );
            assert!(has_rules || outcome.calls.is_empty(), "{name}: {}", event.name);
        }
    }
}

#[test]
fn a_timeout_is_the_same_time_at_every_tick_rate() {
    for (hz, ticks) in [(100, 1u32), (250, 3), (1000, 10)] {
        let (source, analysis) = Policy::new("ticks.tcp", "on timeout_init -> 10ms\n").analyzed();
        let compiled = compile(&analysis.program, &source, &Options { hz, stats: false }).unwrap();
        let object = tcpc_compiler::object::read(&compiled.object).unwrap();
        assert_eq!(object.data[0].bytes[..4], ticks.to_le_bytes());
        assert_eq!(compiled.manifest.jiffies[0].nanos, 10_000_000);
    }
    assert_eq!(said("on timeout_init -> 10"), ["W0905"]);
}

#[test]
fn a_reply_of_zero_is_refused() {
    for text in ["on timeout_init -> 0ms", "on timeout_init -> 0", "on rwnd_init -> 0", "on base_rtt -> 0us"]
    {
        assert!(said(text).contains(&"E0412"), "{text}");
    }
}

#[test]
fn every_program_returns_one() {
    for (name, object) in policy::objects() {
        let code = &object.code;
        let targets: BTreeSet<usize> = code
            .iter()
            .enumerate()
            .filter(|(_, insn)| matches!(insn.op(), Op::Jump { .. } | Op::Goto))
            .map(|(slot, insn)| (slot as i64 + 1 + i64::from(insn.off)) as usize)
            .collect();
        for (slot, insn) in code.iter().enumerate().filter(|(_, insn)| insn.op() == Op::Exit) {
            assert_eq!(code[slot - 1], tcpc_compiler::bpf::insn::mov64_imm(0, 1), "{name}: {insn:?}");
            assert!(!targets.contains(&slot), "{name}: a jump to the exit itself");
        }
    }
}

#[test]
fn ports_are_whole_words_in_host_order() {
    let offsets = ["remote_port", "local_port"].map(|name| kernel_field(name).unwrap().offset as i16);
    for (name, slot, insn, size) in loads(&all_accesses()) {
        assert!(
            !(offsets[0]..offsets[1] + 4).contains(&insn.off) || offsets.contains(&insn.off),
            "{name}: {slot}"
        );
        assert_eq!(size.bytes(), field_at(insn.off as u16).unwrap().0.size, "{name}: {slot}");
    }
    let text = "on active_established when remote_port == 443 { mark = 1 }\n\
                on active_established when local_port == 443 { mark = 2 }\n\
                on active_established when remote_port > 442 { mark = 3 }\n";
    let mut bench = Bench::new(Policy::new("ports.tcp", text).object(false));
    for (local, remote, marks) in
        [(443u64, 443u64, vec![1, 2, 3]), (0xbb01, 0xbb01, vec![3]), (443, 442, vec![2])]
    {
        bench.give("local_port", Value::Number(local));
        bench.give("remote_port", Value::Number(remote));
        assert_eq!(bench.marks("active_established"), marks);
    }
}

/// They lie on IPv6 sockets. The local one is the only place of an IPv4 listener's address, though.
#[test]
fn the_ipv4_words_of_the_context_are_read_for_listeners_only() {
    let offset = |name| kernel_field(name).unwrap().offset as i16;
    let listening: BTreeSet<String> = policy::objects()
        .into_iter()
        .filter(|(_, object)| {
            object.manifest.as_ref().unwrap().events.iter().any(|event| event == "tcp_listen")
        })
        .map(|(name, _)| name)
        .collect();
    for (name, slot, insn, _) in loads(&all_accesses()) {
        assert_ne!(insn.off, offset("remote_ip4"), "{name}: slot {slot}");
        assert!(insn.off != offset("local_ip4") || listening.contains(name), "{name}: slot {slot}");
    }
    assert!(!said("on tcp_connect when remote_ip4 == 10.0.0.1 { mark = 1 }").is_empty());
    let text = "on tcp_listen when local_ip in 127.0.0.0/8 { count a }\n\
                test \"t\" { given local = 2001:db8::1 port 1, role = server fire tcp_listen expect counter a == 0 }\n";
    assert_eq!(tested(text), Status::Passed);
}

#[test]
fn an_ipv4_peer_of_an_ipv6_socket_is_ipv4() {
    let text = "on active_established when remote_ip in 10.0.0.0/8 and same_prefix(v4: 8) { mark = 1 }\n\
                on active_established when same_prefix(v6: 0) { mark = 2 }\n";
    let mut bench = Bench::new(Policy::new("mapped.tcp", text).object(false));
    bench.give("remote_ip", Value::Ip(MAPPED | 0x0a00_0001));
    bench.give("local_ip", Value::Ip(MAPPED | 0x0a00_0002));
    assert_eq!(bench.marks("active_established"), [1]);
    bench.world.sock.family = Some(AF_INET6);
    assert_eq!(bench.marks("active_established"), [1]);
}

#[test]
fn a_request_has_no_options_and_no_tcp_fields() {
    for (text, code) in [
        ("on timeout_init { mark = 1 }", "E0407"),
        ("on needs_ecn { mark = 1 }", "E0407"),
        ("on rwnd_init when rtt_min < 1ms -> 20", "E0403"),
        ("on timeout_init when role == client and rtt_min < 1ms -> 20ms", "E0403"),
        ("on rwnd_init when snd_cwnd < 10 -> 20", "W0907"),
    ] {
        assert!(said(text).contains(&code), "{text}: {:?}", said(text));
    }
}

#[test]
fn that_syn_cookies_silence_the_questions_is_documented() {
    let language = include_str!("../../docs/language.md");
    assert!(language.contains("With SYN cookies the server's kernel does not ask"));
}

#[test]
fn a_receive_buffer_that_comes_too_late_is_told() {
    assert!(said("on active_established { rcvbuf = 1MB }").contains(&"W0908"));
    assert!(said("on passive_established { rcvbuf = 1MB }").contains(&"W0908"));
    assert!(said("on tcp_connect { rcvbuf = 1MB }").is_empty());
    assert!(said("on tcp_listen { rcvbuf = 1MB }").is_empty());
}

#[test]
fn an_initial_window_that_comes_too_early_is_refused() {
    assert!(said("on tcp_connect { init_cwnd = 40 }").contains(&"E0408"));
    assert!(said("on tcp_listen { init_cwnd = 40 }").contains(&"E0408"));
    assert!(said("on established { init_cwnd = 40 }").is_empty());
}

#[test]
fn that_a_clamp_ends_slow_start_is_documented() {
    let note = option("cwnd_clamp").unwrap().note;
    assert!(note.contains("slow-start threshold"), "{note}");
}

#[test]
fn that_the_initial_receive_window_differs_by_side_is_documented() {
    let effect = event("rwnd_init").unwrap().reply.unwrap().effect;
    assert!(effect.contains("client can only shrink") && effect.contains("server can also"), "{effect}");
}

#[test]
fn that_a_short_timeout_shortens_the_whole_schedule_is_documented() {
    let effect = event("timeout_init").unwrap().reply.unwrap().effect;
    assert!(effect.contains("doubles from there"), "{effect}");
}

/// What the `test` block of a text comes to.
fn tested(text: &str) -> Status {
    let source = SourceFile::new("pitfall.tcp", text);
    let analysis = analyze(&source);
    assert!(analysis.is_valid(), "{:?}", analysis.diagnostics);
    let object = compile(&analysis.program, &source, &Options { hz: 250, stats: true }).unwrap().object;
    let report = run_tests(&object, &analysis.program, &source, None).unwrap();
    report.tests[0].status.clone()
}

#[test]
fn callback_flags_of_others_are_kept() {
    let text = "on rto { count a }\non retrans sample 100% { count b }\n\
                test \"t\" { given local = 10.0.0.1 port 1, remote = 10.0.0.2 port 2, bpf_sock_ops_cb_flags = 0x48\n\
                fire active_established expect bpf_sock_ops_cb_flags == 0x4b }\n";
    assert_eq!(tested(text), Status::Passed);
    let setter = helper("bpf_sock_ops_cb_flags_set").unwrap().id;
    for (name, object) in policy::objects() {
        let asks = object.manifest.iter().flat_map(|manifest| &manifest.events);
        let needed = asks.into_iter().any(|name| event(name).unwrap().flag != 0);
        assert_eq!(calls(&object).contains(&setter), needed, "{name}");
    }
    assert!(said("on tcp_listen { sock_ops_cb_flags = 1 }").contains(&"E0409"));
}

/// Accepted connections take over the flags of the listener: a policy sets there only what the SYN-ACK needs.
#[test]
fn listeners_get_no_callback_flags_of_connections() {
    let text = "on state, rtt { count a }\non parse_hdr_opt { count b }\n\
                test \"t\" { given local = 10.0.0.1 port 1, role = server\n\
                fire tcp_listen expect bpf_sock_ops_cb_flags == 0 }\n";
    assert_eq!(tested(text), Status::Passed);
    let text = "on state { count a }\non write_hdr_opt { count b }\n\
                test \"t\" { given local = 10.0.0.1 port 1, role = server\n\
                fire tcp_listen expect bpf_sock_ops_cb_flags == 0x40 }\n";
    assert_eq!(tested(text), Status::Passed);
}

#[test]
fn every_option_takes_its_own_unit() {
    let text = "on active_established {\n\
                rto_min = 5ms; delack_max = 10ms; user_timeout = 30s; keepidle = 2min; max_pacing_rate = 1MB/s\n\
                }\n";
    let mut bench = Bench::new(Policy::new("units.tcp", text).object(false));
    assert_eq!(bench.marks("active_established"), [5_000, 10_000, 30_000, 120, 1_000_000]);
    for text in [
        "on active_established { rto_min = 5000 }",
        "on active_established { user_timeout = 30 }",
        "on active_established { max_pacing_rate = 1000000 }",
    ] {
        assert!(said(text).contains(&"E0303"), "{text}: {:?}", said(text));
    }
    assert!(said("on active_established when srtt > 100 { mark = 1 }").contains(&"E0303"));
    let text =
        "on active_established when srtt < 3ms { mark = 1 }\non base_rtt -> 80us\non rwnd_init -> 40\n";
    let object = Policy::new("srtt.tcp", text).object(false);
    assert!(object.code.iter().any(|insn| insn.imm == 24_000), "3 ms are 24 000 eighths of a microsecond");
    assert!(object.code.iter().any(|insn| insn.imm == 80) && object.code.iter().any(|insn| insn.imm == 40));
}

#[test]
fn that_ecn_needs_both_ends_is_documented() {
    let effect = event("needs_ecn").unwrap().reply.unwrap().effect;
    assert!(effect.contains("unless its own policy also answers"), "{effect}");
}

/// The fast path shows no segment with unknown options to a program, so a policy that waits for one asks for the
/// callback of unknown options alone; all slow segments are asked for only where they are wanted.
#[test]
fn segments_are_parsed_only_for_what_is_waited_for() {
    let fire = |rules: &str, flags: u32| {
        tested(&format!(
            "option uto = kind 28 {{ minutes: u1, value: u15 }}\noption mss = kind 2 {{ size: u16 }}\n{rules}\n\
             test \"t\" {{ given local = 10.0.0.1 port 1, remote = 10.0.0.2 port 2\n\
             fire active_established expect bpf_sock_ops_cb_flags == {flags} }}\n"
        ))
    };
    assert_eq!(fire("receive uto { count a }", 0x20), Status::Passed);
    assert_eq!(fire("receive mss { count a }", 0x10), Status::Passed);
    assert_eq!(fire("on parse_hdr_opt { count a }", 0x10), Status::Passed);
    assert_eq!(fire("on tcp_connect { mark = 1 }", 0), Status::Passed);
}

#[test]
fn no_option_is_set_while_a_header_is_written() {
    for text in ["on hdr_opt_len { nodelay = true }", "on write_hdr_opt { nodelay = true }"] {
        assert!(said(text).contains(&"E0408"), "{text}");
    }
}

/// Room is asked for in one event and used in another, and the kernel computes the segment size in between: the same
/// room is reserved there.
#[test]
fn what_is_written_was_reserved() {
    let text = "option a = experimental 0xCC01 { x: u8 }\noption b = kind 100 { y: u32, z: u64 }\n\
                send a on established { x = 1 }\nsend b on established, syn when remote_port == 2 { y = 2 }\n";
    let object = Policy::new("room.tcp", text).object(false);
    let [reserve, store] = ["bpf_reserve_hdr_opt", "bpf_store_hdr_opt"].map(|name| helper(name).unwrap().id);
    let lengths = |id: u32, register: u8| {
        let is_call = |slot: &usize| object.code[*slot].op() == Op::Call(id as i32);
        let slots = (0..object.code.len()).filter(is_call);
        let length = slots.map(|slot| {
            let set = object.code[..slot].iter().rev().find(|insn| insn.dst == register).unwrap();
            assert!(matches!(set.op(), Op::Alu { src: Operand::Imm(_), .. }), "{set:?}");
            set.imm
        });
        length.collect::<std::collections::BTreeSet<i32>>()
    };
    assert_eq!(lengths(reserve, 2), [5, 14].into());
    assert_eq!(lengths(store, 3), [5, 14].into());
}

/// The first sample of the round trip and the change to `ESTABLISHED` come before the established events, where
/// the flags are set: no rule can depend on them.
#[test]
fn callbacks_before_the_connection_is_established_are_not_seen() {
    let fire = |event: &str, before: &str| {
        tested(&format!(
            "on rtt {{ count a }}\non state {{ count a }}\ntest \"t\" {{\n\
             given local = 10.0.0.1 port 1, remote = 10.0.0.2 port 2\n{before} fire {event} expect counter a == 1 }}\n"
        ))
    };
    for event in ["rtt", "state"] {
        assert!(matches!(fire(event, ""), Status::Errored { .. }), "{event}");
        assert_eq!(fire(event, "fire active_established"), Status::Passed);
    }
}

#[test]
fn a_congestion_control_is_named_for_the_loader_to_look_for() {
    let text = "on active_established { congestion = \"dctcp\" or \"cubic\" }\n";
    let uses = Policy::new("names.tcp", text).compile(false).manifest.congestion;
    let shown: Vec<_> =
        uses.iter().map(|one| (one.name.as_str(), one.has_fallback, one.place.line)).collect();
    assert_eq!(shown, [("dctcp", true, 1), ("cubic", false, 1)]);
}

/// Kernels 4.16 to 7.0 lose the context when a guarded member is loaded into the register that holds it.
#[test]
fn no_member_is_loaded_into_the_register_of_the_context() {
    let mut guarded = 0;
    for (name, slot, insn, _) in loads(&all_accesses()) {
        assert_ne!(insn.dst, insn.src, "{name}: slot {slot}");
        guarded += u32::from(field_at(insn.off as u16).unwrap().0.guard != Guard::Always);
    }
    assert!(guarded > 100, "only {guarded} guarded loads were seen");
}

/// Kernels before 6.4 refuse a store of an immediate to the context.
#[test]
fn the_context_is_stored_to_from_registers() {
    let accesses = all_accesses();
    for (name, slot, insn) in stores(&accesses) {
        assert!(matches!(insn.op(), Op::Store(Size::W, Operand::Reg(_))), "{name}: slot {slot}");
    }
    assert!(stores(&accesses).count() > 10);
}

/// A field that an older kernel lacks is refused wherever it is loaded, so no load may move before the question.
#[test]
fn nothing_newer_is_loaded_before_the_kernel_is_asked() {
    let arm = |more: &str| format!("if kernel has skb_hwtstamp and skb_hwtstamp > {more} {{ count late }}");
    let (one, other) = (arm("1s"), arm("2s"));
    let text = format!(
        "on active_established {{ if remote_port == 1 {{ {one} }} else if remote_port == 2 {{ {other} }} }}\n"
    );
    let asm = Policy::new("asked.tcp", text).compile(false).asm;
    let places = |what: &str| -> Vec<usize> {
        let lines = asm.lines().enumerate();
        lines.filter(|(_, line)| line.contains(what)).map(|(at, _)| at).collect()
    };
    let (asked, loaded) = (places(".rodata[kernel_has_skb_hwtstamp]"), places("; skb_hwtstamp"));
    assert!(!asked.is_empty() && asked.len() == loaded.len(), "{asm}");
    assert!(asked.iter().zip(&loaded).all(|(asked, loaded)| asked < loaded), "{asm}");
}
