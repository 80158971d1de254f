//! The words of the language: what stands where, with an example.
//!
//! Some can be no name; the others mean something only where they stand. `kernel has` is described with the features that
//! it asks for.

/// One word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// How it is written, as a pattern.
    pub written: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// A policy in which it stands.
    pub example: &'static str,
}

/// Every word, by what it is for: rules, statements, conditions, declarations, modules, tests.
#[rustfmt::skip]
pub const WORDS: &[Word] = &[
    Word { name: "on", written: "[NAME:] on EVENT, … [sample PERCENT] [when CONDITION] -> REPLY | { … }", doc: "Begins a rule for one event or several.", example: "quick: on timeout_init when remote_port == 443 -> 10ms" },
    Word { name: "when", written: "when CONDITION", doc: "The rule runs only where the condition holds.", example: "on rto when backoff > 2 { count late }" },
    Word { name: "sample", written: "sample PERCENT", doc: "In the head of a rule: it is for a share of the connections, drawn once for each.", example: "on rtt sample 1% { observe round_trip = srtt }" },
    Word { name: "send", written: "send OPTION on SEGMENTS [when CONDITION] { FIELD = VALUE … }", doc: "Begins a rule that puts a TCP header option into segments.", example: "option uto = kind 28 { minutes: u1, value: u15 }\nsend uto on syn, synack { value = 30 }" },
    Word { name: "receive", written: "receive OPTION [on SEGMENTS] [when CONDITION] { … }", doc: "Begins a rule for segments of the peer that carry a TCP header option.", example: "option uto = kind 28 { minutes: u1, value: u15 }\nreceive uto when uto.value > 0 { user_timeout = uto.value * 1s }" },
    Word { name: "default", written: "-> default", doc: "As a reply: the event ends, and the kernel decides as if there were no policy.", example: "on timeout_init when remote_port == 22 -> default\non timeout_init -> 10ms" },
    Word { name: "stop", written: "stop", doc: "Ends the event without a reply: later rules are not tried.", example: "on rto when backoff < 3 { stop }\non rto { congestion = \"cubic\" }" },
    Word { name: "if", written: "if CONDITION { … } else { … }, if CONDITION then VALUE else VALUE", doc: "Does one thing or another; as a value it is one or the other.", example: "on tcp_connect {\n    if remote_port == 443 { sndbuf = 1MB } else { sndbuf = 256KB }\n}" },
    Word { name: "then", written: "if CONDITION then VALUE else VALUE", doc: "Before the value that is taken if the condition holds.", example: "on tcp_connect { sndbuf = if remote_port == 443 then 1MB else 256KB }" },
    Word { name: "else", written: "if CONDITION { … } else { … }", doc: "What is done, or which value is taken, where the condition does not hold.", example: "on rto {\n    if backoff > 5 { count many } else if backoff > 2 { count some } else { count few }\n}" },
    Word { name: "count", written: "count NAME [by KEY]", doc: "Adds one to a counter, or to the counter of a key; `tcpc stats` shows it.", example: "on rto { count timeouts by remote_port }" },
    Word { name: "by", written: "count NAME by KEY, table NAME by KEY, experiment NAME by KEY", doc: "What a counter, a table or an experiment tells connections apart by.", example: "on active_established { count connections by remote_ip }" },
    Word { name: "observe", written: "observe NAME = VALUE", doc: "Puts a value into a histogram; `tcpc stats` draws it.", example: "on state when new_state == CLOSE { observe at_close = srtt }" },
    Word { name: "emit", written: "emit EVENT { FIELD = VALUE … }", doc: "Gives a record to user space; `tcpc watch` prints it.", example: "event closed { from: ip, lost: int }\non state when new_state == CLOSE { emit closed { from = remote_ip, lost = total_retrans } }" },
    Word { name: "and", written: "CONDITION and CONDITION", doc: "Both hold; the right side is not asked if the left one is false.", example: "on timeout_init when remote_port == 443 and same_prefix(24) -> 10ms" },
    Word { name: "or", written: "CONDITION or CONDITION, OPTION = VALUE or VALUE", doc: "One holds, or both. Between values of an option: the first that the kernel takes.", example: "on established when local_port == 443 or remote_port == 443 { congestion = \"bbr\" or \"cubic\" }" },
    Word { name: "not", written: "not CONDITION", doc: "The condition does not hold.", example: "on timeout_init when not remote_port in 8000..8999 -> 10ms" },
    Word { name: "in", written: "VALUE in SET", doc: "Whether a set, a prefix or a range has the value; after a parameter: its range.", example: "on timeout_init when remote_ip in 10.0.0.0/8 and remote_port in { 80, 443 } -> 10ms" },
    Word { name: "true", written: "true", doc: "Yes; the same as the condition that always holds.", example: "on needs_ecn when same_prefix(24) -> true" },
    Word { name: "false", written: "false", doc: "No.", example: "flow { lost: bool = false }\non rto { flow.lost = true }\non state when flow.lost and new_state == CLOSE { count lossy }" },
    Word { name: "const", written: "const NAME = VALUE", doc: "A name for a value that never changes.", example: "const BUF = 150KB\non tcp_connect { sndbuf = BUF }" },
    Word { name: "let", written: "let NAME = VALUE, let NAME(PARAMETERS) = VALUE", doc: "A name for a condition or a value, or a function, put in where it is used; in a block it is worked out once.", example: "let near = same_prefix(v4: 24, v6: 44)\nlet between(low, high) = srtt > low and srtt < high\non established when near and between(1ms, 10ms) { count near }" },
    Word { name: "set", written: "set NAME = { ELEMENTS }, set NAME from \"FILE\"", doc: "Addresses, prefixes, ports or numbers that are asked for with `in`, however many there are.", example: "set DC = { 10.0.0.0/8, 2001:db8::/32 }\non timeout_init when remote_ip in DC -> 10ms" },
    Word { name: "from", written: "set NAME from \"FILE\"", doc: "The elements of the set are the lines of a file.", example: "set BAD from \"nets.txt\"\non tcp_connect when remote_ip in BAD { mark = 7 }" },
    Word { name: "mutable", written: "mutable set NAME: prefix | ip | port max N", doc: "A set that an operator changes while the policy runs, with `tcpc set`.", example: "mutable set BLOCKED: prefix max 1000\non tcp_connect when remote_ip in BLOCKED { mark = 7 }" },
    Word { name: "param", written: "param NAME = VALUE in LOW..HIGH", doc: "A number that an operator can set when the policy is built or attached, and while it runs (`tcpc param set`).", example: "param patience = 10ms in 1ms..1s\non timeout_init -> patience" },
    Word { name: "flow", written: "flow { NAME: TYPE = VALUE … }", doc: "What is kept for each connection; read and changed as `flow.NAME`.", example: "flow { rtos: int = 0 }\non rto { flow.rtos += 1 }\non rto when flow.rtos > 3 { count lossy }" },
    Word { name: "table", written: "table NAME by KEYS max N [lru] [per_cpu] { NAME: TYPE … }", doc: "What is kept for each key, in a row that is made when it is first changed; read and changed as `NAME[KEY].CELL`.", example: "table nets by remote_ip/(24, 48) max 65536 lru { flows: int }\non active_established { nets[remote_ip].flows += 1 }\non rwnd_init when nets[remote_ip].flows > 100 -> 40" },
    Word { name: "max", written: "table … max N, mutable set … max N", doc: "How many rows or elements there can be.", example: "mutable set PORTS: port max 64\non tcp_connect when remote_port in PORTS { mark = 7 }" },
    Word { name: "lru", written: "table … max N lru { … }", doc: "A new row takes the place of the one that was used least recently; without it a full table takes no new rows, which is counted.", example: "table seen by remote_ip max 1024 lru { flows: int }\non active_established { seen[remote_ip].flows += 1 }" },
    Word { name: "per_cpu", written: "table … max N per_cpu { … }", doc: "Each CPU has rows of its own, which rules only add to; `tcpc table` shows the sums.", example: "table bytes by remote_port max 1024 per_cpu { sent: int }\non state when new_state == CLOSE { bytes[remote_port].sent += bytes_acked / 1B }" },
    Word { name: "event", written: "event NAME { FIELD: TYPE … }", doc: "Declares a kind of records for `emit`.", example: "event late { port: port, times: int }\non rto { emit late { port = remote_port, times = backoff } }" },
    Word { name: "option", written: "option NAME = kind N | experimental ID { FIELD: BITS … }", doc: "Declares a TCP header option: its kind, and its fields in the order of the wire.", example: "option want = experimental 0xCC01 { id: u8 }\nreceive want when want.id == 1 { congestion = \"cubic\" }" },
    Word { name: "kind", written: "option NAME = kind N { … }", doc: "The number that a TCP header option begins with.", example: "option uto = kind 28 { minutes: u1, value: u15 }\nsend uto on syn { value = 30 }" },
    Word { name: "experimental", written: "option NAME = experimental ID { … }", doc: "A TCP header option of kind 254, told from others by an identifier of 16 bits.", example: "option want = experimental 0xCC01 { id: u8 }\nsend want on syn { id = 1 }" },
    Word { name: "experiment", written: "experiment NAME by KEYS | connection { arm NAME { RULES } … split SHARES measure METRICS }", doc: "Puts connections into arms, and collects what becomes of them; `tcpc experiment report` compares the arms.", example: "experiment window by remote_ip/(24, 48) {\n    arm ten { on passive_established { init_cwnd = 10 } }\n    arm forty { on passive_established { init_cwnd = 40 } }\n    split 90/10\n    measure retransmit_rate, srtt\n}" },
    Word { name: "arm", written: "arm NAME { RULES }", doc: "The rules for some of the connections of an experiment.", example: "experiment cc by connection {\n    arm cubic { on established { congestion = \"cubic\" } }\n    arm reno { on established { congestion = \"reno\" } }\n    split 50/50\n    measure bytes\n}" },
    Word { name: "split", written: "split N/N…", doc: "The share of the connections that each arm of an experiment gets.", example: "experiment cc by connection {\n    arm cubic { on established { congestion = \"cubic\" } }\n    arm reno { on established { congestion = \"reno\" } }\n    split 99/1\n    measure bytes\n}" },
    Word { name: "measure", written: "measure METRIC, …", doc: "What an experiment collects of each connection when it is closed.", example: "experiment cc by connection {\n    arm cubic { on established { congestion = \"cubic\" } }\n    arm reno { on established { congestion = \"reno\" } }\n    split 50/50\n    measure retransmit_rate, srtt, bytes, duration\n}" },
    Word { name: "use", written: "use MODULE [as NAME] [{ NAMES }]", doc: "Makes the names of a module known: one of the standard library, or a file beside this one.", example: "use std::dc { same_dc }\non timeout_init when same_dc -> 10ms" },
    Word { name: "include", written: "include MODULE", doc: "As `use`; the module's rules become rules of this policy, in this place.", example: "include \"./base.tcp\"\non timeout_init when base::near -> 10ms" },
    Word { name: "as", written: "use MODULE as NAME", doc: "What stands in front of the module's names here.", example: "use std::dc as net\non timeout_init when net::inside -> 10ms" },
    Word { name: "test", written: "test \"NAME\" { STEPS }", doc: "What the policy must do; `tcpc test` runs it without a kernel, with `--kernel` also on real connections.", example: "on timeout_init -> 10ms\ntest \"any flow\" { fire timeout_init expect reply == 10ms }" },
    Word { name: "given", written: "given NAME = VALUE, …", doc: "In a test: how the connection, the kernel, or what the policy keeps is from now on.", example: "on timeout_init when remote_port == 443 -> 10ms\ntest \"https\" {\n    given remote = 198.51.100.1 port 443, role = client\n    fire timeout_init expect reply == 10ms\n}" },
    Word { name: "fails", written: "given OPTION [VALUE] fails ERROR", doc: "In a test: assigning the option fails with this error.", example: "on established { congestion = \"bbr\" or \"cubic\" }\ntest \"no bbr\" {\n    given congestion \"bbr\" fails ENOENT\n    fire active_established expect congestion == \"cubic\"\n}" },
    Word { name: "fire", written: "fire EVENT [{ ARGUMENT = VALUE … }]", doc: "In a test: raises an event.", example: "on rto when backoff > 2 { count late }\ntest \"the third timeout\" {\n    fire active_established\n    fire rto { backoff = 3 } expect counter late == 1\n}" },
    Word { name: "transmit", written: "transmit SEGMENT", doc: "In a test: a segment is sent, with the header options that the policy puts into it.", example: "option uto = kind 28 { minutes: u1, value: u15 }\nsend uto on syn { value = 30 }\ntest \"on the SYN\" {\n    fire tcp_connect\n    transmit syn expect sent(uto) and uto.value == 30\n}" },
    Word { name: "expect", written: "expect CONDITION", doc: "In a test: this must hold now, or the test fails.", example: "on tcp_connect { sndbuf = 1MB }\ntest \"the buffer\" { fire tcp_connect expect sndbuf == 1MB }" },
    Word { name: "advance", written: "advance DURATION", doc: "In a test: the clock moves.", example: "flow { since: duration = 0ns }\non active_established { flow.since = now() }\non rto when now() - flow.since > 10s { count old }\ntest \"an old connection\" {\n    fire active_established\n    advance 11s\n    fire rto expect counter old == 1\n}" },
    Word { name: "connection", written: "connection NAME { STEPS }, experiment NAME by connection", doc: "In a test: steps on another connection. In an experiment: each connection is drawn by itself.", example: "on active_established { count connections }\ntest \"two\" {\n    fire active_established\n    connection other { fire active_established }\n    expect counter connections == 2\n}" },
    Word { name: "counter", written: "counter NAME", doc: "In a test: how often a counter was counted.", example: "on rto { count timeouts }\ntest \"one\" { fire active_established; fire rto expect counter timeouts == 1 }" },
    Word { name: "rule", written: "rule NAME", doc: "In a test: how often a rule has fired.", example: "quick: on timeout_init -> 10ms\ntest \"it fires\" { fire timeout_init expect rule quick == 1 }" },
    Word { name: "observed", written: "observed NAME", doc: "In a test: how many values a histogram has.", example: "on rtt { observe round_trip = srtt }\ntest \"a sample\" { fire active_established; fire rtt expect observed round_trip == 1 }" },
    Word { name: "emitted", written: "emitted EVENT", doc: "In a test: how many records of a kind were given; `EVENT.FIELD` is a field of the last one.", example: "event late { times: int }\non rto { emit late { times = backoff } }\ntest \"a record\" {\n    fire active_established\n    fire rto { backoff = 2 } expect emitted late == 1 and late.times == 2\n}" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_stands_once_and_in_its_example() {
        for (index, word) in WORDS.iter().enumerate() {
            assert!(WORDS[..index].iter().all(|other| other.name != word.name), "{}", word.name);
            let is_part = |c: char| c.is_alphanumeric() || c == '_';
            let mut words = word.example.split(|c| !is_part(c));
            assert!(words.any(|part| part == word.name), "{}", word.name);
            assert!(word.written.contains(word.name) && word.doc.ends_with('.'), "{}", word.name);
        }
    }
}
