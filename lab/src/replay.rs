//! The events of real sockets, given to the model of the kernel: what it does with the same bytes must be what the
//! kernel did.
//!
//! The policy's data go on from one event to the next in the model, as in the kernel; the socket is set up anew for
//! each, as the first half of its record shows it.

use std::collections::HashMap;

use tcpc_lang::hir::{Assignment, ExprKind, Given, Program, Role, Value};
use tcpc_lang::show::show_value;
use tcpc_runtime::kept::Kept;
use tcpc_runtime::mock::kernel::Failure;
use tcpc_runtime::mock::{MockSock, options};
use tcpc_runtime::scenario::{Bench, Engine};
use tcpc_stdlib::event::Sock;
use tcpc_stdlib::field::{Availability, FIELDS, Field, field};
use tcpc_stdlib::header::{kernel_kind, segment_with};
use tcpc_stdlib::kernel::errno_number;

use crate::host::Host;
use crate::numbers::{Numbers, counted, differing, since};
use crate::reads::COUNTED_ON_ARRIVAL;
use crate::recorder::{Seen, readable_options};

/// A difference between what the kernel did in an event and what the model does.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The event's name.
    pub event: String,
    /// What differs: `reply`, a field, an option, a symbol of the policy's counters.
    pub what: String,
    /// In the kernel.
    pub kernel: String,
    /// In the model.
    pub model: String,
    /// What ran the policy in the model: its bytes, or its meaning.
    pub by: String,
}

/// What changes within an event when a policy sets `nodelay`: the kernel then sends what it held back. The send buffer
/// may grow, too.
const SENT: &[&str] = &[
    "snd_nxt",
    "snd_una",
    "rcv_nxt",
    "packets_out",
    "segs_out",
    "data_segs_out",
    "bytes_acked",
    "bytes_received",
    "delivered",
];

/// The byte of a TCP header whose upper half is its length in words of four bytes.
const DATA_OFFSET: usize = 12;
/// What follows a low water mark: how much room the kernel makes for it depends on segments that came in long before.
const ROOM: &[&str] = &["rcvbuf", "window_clamp"];

/// What the record of an event does not say of its connection.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Which end has the policy.
    pub role: Role,
    /// The service class of the SYN, if it was marked.
    pub service: Option<u8>,
    /// The TCP header options of the other end's first segment.
    pub headers: Vec<Vec<u8>>,
}

/// The model of one attached policy, whatever runs the policy there.
pub struct Replay<'a, E> {
    bench: Bench<'a, E>,
    host: &'a Host,
    /// Who runs the policy, for people.
    by: &'static str,
    /// The sockets of earlier events, by their cookies.
    socks: HashMap<u64, MockSock>,
    /// The last one that began to listen.
    listener: MockSock,
    counted: Numbers,
    /// Whether the policy may send what was held back.
    sends: bool,
}

impl<'a, E: Engine> Replay<'a, E> {
    /// A model that nothing happened in yet.
    pub fn new(program: &'a Program, engine: E, by: &'static str, host: &'a Host) -> Replay<'a, E> {
        let mut bench = Bench::new(program, engine);
        bench.world.kernel = host.model();
        bench.world.kernel.failures = failures(program, host);
        let counted = counted(&bench.kept(), program);
        let sends = program.assignments.iter().any(|one| one.option.name == "nodelay");
        Replay { sends, bench, host, by, socks: HashMap::new(), listener: MockSock::default(), counted }
    }

    /// All that the policy keeps in the model.
    pub fn kept(&self) -> Kept {
        self.bench.kept()
    }

    /// Sets what an operator set, or what a test did to what the policy remembers of the connection with this cookie.
    ///
    /// # Errors
    /// In words: there is no such thing.
    pub fn give(&mut self, given: &Given, cookie: u64) -> Result<(), String> {
        if matches!(given, Given::Param(..) | Given::Has(..) | Given::Cell(..)) {
            self.bench.world.sock = MockSock::new(cookie);
            self.bench.give(given)?;
        }
        Ok(())
    }

    /// Gives the model an event of a socket of this end, and compares; `added` is what the event added to the policy's
    /// counters in the kernel, if that is known.
    ///
    /// # Errors
    /// In words: the program did not end well.
    pub fn event(
        &mut self,
        seen: &Seen,
        origin: &Origin,
        added: Option<&Numbers>,
    ) -> Result<Vec<Difference>, String> {
        self.bench.world.sock = self.socket(seen, origin);
        let sent = matches!(seen.event.name, "hdr_opt_len" | "write_hdr_opt")
            .then(|| segment_with(seen.before.raw("skb_tcp_flags") as u8))
            .flatten();
        let world = &mut self.bench.world;
        world.begin_for(seen.event, seen.args(), sent);
        let ran = self.bench.engine.run(world)?;
        world.end();
        if seen.event.name == "tcp_listen" {
            self.listener = world.sock.clone();
        }
        self.socks.insert(seen.before.cookie, world.sock.clone());
        let mut found = Vec::new();
        let mut differ = |what: String, kernel: String, model: String| {
            if kernel != model {
                let event = seen.event.name.to_owned();
                found.push(Difference { event, what, kernel, model, by: self.by.to_owned() });
            }
        };
        if seen.event.reply.is_some() {
            // Without an answer the word stays what the kernel put there.
            let answer = ran.reply.unwrap_or(seen.args()[0]);
            differ("reply".to_owned(), seen.after.args()[0].to_string(), answer.to_string());
        }
        for (what, kernel, model) in self.left(seen) {
            differ(what, kernel, model);
        }
        let counted = counted(&self.bench.kept(), self.bench.program);
        if let Some(added) = added {
            for (what, kernel, model) in differing(added, &since(&self.counted, &counted)) {
                differ(what, kernel.to_string(), model.to_string());
            }
        }
        self.counted = counted;
        Ok(found)
    }

    /// The socket as the policy found it.
    fn socket(&self, seen: &Seen, origin: &Origin) -> MockSock {
        let before = &seen.before;
        let earlier = match self.socks.get(&before.cookie) {
            None if origin.role == Role::Server => Some(&self.listener),
            known => known,
        };
        let mut sock = earlier.unwrap_or(&MockSock::default()).anew(before.cookie);
        sock.role = origin.role;
        if origin.role == Role::Server && seen.event.name == "passive_established" {
            sock.syn_tos = origin.service.or(Some(0));
        }
        if origin.role == Role::Server {
            // The SYN is looked at long after it came in.
            origin.headers.iter().for_each(|header| give_headers(&mut sock, header));
        }
        if before.is_full() {
            for option in readable_options(self.host.version) {
                if let Some(bytes) = before.option_bytes(option) {
                    options::give_as_read(&mut sock, option, bytes);
                }
            }
        }
        for field in FIELDS.iter().filter(|field| !field.name.is_empty() && before.has(field.of)) {
            // Those that follow from others cannot be given.
            let _ = sock.give(field, &before.field(field));
        }
        // The model is told of the data, and adds the header where it is there.
        if seen.event.name == "write_hdr_opt"
            && let (Some(field), Some(offset)) = (field("skb_len"), before.header.get(DATA_OFFSET))
        {
            let data = before.raw("skb_len").saturating_sub(u64::from(offset >> 4) * 4);
            let _ = sock.give(field, &Value::Number(data));
        }
        // That of the socket, which can have a peer of the other one.
        sock.family = Some(before.raw("family") as u32);
        if seen.event.has_skb && !matches!(seen.event.name, "hdr_opt_len" | "write_hdr_opt") {
            give_headers(&mut sock, before.header_options());
        }
        sock
    }

    /// The fields and the options after the event: what, in the kernel, in the model.
    fn left(&self, seen: &Seen) -> Vec<(String, String, String)> {
        let mut left = Vec::new();
        let changes_meanwhile = |field: &Field| {
            COUNTED_ON_ARRIVAL.contains(&field.kernel) || self.sends && SENT.contains(&field.kernel)
        };
        let shows = |field: &&'static Field| {
            !field.name.is_empty()
                && seen.after.has(field.of)
                && !field.name.starts_with("skb_")
                && field.availability(seen.event) != Availability::Zero
                && !changes_meanwhile(field)
        };
        for field in FIELDS.iter().filter(shows) {
            let (kernel, model) = (seen.after.field(field), self.bench.world.sock.field(field));
            left.push((field.name.to_owned(), show_value(field.ty, &kernel), show_value(field.ty, &model)));
        }
        if !seen.before.is_full() || seen.event.sock == Sock::Unlocked {
            return left;
        }
        let makes_room = self.bench.program.assignments.iter().any(|one| one.option.name == "rcvlowat");
        for option in readable_options(self.host.version) {
            let grows = self.sends && option.name == "sndbuf";
            if grows || makes_room && ROOM.contains(&option.name) {
                continue;
            }
            let (Some(_), Some(kernel)) = (seen.before.option(option), seen.after.option(option)) else {
                continue;
            };
            let model = options::value(&self.bench.world.sock, option);
            left.push((
                option.name.to_owned(),
                show_value(option.ty, &kernel),
                show_value(option.ty, &model),
            ));
        }
        left
    }
}

/// The names in a policy that this host does not know: no such congestion control, no such device.
fn failures(program: &Program, host: &Host) -> Vec<Failure> {
    let unknown = |assignment: &Assignment| {
        let ExprKind::Const(Value::Name(name)) = &assignment.value.kind else { return None };
        let errno = match assignment.option.name {
            "congestion" if !host.has_congestion(name) => "ENOENT",
            // A network of the lab has the loopback device only.
            "bindtodevice" if !matches!(name.as_str(), "" | "lo") => "ENODEV",
            _ => return None,
        };
        let value = Some(Value::Name(name.clone()));
        Some(Failure { option: assignment.option, value, errno: errno_number(errno)? })
    };
    program.assignments.iter().filter_map(unknown).collect()
}

/// The options of a segment that came in, one by one; the kernel's own have no meaning for a policy.
fn give_headers(sock: &mut MockSock, mut options: &[u8]) {
    while let [kind, rest @ ..] = options {
        let length = match (kind, rest) {
            (0, _) => return,
            (1, _) => 1,
            (_, [length, ..]) if *length >= 2 => usize::from(*length),
            _ => return,
        };
        let Some((option, rest)) = options.split_at_checked(length) else { return };
        if *kind > 1 && kernel_kind(*kind).is_none() {
            // A header has room for what came in a header.
            let _ = sock.give_header(option);
        }
        options = rest;
    }
}
