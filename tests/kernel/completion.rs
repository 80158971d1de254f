//! What bash completes of attached policies, by the function that `tcpc completions bash` prints.

use std::process::Command;

use super::commands::{shown, tcpc};
use super::lab::lab;
use super::watch::attach;

const POLICY: &str = "\
param syn_rto: duration = 20ms in 1ms..10s
param fast = true
mutable set PARTNERS: prefix max 16 = { 192.0.2.0/24, 198.51.100.0/24 }
mutable set PORTS: port max 16
table peers by remote_ip max 8 { opened: int }
event opened { peer: ip, window: packets }
event closed { peer: ip, srtt: duration }
experiment first by connection {
    arm one { on passive_established { init_cwnd = 10 } }
    arm two { on passive_established { init_cwnd = 20 } }
    measure srtt
}
on timeout_init when fast and remote_ip in PARTNERS -> syn_rto
on active_established when remote_port in PORTS {
    peers[remote_ip].opened += 1
    emit opened { peer = remote_ip, window = snd_cwnd }
}
on state when new_state == CLOSE { emit closed { peer = remote_ip, srtt = srtt } }
";

/// What bash would put in the place of the last word, or of what follows its last `:` or `=`.
fn completed(line: &str) -> Vec<String> {
    let script = "source <(\"$TCPC\" completions bash)\n\
                  COMP_LINE=$LINE COMP_POINT=${#LINE}\n\
                  _tcpc\n\
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["-c", script])
        .env("TCPC", env!("CARGO_BIN_EXE_tcpc"))
        .env("LINE", line)
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found: Vec<String> = text.lines().filter(|one| !one.is_empty()).map(str::to_owned).collect();
    found.sort();
    found
}

#[test]
fn bash_completes_the_names_of_what_is_attached() {
    let Some(lab) = lab() else { return };
    let (here, there) = (shown(&lab.client.cgroup), shown(&lab.server.cgroup));
    attach(&lab.client, "shop", POLICY);
    attach(&lab.client, "other", "param other_knob = 1 in 0..9\non active_established { mark = other_knob }");
    attach(&lab.server, "plain", "on active_established { count seen }");
    let check = |line: &str, expected: &[&str]| assert_eq!(completed(line), expected, "{line}");
    check(&format!("tcpc stats --cgroup {here} "), &["other", "shop"]);
    check(&format!("tcpc stats --cgroup {here} o"), &["other"]);
    check(&format!("tcpc detach {there} "), &["plain"]);
    check(&format!("tcpc param get --cgroup {here} --policy shop "), &["fast", "syn_rto"]);
    check(&format!("tcpc param get --cgroup {here} "), &["fast", "other_knob", "syn_rto"]);
    check(&format!("tcpc param set --cgroup {here} sy"), &["syn_rto="]);
    check(&format!("tcpc set add --cgroup {here} "), &["PARTNERS", "PORTS"]);
    check(&format!("tcpc set del --cgroup {here} PARTNERS 1"), &["192.0.2.0/24", "198.51.100.0/24"]);
    check(&format!("tcpc table dump --cgroup {here} "), &["peers"]);
    check(&format!("tcpc experiment report --cgroup {here} "), &["first"]);
    check(&format!("tcpc watch --cgroup {here} shop "), &["closed", "opened"]);
    check(&format!("tcpc watch --cgroup {here} shop opened --filter "), &["peer", "window"]);
    let cgroups = completed("tcpc stats --cgroup ");
    assert!([here, there].iter().all(|one| cgroups.iter().any(|known| known == one)), "{cgroups:?}");
    // What it completes is what the command takes.
    assert_eq!(tcpc(&["param", "set", "syn_rto=30ms", "--policy", "shop", "--cgroup", here]).0, Some(0));
}

#[test]
fn names_of_modules_are_completed_behind_their_colons() {
    let Some(lab) = lab() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("base.tcp"), "param window: packets = 20 in 2..100\non rwnd_init -> window\n")
        .unwrap();
    std::fs::write(
        file("top.tcp"),
        "include \"./base.tcp\"\nparam wide = true\non rwnd_init when wide -> 30\n",
    )
    .unwrap();
    let cgroup = shown(&lab.client.cgroup);
    let top = file("top.tcp");
    let attach = format!("tcpc attach {cgroup} {} --set ", shown(&top));
    assert_eq!(completed(&attach), ["base::window=", "wide="]);
    assert_eq!(tcpc(&["attach", cgroup, shown(&top), "--set", "base::window=25"]).0, Some(0));
    let set = format!("tcpc param set --cgroup {cgroup} ");
    assert_eq!(completed(&format!("{set}b")), ["base::window="]);
    // bash has taken the word apart at its colons, and puts in only what comes after them.
    assert_eq!(completed(&format!("{set}base::")), ["window="]);
    assert_eq!(completed(&format!("{set}base::w")), ["window="]);
}
