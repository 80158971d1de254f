//! The events of real sockets, given to the model of the kernel: what it does with the same bytes must be what the
//! kernel did.
//!
//! The policy's data go on from one event to the next in the model, as in the kernel; the socket is set up anew for
//! each, as the first half of its record shows it.

use tcpc_lang::hir::{Given, Program, Role, Value};
use tcpc_lang::show::show_value;
use tcpc_runtime::kept::Kept;
use tcpc_runtime::mock::kernel::Failure;
use tcpc_runtime::mock::{MockSock, options};
use tcpc_runtime::scenario::{Bench, Engine};
use tcpc_stdlib::event::Sock;
use tcpc_stdlib::field::{Availability, FIELDS, Field};
use tcpc_stdlib::header::{kernel_kind, segment_with};
use tcpc_stdlib::kernel::errno_number;
use tcpc_stdlib::manifest::CongestionUse;
use tcpc_stdlib::option::option;

use crate::host::Host;
use crate::numbers::{Numbers, counted, differing, since};
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
    /// The socket of the last event, which a segment that is written has its room from.
    last: MockSock,
    counted: Numbers,
}

impl<'a, E: Engine> Replay<'a, E> {
    /// A model that nothing happened in yet. `congestion` are the names of congestion controls that the policy uses.
    pub fn new(
        program: &'a Program,
        engine: E,
        by: &'static str,
        host: &'a Host,
        congestion: &[CongestionUse],
    ) -> Replay<'a, E> {
        let mut bench = Bench::new(program, engine);
        bench.world.kernel = host.model();
        for one in congestion.iter().filter(|one| !host.has_congestion(&one.name)) {
            if let (Some(option), Some(errno)) = (option("congestion"), errno_number("ENOENT")) {
                let value = Some(Value::Name(one.name.clone()));
                bench.world.kernel.failures.push(Failure { option, value, errno });
            }
        }
        let counted = counted(&bench.kept(), program);
        Replay { bench, host, by, last: MockSock::default(), counted }
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
        self.last = world.sock.clone();
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
        let goes_out = seen.event.name == "write_hdr_opt" && self.last.cookie == before.cookie;
        let mut sock = if goes_out { self.last.clone() } else { MockSock::new(before.cookie) };
        sock.role = origin.role;
        if origin.role == Role::Server && seen.event.name == "passive_established" {
            sock.syn_tos = origin.service.or(Some(0));
        }
        if origin.role == Role::Server {
            // The SYN is looked at long after it came in.
            origin.headers.iter().for_each(|header| give_headers(&mut sock, header));
        }
        // What the kernel set itself is not bound by the limits for programs.
        let mut kernel = self.host.model();
        (kernel.wmem_max, kernel.rmem_max) = (u64::MAX, u64::MAX);
        if before.is_full() {
            for option in readable_options(self.host.version) {
                if let Some(value) = before.option(option) {
                    // A value that the model would refuse is none that a policy can have set.
                    let _ = options::give(&kernel, &mut sock, option, &value);
                }
            }
        }
        for field in FIELDS.iter().filter(|field| !field.name.is_empty() && before.has(field.of)) {
            // Those that follow from others cannot be given.
            let _ = sock.give(field, &before.field(field));
        }
        if seen.event.has_skb && !matches!(seen.event.name, "hdr_opt_len" | "write_hdr_opt") {
            give_headers(&mut sock, before.header_options());
        }
        sock
    }

    /// The fields and the options after the event: what, in the kernel, in the model.
    fn left(&self, seen: &Seen) -> Vec<(String, String, String)> {
        let mut left = Vec::new();
        let shows = |field: &&'static Field| {
            !field.name.is_empty()
                && seen.after.has(field.of)
                && !field.name.starts_with("skb_")
                && field.availability(seen.event) != Availability::Zero
        };
        for field in FIELDS.iter().filter(shows) {
            let (kernel, model) = (seen.after.field(field), self.bench.world.sock.field(field));
            left.push((field.name.to_owned(), show_value(field.ty, &kernel), show_value(field.ty, &model)));
        }
        if !seen.before.is_full() || seen.event.sock == Sock::Unlocked {
            return left;
        }
        for option in readable_options(self.host.version) {
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
