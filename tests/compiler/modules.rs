//! Policies of several files: which file a line is of, and what an object may depend on.

use tcpc_compiler::{Compiled, Options, compile, object};
use tcpc_lang::analyze;
use tcpc_lang::modules::load;
use tcpc_lang::source::SourceFile;

const POLICY: &str = "\
use \"./lib/nets.tcp\"
include \"./lib/base.tcp\"
include std::synrto
set DROP from \"lib/drop.txt\"
on tcp_connect when remote_ip in nets::OFFICE and not (remote_ip in DROP) { mark = 1 }
";
const BASE: &str = "\
# What all do.
table seen by remote_ip max 100 { flows: int }
web: on tcp_connect when remote_port == 443 {
    count web
    count by_peer by remote_ip
    observe port = remote_port / 2
    seen[remote_ip].flows += 1
}
on rto { count rtos }
";

/// The policy, built in a folder.
fn built(folder: &str) -> Compiled {
    let many: String = (0..3000).map(|number| format!("2001:db8:{number:x}::/48\n")).collect();
    let files = [
        (format!("{folder}lib/nets.tcp"), "set OFFICE = { 192.0.2.0/24 }\n".to_owned()),
        (format!("{folder}lib/base.tcp"), BASE.to_owned()),
        (format!("{folder}lib/drop.txt"), many),
    ];
    let source = load(SourceFile::new(format!("{folder}wan.tcp"), POLICY), files.as_slice());
    let analysis = analyze(&source);
    assert!(analysis.diagnostics.is_empty(), "{:#?}", analysis.diagnostics);
    compile(&analysis.program, &source, &Options { hz: 250, stats: true }).unwrap()
}

#[test]
fn lines_say_their_file() {
    let read = object::read(&built("").object).unwrap();
    let mut places: Vec<(String, u32, String)> = Vec::new();
    for line in read.lines {
        let place = (line.file, line.line, line.text);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places.sort();
    let shown: Vec<String> =
        places.iter().map(|(file, line, text)| format!("{file}:{line}: {text}")).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    lib/base.tcp:3: web: on tcp_connect when remote_port == 443 {
    lib/base.tcp:4:     count web
    lib/base.tcp:5:     count by_peer by remote_ip
    lib/base.tcp:6:     observe port = remote_port / 2
    lib/base.tcp:7:     seen[remote_ip].flows += 1
    lib/base.tcp:9: on rto { count rtos }
    std/synrto.tcp:4: on timeout_init when port == 55601 and same_prefix(44) -> 10ms
    wan.tcp:5: on tcp_connect when remote_ip in nets::OFFICE and not (remote_ip in DROP) { mark = 1 }
    ");
}

#[test]
fn the_manifest_says_the_file_of_a_module() {
    let manifest = built("").manifest;
    let rules: Vec<String> =
        manifest.rules.iter().map(|rule| format!("{} on {}", rule.name, rule.place)).collect();
    insta::assert_snapshot!(rules.join("\n"), @"
    base::web on line 3 of lib/base.tcp
    base::rto@9 on line 9 of lib/base.tcp
    synrto::timeout_init@4 on line 4 of std/synrto.tcp
    tcp_connect@5 on line 5
    ");
    assert_eq!(manifest.jiffies[0].place.to_string(), "line 4 of std/synrto.tcp");
    let text = serde_json::to_string(&manifest.rules.last().unwrap()).unwrap();
    assert!(text.contains("\"line\":5") && !text.contains("\"file\""), "{text}");
}

#[test]
fn the_folder_of_several_files_does_not_matter() {
    assert_eq!(built("").object, built("/some/where/else/").object);
}

#[test]
fn symbols_are_names_in_c() {
    let read = object::read(&built("").object).unwrap();
    let symbols = read.data.iter().flat_map(|section| section.symbols.iter().map(|(name, ..)| name.clone()));
    let names: Vec<String> = symbols.chain(read.maps.iter().map(|map| map.name.clone())).collect();
    assert!(names.iter().any(|name| name == "count_base__web"), "{names:?}");
    for name in names {
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
    }
}
