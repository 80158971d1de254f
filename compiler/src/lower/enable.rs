//! Callback flags: the kernel raises some events only on sockets that ask for them.
//!
//! A connection asks before the kernel could first raise the event ([`Event::enabled_in`]); flags that others have
//! set stay. An event whose rules are all sampled is asked for on the connections that are drawn, so that the
//! others cost nothing. Listeners are not drawn: their connections are.

use std::collections::BTreeMap;

use tcpc_lang::hir::{Program, Rule, RuleKind};
use tcpc_stdlib::builtin::{HASH_FACTOR, HASH_START, WHOLE};
use tcpc_stdlib::enable::{enabling_call, enabling_option};
use tcpc_stdlib::event::{Event, event};
use tcpc_stdlib::header::{self, kernel_kind};
use tcpc_stdlib::kernel::callback_flag;
use tcpc_stdlib::option::option;

use super::prerequisite::{Prerequisite, Wanted, widen};
use super::{Lowerer, context_field, kernel_helper};
use crate::ir::{BinaryOp, CondOp, InstData, Value};

/// What the sockets of a program ask for, and in which events.
#[derive(Default)]
pub struct Enabling {
    at: BTreeMap<u32, Request>,
}

/// What a socket asks for in one event.
#[derive(Clone, Default)]
pub struct Request {
    /// The share of connections that needs each flag, in 2^-32.
    shares: BTreeMap<u32, u64>,
    /// Whether the SYN of each connection is to be kept.
    save_syn: bool,
    /// What else the kernel wants.
    others: Vec<Prerequisite>,
}

impl Enabling {
    /// Reads the rules.
    pub fn new(program: &Program) -> Enabling {
        let mut enabling = Enabling::default();
        for rule in &program.rules {
            match rule.kind {
                RuleKind::Send(id) => {
                    let segments = program.sends.get(id.index()).map_or(&[][..], |send| &send.segments);
                    let events = segments.iter().flat_map(|segment| segment.enabled_in);
                    let flag = callback_flag("WRITE_HDR_OPT_CB_FLAG");
                    events.for_each(|event| enabling.add(event, flag, rule));
                }
                _ => {
                    for event in rule.events.iter().filter(|event| event.flag != 0) {
                        let flag = flag_for(event, rule, program);
                        event.enabled_in.iter().for_each(|at| enabling.add(at, flag, rule));
                    }
                }
            }
            rule.events.iter().for_each(|event| enabling.add_prerequisites(event, rule, program));
            // A SYN-ACK that is sent again has the SYN at hand only if it was kept, too.
            let of_syn = |event: &&Event| {
                matches!(event.name, "passive_established" | "hdr_opt_len" | "write_hdr_opt")
            };
            if rule.events.iter().any(of_syn) && rule.mentions_received(program) {
                enabling.request("tcp_listen", |request| request.save_syn = true);
            }
        }
        enabling
    }

    /// What a socket asks for in this event.
    pub fn at(&self, event: &Event) -> Option<&Request> {
        self.at.get(&event.number)
    }

    /// The events in which sockets ask for something.
    pub fn events(&self) -> impl Iterator<Item = &'static Event> {
        self.at.keys().filter_map(|number| tcpc_stdlib::event::event_by_number(*number))
    }

    fn add(&mut self, at: &str, flag: u32, rule: &Rule) {
        let share = if at == "tcp_listen" { WHOLE } else { rule.sample.unwrap_or(WHOLE) };
        self.request(at, |request| {
            let known = request.shares.entry(flag).or_default();
            *known = share.max(*known);
        });
    }

    fn add_prerequisites(&mut self, event: &Event, rule: &Rule, program: &Program) {
        let share = rule.sample.unwrap_or(WHOLE);
        if let Some(row) = enabling_option(event.name) {
            for at in event.enabled_in {
                self.request(at, |request| widen(&mut request.others, Wanted::Option(row), share, program));
            }
        }
        if let Some(row) = enabling_call(event.name) {
            self.request(row.within, |request| widen(&mut request.others, Wanted::Call(row), share, program));
        }
    }

    fn request(&mut self, at: &str, change: impl FnOnce(&mut Request)) {
        if let Some(event) = event(at) {
            change(self.at.entry(event.number).or_default());
        }
    }
}

/// The flag that a rule needs for an event. Of the two that make the kernel show received options the cheaper one
/// is for options that it does not know itself.
fn flag_for(event: &Event, rule: &Rule, program: &Program) -> u32 {
    if event.name != "parse_hdr_opt" {
        return event.flag;
    }
    let is_unknown = match rule.kind {
        RuleKind::Receive(id) => program.headers.get(id.index()).is_some_and(|option| {
            let known = |id| header::KERNEL_EXIDS.iter().any(|(known, _)| *known == id);
            kernel_kind(option.kind).is_none() && !option.exid.is_some_and(known)
        }),
        _ => false,
    };
    callback_flag(if is_unknown { "PARSE_UNKNOWN_HDR_OPT_CB_FLAG" } else { "PARSE_ALL_HDR_OPT_CB_FLAG" })
}

impl Request {
    /// Flags by share.
    fn by_share(&self) -> BTreeMap<u64, u32> {
        let mut by_share: BTreeMap<u64, u32> = BTreeMap::new();
        for (flag, share) in &self.shares {
            *by_share.entry(*share).or_default() |= flag;
        }
        by_share
    }
}

impl Lowerer<'_> {
    /// Adds the flags to the socket's, has it keep SYNs, and does what else the kernel wants.
    pub fn lower_enable(&mut self, request: &Request) {
        if request.save_syn
            && let Some(option) = option("save_syn")
        {
            let on = self.b.number(1);
            self.set_number(option, on);
        }
        self.lower_prerequisites(&request.others);
        let by_share = request.by_share();
        if by_share.is_empty() {
            return;
        }
        let done = self.b.new_block();
        let always = by_share.get(&WHOLE).copied().unwrap_or(0);
        let mut sampled = by_share.into_iter().filter(|(share, _)| *share < WHOLE).rev();
        let mut wanted = self.b.number(u64::from(always));
        if always == 0
            && let Some((largest, flags)) = sampled.next()
        {
            let (drawn, largest) = (self.draw(), self.b.number(largest));
            let some = self.b.new_block();
            self.b.branch(CondOp::Lt, drawn, largest, some, done);
            self.b.switch_to(some);
            wanted = self.b.number(u64::from(flags));
        }
        for (share, flags) in sampled {
            let (drawn, share) = (self.draw(), self.b.number(share));
            let more = self.b.binary_imm(BinaryOp::Or, wanted, u64::from(flags));
            wanted = self.select(CondOp::Lt, drawn, share, more, wanted);
        }
        let present = self.b.field(context_field("bpf_sock_ops_cb_flags"), 0);
        let flags = self.b.binary(BinaryOp::Or, present, wanted);
        let context = self.b.value(InstData::Context);
        self.b.call(kernel_helper("bpf_sock_ops_cb_flags_set"), vec![context, flags]);
        self.b.jump(done);
        self.b.switch_to(done);
    }

    /// The number that is drawn for this connection, as [`tcpc_stdlib::builtin::draw`] says.
    pub fn draw(&mut self) -> Value {
        let context = self.b.value(InstData::Context);
        let cookie = self.b.call(kernel_helper("bpf_get_socket_cookie"), vec![context]);
        let mut mixed = self.b.binary_imm(BinaryOp::Xor, cookie, HASH_START);
        for _ in 0..2 {
            let spread = self.b.binary_imm(BinaryOp::Mul, mixed, HASH_FACTOR);
            let upper = self.b.binary_imm(BinaryOp::Shr, spread, 32);
            mixed = self.b.binary(BinaryOp::Xor, spread, upper);
        }
        self.b.binary_imm(BinaryOp::And, mixed, u64::from(u32::MAX))
    }
}
