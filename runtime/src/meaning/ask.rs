//! What sockets ask for, so that the kernel raises the events that a policy has rules for.
//!
//! They ask in the events in which the catalogue says that it is time; flags that others have set stay. An event whose
//! rules are all for a share of the connections is asked for on the largest of these shares; listeners always ask.

use tcpc_lang::hir::{Program, Rule, RuleKind};
use tcpc_stdlib::builtin::{WHOLE, draw};
use tcpc_stdlib::enable::{ENABLING_CALLS, ENABLING_OPTIONS};
use tcpc_stdlib::event::{Event, event};
use tcpc_stdlib::feature::FeatureKind;
use tcpc_stdlib::header::{KERNEL_EXIDS, kernel_kind};
use tcpc_stdlib::kernel::callback_flag;
use tcpc_stdlib::option::option;

use super::observe::{Effect, Observer};
use super::scene::Scene;
use crate::mock::options;
use tcpc_lang::hir::Value;

impl<O: Observer> Scene<'_, O> {
    /// Asks for what is to be asked for in this event.
    pub fn ask(&mut self) {
        if self.event.name == "tcp_listen"
            && self.program.rules.iter().any(|rule| looks_at_syns(rule, self.program))
        {
            self.enable("save_syn", 1);
        }
        for row in ENABLING_OPTIONS {
            let later = |rule: &&Rule| rule.events.iter().any(|event| row.events.contains(&event.name));
            let now =
                |name: &&str| event(name).is_some_and(|event| event.enabled_in.contains(&self.event.name));
            if row.events.iter().any(now) && self.is_wanted(later, row.events, row.events.first()) {
                self.enable(row.option, row.value);
            }
        }
        for row in ENABLING_CALLS.iter().filter(|row| row.within == self.event.name) {
            let later = |rule: &&Rule| rule.events.iter().any(|event| row.events.contains(&event.name));
            if self.is_wanted(later, row.events, Some(&row.within)) {
                self.world.sock.stamped = true;
                self.tell(Effect::Stamped);
            }
        }
        let flags = self.flags();
        if flags != 0 {
            let before = self.world.sock.raw("bpf_sock_ops_cb_flags") as u32;
            self.world.set_callback_flags(before | flags);
            self.tell(Effect::AskedFor(flags));
        }
    }

    /// Whether this connection is one that rules are for, on a kernel that has what they are for: where no event is
    /// needed, all rules stand behind `kernel has`, and on other kernels nothing is asked for.
    fn is_wanted(
        &mut self,
        is_for: impl Fn(&&Rule) -> bool,
        events: &[&str],
        asked: Option<&&'static str>,
    ) -> bool {
        let Some(share) = self.program.rules.iter().filter(is_for).map(share_of).max() else { return false };
        let needed = self
            .program
            .requirements
            .iter()
            .any(|need| need.kind == FeatureKind::Event && events.contains(&need.construct.as_str()));
        let is_there =
            asked.and_then(|name| event(name)).is_none_or(|event| event.since <= self.world.kernel.version);
        (needed || is_there) && self.is_drawn(share)
    }

    fn is_drawn(&self, share: u64) -> bool {
        u64::from(draw(self.world.sock.cookie)) < share
    }

    fn enable(&mut self, name: &str, number: u64) {
        let Some(option) = option(name) else { return };
        let bytes = (number as u32).to_le_bytes();
        let result = options::set(&self.world.kernel, &mut self.world.sock, option, &bytes);
        if let Err(errno) = result {
            self.refuse_option(option, &Value::Number(number), errno, None);
        }
        self.tell(Effect::Enabled(option, number, result));
    }

    /// The callback flags that this socket asks for in this event.
    fn flags(&self) -> u32 {
        let mut flags = 0;
        for rule in &self.program.rules {
            let share = if self.event.name == "tcp_listen" { WHOLE } else { share_of(rule) };
            if self.is_drawn(share) {
                flags |= self.flags_of(rule);
            }
        }
        flags
    }

    /// Those that one rule needs.
    fn flags_of(&self, rule: &Rule) -> u32 {
        let is_now = |names: &[&str]| names.contains(&self.event.name);
        if let RuleKind::Send(id) = rule.kind {
            let segments = self.program.sends.get(id.index()).map_or(&[][..], |send| &send.segments);
            let asks = segments.iter().any(|segment| is_now(segment.enabled_in));
            return if asks { callback_flag("WRITE_HDR_OPT_CB_FLAG") } else { 0 };
        }
        let asked = rule.events.iter().filter(|event| event.flag != 0 && is_now(event.enabled_in));
        asked.fold(0, |flags, event| flags | self.flag_of(event, rule))
    }

    /// Of the two flags for segments with options the one that comes less often is enough for an option that the kernel
    /// does not know; else all segments are wanted.
    fn flag_of(&self, event: &Event, rule: &Rule) -> u32 {
        if event.name != "parse_hdr_opt" {
            return event.flag;
        }
        let header = match rule.kind {
            RuleKind::Receive(id) => self.program.headers.get(id.index()),
            _ => None,
        };
        let is_known = |id| KERNEL_EXIDS.iter().any(|(known, _)| *known == id);
        let is_unknown = header
            .is_some_and(|header| kernel_kind(header.kind).is_none() && !header.exid.is_some_and(is_known));
        callback_flag(match is_unknown {
            true => "PARSE_UNKNOWN_HDR_OPT_CB_FLAG",
            false => "PARSE_ALL_HDR_OPT_CB_FLAG",
        })
    }
}

/// The share of the connections that a rule is for, in 2^-32.
fn share_of(rule: &Rule) -> u64 {
    rule.sample.unwrap_or(WHOLE)
}

/// Whether a rule looks at the options of a SYN at a time when the kernel has it only if it was kept.
fn looks_at_syns(rule: &Rule, program: &Program) -> bool {
    let late = |event: &&Event| matches!(event.name, "passive_established" | "hdr_opt_len" | "write_hdr_opt");
    rule.events.iter().any(late) && rule.mentions_received(program)
}
