//! What counting costs: `cargo bench --bench counting`, as root on Linux.
//!
//! Programs that count each of their runs in different ways are attached in turn to a cgroup that this
//! program makes and joins; then connections to 127.0.0.0/8 are opened and closed. The kernel times each
//! run of a program. Results are in `docs/counting.md`.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod statements;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use aya::maps::{Array, Map, MapData, PerCpuArray};
use aya::programs::{ProgramInfo, loaded_programs};
use aya::sys::{Stats, enable_stats};
use tcpc_compiler::bpf::insn::*;
use tcpc_compiler::bpf::{AluOp, Insn, JmpOp, Size};
use tcpc_compiler::object::{
    DataType, Global, Line, MapKind, MapSpec, ObjectSpec, Relocation, Target, write,
};
use tcpc_compiler::{Options, compile};
use tcpc_lang::{analyze, source::SourceFile};
use tcpc_loader::{AttachRequest, attach, cgroup2_mount, detach};
use tcpc_stdlib::helper::helper;
use tcpc_stdlib::kernel::RETURN_OK;
use tcpc_stdlib::manifest::{FORMAT, Manifest};

const ROUNDS: usize = 15;
const CONNECTIONS: usize = 2_000;
const THREADS: &[usize] = &[1, 2];

/// The cost of one count is below what can be timed in one run: these many in one run show it.
const COUNTS: usize = 100;

/// A way to count.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Not,
    Atomic,
    Plain,
    PerCpu,
    PerCpuAtomic,
}

const WAYS: &[(Way, &str)] = &[
    (Way::Not, "not at all"),
    (Way::Atomic, ".bss, atomic add"),
    (Way::Plain, ".bss, plain add"),
    (Way::PerCpu, "per-CPU array, plain add"),
    (Way::PerCpuAtomic, "per-CPU array, atomic add"),
];

fn main() {
    let group = Group::join();
    let _timing = enable_stats(Stats::RunTime).unwrap();
    if std::env::args().all(|argument| argument != "statements") {
        ways(&group);
    }
    statements::run(&group);
}

/// Prints what each way to count costs.
fn ways(group: &Group) {
    let objects: Vec<[Vec<u8>; 2]> =
        WAYS.iter().map(|(way, _)| [1, COUNTS].map(|times| write(&program(*way, times)).unwrap())).collect();
    let policies = [false, true].map(policy_object);
    let mut batch = 0;
    for threads in THREADS {
        println!("\n{threads} thread(s), {CONNECTIONS} connections each, medians of {ROUNDS} rounds\n");
        let mut measure = |object: &[u8], way| {
            batch += 1;
            measure(group, object, way, *threads, batch)
        };
        let mut times = vec![[Vec::new(), Vec::new()]; WAYS.len() + 1];
        let mut lost = vec![0; WAYS.len()];
        for _ in 0..ROUNDS {
            for (index, (way, _)) in WAYS.iter().enumerate() {
                for (column, object) in objects[index].iter().enumerate() {
                    let (time, runs, counted) = measure(object, *way);
                    times[index][column].push(time / runs as f64);
                    let expected = runs * [1, COUNTS as u64][column];
                    lost[index] += counted.map_or(0, |counted| expected as i64 - counted as i64);
                }
            }
            for (column, object) in policies.iter().enumerate() {
                let (time, runs, _) = measure(object, Way::Not);
                times[WAYS.len()][column].push(time / runs as f64);
            }
        }
        let medians: Vec<[f64; 2]> = times.into_iter().map(|pair| pair.map(median)).collect();
        println!("| counted | slots | ns a run | ns a count | lost |\n| --- | --- | --- | --- | --- |");
        for (index, (way, name)) in WAYS.iter().enumerate() {
            let slots = program(*way, 2).code.len() - program(*way, 1).code.len();
            let [once, often] = medians[index];
            let each = (often - medians[0][1]) / COUNTS as f64;
            println!("| {name} | {slots} | {once:.1} | {each:.2} | {} |", lost[index]);
        }
        let [without, with] = medians[WAYS.len()];
        println!("\n`appendix_a`: {without:.1} ns a run without counting, {with:.1} ns with it");
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Nanoseconds, runs, and how many of them were counted.
fn measure(group: &Group, object: &[u8], way: Way, threads: usize, batch: usize) -> (f64, u64, Option<u64>) {
    let request = AttachRequest {
        cgroup: group.path.clone(),
        object: object.into(),
        name: None,
        allow_root: false,
        parameters: Vec::new(),
        ring_bytes: None,
    };
    let attached = attach(request).unwrap();
    let workers: Vec<_> = (0..threads).map(|one| thread::spawn(move || connect(batch * 10 + one))).collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap().unwrap());
    let info = info(attached.program_id);
    let counted = counted(&info, way);
    detach(&group.path, Some(&attached.name)).unwrap();
    (info.run_time().as_nanos() as f64, info.run_count(), counted)
}

fn info(id: u32) -> ProgramInfo {
    loaded_programs().map(|info| info.unwrap()).find(|info| info.id() == id).unwrap()
}

/// Each batch goes to an address of its own, so that ports of closed connections can be taken again.
fn connect(batch: usize) -> io::Result<()> {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + batch as u32);
    let listener = TcpListener::bind((address, 0))?;
    let target = listener.local_addr()?;
    for _ in 0..CONNECTIONS {
        let client = TcpStream::connect(target)?;
        let (server, _) = listener.accept()?;
        drop((client, server));
    }
    Ok(())
}

/// A program that counts each run so many times.
fn program(way: Way, times: usize) -> ObjectSpec {
    let mut spec = ObjectSpec {
        weak_calls: false,
        name: "counting".into(),
        code: Vec::new(),
        relocations: Vec::new(),
        lines: vec![Line { slot: 0, file: 0, line: 1, column: 1 }],
        maps: Vec::new(),
        rodata: Vec::new(),
        data: Vec::new(),
        bss: Vec::new(),
        sources: vec![("counting.tcp".into(), "# Counts its runs.\n".into())],
        manifest: Manifest { format: FORMAT, policy: "counting".into(), ..Manifest::default() },
    };
    match way {
        Way::Not => {}
        Way::Atomic | Way::Plain => {
            spec.bss = vec![Global { name: "hits".into(), ty: DataType::U64, bytes: Vec::new() }];
        }
        Way::PerCpu | Way::PerCpuAtomic => {
            spec.maps = vec![MapSpec {
                name: "hits".into(),
                kind: MapKind::PerCpuArray,
                key: DataType::U32,
                value: DataType::U64,
                max_entries: 1,
            }];
        }
    }
    for _ in 0..times {
        count(&mut spec, way);
    }
    spec.code.extend([mov64_imm(0, RETURN_OK), exit()]);
    spec
}

fn count(spec: &mut ObjectSpec, way: Way) {
    let add = |pointer| add_one(pointer, matches!(way, Way::Atomic | Way::PerCpuAtomic));
    match way {
        Way::Not => {}
        Way::Atomic | Way::Plain => {
            spec.relocations.push(Relocation { slot: spec.code.len(), target: Target::Bss(0) });
            spec.code.extend(ld_imm64(1, 0, 0));
            spec.code.extend(add(1));
        }
        Way::PerCpu | Way::PerCpuAtomic => {
            spec.code.extend([st_imm(Size::W, 10, -4, 0), mov64_reg(2, 10), alu64_imm(AluOp::Add, 2, -4)]);
            spec.relocations.push(Relocation { slot: spec.code.len(), target: Target::Map(0) });
            spec.code.extend(ld_imm64(1, 0, 0));
            spec.code.push(call(helper("bpf_map_lookup_elem").unwrap().id));
            spec.code.push(jmp_imm(JmpOp::Eq, 0, 0, add(0).len() as i16));
            spec.code.extend(add(0));
        }
    }
}

/// Adds one to the number that a register points to.
fn add_one(pointer: u8, atomic: bool) -> Vec<Insn> {
    if atomic {
        return vec![mov64_imm(2, 1), atomic_add(Size::DW, pointer, 2, 0)];
    }
    vec![ldx(Size::DW, 2, pointer, 0), alu64_imm(AluOp::Add, 2, 1), stx(Size::DW, pointer, 2, 0)]
}

/// What a program has counted, in its only map.
fn counted(info: &ProgramInfo, way: Way) -> Option<u64> {
    let map = || MapData::from_id(info.map_ids().unwrap()?[0]).ok();
    match way {
        Way::Not => None,
        Way::Atomic | Way::Plain => {
            let array: Array<_, u64> = Map::Array(map()?).try_into().unwrap();
            array.get(&0, 0).ok()
        }
        Way::PerCpu | Way::PerCpuAtomic => {
            let array: PerCpuArray<_, u64> = Map::PerCpuArray(map()?).try_into().unwrap();
            Some(array.get(&0, 0).unwrap().iter().sum())
        }
    }
}

fn policy_object(stats: bool) -> Vec<u8> {
    let policy = tcpc_stdlib::policies::policy("appendix_a").unwrap();
    let source = SourceFile::new("appendix_a.tcp", policy.text);
    let analysis = analyze(&source);
    compile(&analysis.program, &source, &Options { hz: 1000, stats }).unwrap().object
}

/// A cgroup of this program's own, which it leaves and removes at the end.
struct Group {
    path: PathBuf,
    home: PathBuf,
}

impl Group {
    fn join() -> Group {
        let mount = cgroup2_mount().unwrap().unwrap();
        let table = fs::read_to_string("/proc/self/cgroup").unwrap();
        let home = mount.join(table.lines().find_map(|line| line.strip_prefix("0::/")).unwrap());
        let path = mount.join(format!("tcpc-bench-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let group = Group { path, home };
        enter(&group.path);
        group
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = detach(&self.path, None);
        enter(&self.home);
        fs::remove_dir(&self.path).unwrap();
    }
}

fn enter(cgroup: &Path) {
    fs::write(cgroup.join("cgroup.procs"), std::process::id().to_string()).unwrap();
}
