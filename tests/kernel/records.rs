//! `tcpc watch` on policies that an earlier process attached, while real connections come and go.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::commands::{shown, tcpc};
use super::lab::{Lab, PORT, Pair, Side, lab, say};
use super::probes::{connect, dial, listen};
use super::watch::{attach, count};

const POLICY: &str = "\
event opened { peer: ip, port: port, window: size, family: family, local: bool }
event closed { peer: ip, from: state, got: size, srtt: duration }
on active_established {
    emit opened {
        peer = remote_ip, port = remote_port, window = snd_cwnd * mss_cache, family = family
        local = remote_ip in 10.0.0.0/8
    }
}
on state when new_state == CLOSE {
    emit closed { peer = remote_ip, from = old_state, got = bytes_received, srtt = srtt }
}
";

/// `tcpc watch` on the policies of a side, as another process.
fn watching(side: &Side, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tcpc"))
        .args(["watch", "--cgroup", shown(&side.cgroup)])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What it printed when it ended: the documents, and whether it ended well.
fn documents(child: Child) -> Vec<Value> {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn interrupt(child: &Child) {
    let done = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(done.success());
}

#[test]
fn records_of_before_and_of_now_are_printed_with_their_fields() {
    let Some(lab) = lab() else { return };
    attach(&lab.client, "shop", POLICY);
    // Nobody watches yet: the buffer keeps it.
    connect(&lab, Pair::V6Far);
    let child = watching(&lab.client, &["shop", "opened", "--format", "json", "--count", "2"]);
    connect(&lab, Pair::V4);
    let found = documents(child);
    let [first, second, end] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(first["event"], "opened");
    assert_eq!(first["fields"]["peer"], lab.server.address(Pair::V6Far).to_string());
    assert_eq!(first["fields"]["family"], "ipv6");
    let mss = second["fields"]["window"].as_u64().unwrap() / 10;
    assert!((1300..1500).contains(&mss), "{mss}");
    assert_eq!(
        second["fields"],
        json!({ "peer": lab.server.address(Pair::V4).to_string(), "port": PORT, "window": mss * 10,
                "family": if first["fields"]["family"] == second["fields"]["family"] { "ipv6" } else { "ipv4" },
                "local": true })
    );
    assert_eq!(*end, json!({ "records": 2, "lost": {} }));
    // As a clock on the wall shows it, to the day.
    let now = Command::new("date").args(["-u", "+%Y-%m-%dT"]).output().unwrap();
    let today = String::from_utf8(now.stdout).unwrap();
    assert!(first["time"].as_str().unwrap().starts_with(today.trim()), "{first}");
}

#[test]
fn filters_choose_and_ctrl_c_ends_with_a_summary() {
    let Some(lab) = lab() else { return };
    attach(&lab.client, "shop", POLICY);
    let filter = format!("peer={}", lab.server.address(Pair::V4));
    let mut child = watching(&lab.client, &["shop", "closed", "--filter", &filter, "--filter", "got>=5B"]);
    for pair in [Pair::V6, Pair::V4, Pair::V6Far] {
        connect(&lab, pair);
    }
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.contains(&format!("Z closed peer={} from=", lab.server.address(Pair::V4))), "{line}");
    // Five bytes and the end.
    assert!(line.contains(" got=6B srtt="), "{line}");
    interrupt(&child);
    let (mut rest, mut notes) = (String::new(), String::new());
    out.read_to_string(&mut rest).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut notes).unwrap();
    assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(0), ""));
    assert_eq!(notes, "1 record, 0 lost\n");
}

#[test]
fn only_one_process_reads_a_policy() {
    let Some(lab) = lab() else { return };
    attach(&lab.client, "shop", POLICY);
    attach(&lab.server, "plain", "on active_established { count seen }");
    connect(&lab, Pair::V4);
    let mut child = watching(&lab.client, &[]);
    let mut first = String::new();
    // It watches once it has printed something.
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    let cgroup = shown(&lab.client.cgroup);
    let (code, _, told) = tcpc(&["watch", "--cgroup", cgroup, "--for", "10ms"]);
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("error[E0754]"), "{told}");
    interrupt(&child);
    assert!(child.wait().unwrap().success());
    assert_eq!(tcpc(&["watch", "--cgroup", cgroup, "--for", "10ms"]).0, Some(0));

    let refused = |arguments: &[&str], code: i32, expected: &str| {
        let (exit, _, err) = tcpc(arguments);
        assert_eq!(exit, Some(code), "{err}");
        assert!(err.contains(expected), "{err}");
    };
    refused(&["watch", "--cgroup", shown(&lab.server.cgroup)], 3, "error[E0753]");
    refused(&["watch", "shop", "close", "--cgroup", cgroup], 2, "did you mean `closed`?");
    refused(&["watch", "shop", "--cgroup", cgroup, "--filter", "srt=1ms"], 2, "did you mean `srtt`?");
    refused(&["watch", "shop", "--cgroup", cgroup, "--filter", "srtt=1KB"], 2, "error[E0755]");
}

#[test]
fn a_policy_that_is_detached_ends_the_watch() {
    let Some(lab) = lab() else { return };
    attach(&lab.client, "shop", POLICY);
    connect(&lab, Pair::V4);
    let mut child = watching(&lab.client, &["shop", "--format", "json"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(tcpc(&["detach", shown(&lab.client.cgroup), "shop"]).0, Some(0));
    out.read_to_string(&mut line).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(line.contains("\"records\":"), "{line}");
}

/// Eight records for each acknowledgement that measures a round trip, as the policy counts them.
fn flood() -> String {
    let one = "emit burst { srtt = srtt, cwnd = snd_cwnd, peer = remote_ip } count total\n";
    format!("event burst {{ srtt: duration, cwnd: packets, peer: ip }}\non rtt {{ {} }}", one.repeat(8))
}

/// Sends as much as there is room for, until the time is over.
fn stream(lab: &Lab, time: Duration) {
    let listener = listen(lab, Pair::V4);
    let mut client = dial(&lab.client, lab, Pair::V4);
    let (mut server, _) = listener.accept().unwrap();
    client.set_nodelay(true).unwrap();
    let reading = std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while server.read(&mut buffer).unwrap() > 0 {}
    });
    let end = Instant::now() + time;
    let chunk = [7; 1000];
    while Instant::now() < end {
        client.write_all(&chunk).unwrap();
    }
    drop(client);
    reading.join().unwrap();
}

/// What was read and what was lost, of what was given.
fn accounted(lab: &Lab, time: Duration, mut during: impl FnMut(&Child)) -> (u64, u64, u64) {
    let pins = attach(&lab.client, "flood", &flood());
    let mut child = watching(&lab.client, &["flood", "--format", "json"]);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let reading = std::thread::spawn(move || {
        let mut summary = Value::Null;
        let (mut line, mut lines) = (String::new(), 0u64);
        while out.read_line(&mut line).unwrap() > 0 {
            if line.starts_with("{\"event\"") {
                lines += 1;
            } else {
                summary = serde_json::from_str(&line).unwrap();
            }
            line.clear();
        }
        (lines, summary)
    });
    for _ in 0..2 {
        stream(lab, time / 2);
        during(&child);
    }
    interrupt(&child);
    let (lines, summary) = reading.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(summary["records"], lines, "{summary}");
    let lost = tcpc_loader::counters(&pins).unwrap().lost[0].1;
    // What came before the watch began was lost before it too, if at all.
    assert!(summary["lost"]["burst"].as_u64().unwrap_or(0) <= lost, "{summary} {lost}");
    let given = count(&pins, "total");
    let left = left_behind(&lab.client);
    (lines + left, lost, given)
}

/// Records that came after the end of the watch.
fn left_behind(side: &Side) -> u64 {
    let child = watching(side, &["flood", "--format", "json", "--for", "100ms"]);
    documents(child).last().unwrap()["records"].as_u64().unwrap()
}

#[test]
fn every_record_is_read_or_counted_as_lost() {
    let Some(lab) = lab() else { return };
    let (read, lost, given) = accounted(&lab, Duration::from_secs(1), |_| {});
    assert_eq!(read + lost, given);
    assert!(given > 1000, "{given}");
}

#[test]
fn records_without_a_reader_fill_the_buffer_and_are_counted() {
    let Some(lab) = lab() else { return };
    let pins = attach(&lab.client, "flood", &flood());
    stream(&lab, Duration::from_secs(1));
    let (given, lost) = (count(&pins, "total"), tcpc_loader::counters(&pins).unwrap().lost[0].1);
    assert!(lost > 0, "{given}");
    let (_, _, err) = tcpc(&["watch", "--cgroup", shown(&lab.client.cgroup), "--for", "10ms"]);
    assert!(err.starts_with(&format!("lost before: burst {lost}\n")), "{err}");
    assert!(err.ends_with(&format!("{} records, 0 lost\n", given - lost)), "{err}");
    let (_, out, _) = tcpc(&["stats", "--cgroup", shown(&lab.client.cgroup)]);
    assert!(out.contains("records lost") && out.contains(&lost.to_string()), "{out}");
}

#[test]
fn the_size_of_the_buffer_can_be_chosen() {
    let Some(lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("flood.tcp");
    std::fs::write(&policy, flood()).unwrap();
    let cgroup = shown(&lab.client.cgroup);
    let kept = |size: &str| {
        let (code, _, err) = tcpc(&["attach", cgroup, shown(&policy), "--ring-size", size]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        stream(&lab, Duration::from_millis(500));
        let (code, out, _) = tcpc(&["watch", "--cgroup", cgroup, "--format", "json", "--for", "10ms"]);
        assert_eq!((code, tcpc(&["detach", cgroup]).0), (Some(0), Some(0)));
        out.lines().filter(|line| line.starts_with("{\"event\"")).count() as u64
    };
    // A record has 48 bytes and 8 in front; the size is rounded up to a power of two.
    let (small, large) = (kept("64KiB"), kept("100KB"));
    assert_eq!((small, large), ((64 << 10) / 56, (128 << 10) / 56));

    let (code, _, err) = tcpc(&["attach", cgroup, shown(&policy), "--ring-size", "1KiB"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("a size from `64KiB` to `1GiB` is needed"), "{err}");
    let (code, _, err) = tcpc(&["attach", cgroup, "std::clamp", "--ring-size", "1MiB"]);
    assert_eq!(code, Some(3));
    assert!(err.contains("error[E0753]") && err.contains("gives no records"), "{err}");
}

/// Kilobytes that a process has in memory.
fn resident(child: &Child) -> u64 {
    let path = Path::new("/proc").join(child.id().to_string()).join("status");
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "takes 20 seconds and all of a processor"]
fn fifty_thousand_records_a_second_lose_nothing_unreported() {
    let Some(lab) = lab() else { return };
    let time = Duration::from_secs(20);
    let mut memory = Vec::new();
    let (read, lost, given) = accounted(&lab, time, |child| memory.push(resident(child)));
    let each = |number: u64| number / time.as_secs();
    let [each_given, each_read, each_lost] = [given, read, lost].map(each);
    say(&format!(
        "each second {each_given} given, {each_read} read, {each_lost} lost; in memory {memory:?} KB"
    ));
    assert_eq!(read + lost, given);
    assert!(each_given > 50_000);
    assert!(memory[1] < memory[0] + 512 && memory[1] < 32 << 10, "{memory:?}");
}
