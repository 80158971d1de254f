//! Random rules and experiments.

use tcpc_stdlib::builtin::builtin;
use tcpc_stdlib::event::{EVENT_GROUPS, EVENTS, Event, EventRole, Sock, event};
use tcpc_stdlib::header::{SEGMENTS, Segment};
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::unit::Type;

use super::Maker;
use super::literal::share;
use super::scope::Site;
use crate::tree::{Node, Part, Sort, many, one, optional, text};

impl Maker<'_> {
    /// The rules, and experiments among them.
    pub fn rules(&mut self) -> Vec<Node> {
        let mut rules = Vec::new();
        for _ in 0..1 + self.random.below(7) {
            rules.push(match self.random.below(10) {
                0..3 => self.answering(),
                3 if !self.declared.headers.is_empty() => self.receiving(),
                4 if self.declared.headers.iter().any(|header| header.sendable) => self.sending(),
                5 if self.declared.experiments.len() < 2 => self.experiment(),
                6 if self.random.one_in(3) => self.undone(),
                7 if self.random.one_in(4) => self.listening(),
                _ => self.acting(|_| true),
            });
        }
        rules
    }

    /// `on EVENTS -> ANSWER`
    fn answering(&mut self) -> Node {
        let ty = self.random.pick(&[Type::Duration, Type::Duration, Type::Packets, Type::Bool]);
        let events = self.events(|event| event.reply.is_some_and(|reply| reply.ty == ty), 2);
        let (condition, site) = self.head_condition(&events, false);
        let Some(reply) = self.reply(&site) else { return self.acting(|_| true) };
        let head = self.head(&events);
        Node::new(Sort::Other, [text(head), self.sample(), optional(condition), text(" "), one(reply)])
    }

    /// `on EVENTS { … }`
    fn acting(&mut self, wanted: impl Fn(&Event) -> bool) -> Node {
        // The compiler tests a condition of two rules once, unless the first one can change it.
        if let Some((events, condition, site)) = self.before.clone()
            && events.iter().all(|event| wanted(event))
            && self.random.one_in(4)
        {
            let head = self.head(&events);
            let mut parts = vec![text(head), self.sample(), optional(condition), text(" ")];
            parts.extend(self.block(&site, 2));
            return Node::new(Sort::Other, parts);
        }
        let established = self.random.one_in(4)
            && ["active_established", "passive_established"]
                .iter()
                .all(|name| event(name).is_some_and(&wanted));
        let events = match established {
            true => EVENT_GROUPS[0].events.iter().filter_map(|name| event(name)).collect(),
            false => self.events(wanted, 2),
        };
        let (condition, site) = self.head_condition(&events, true);
        self.before = Some((events.clone(), condition.clone(), site.clone()));
        let head = match established {
            true => format!("{}on {}", self.label(), EVENT_GROUPS[0].name),
            false => self.head(&events),
        };
        let mut parts = vec![text(head), self.sample(), optional(condition), text(" ")];
        parts.extend(self.block(&site, 2));
        Node::new(Sort::Other, parts)
    }

    /// Two rules on one condition, of which the first makes it false.
    fn undone(&mut self) -> Node {
        let events = self.events(|event| event.sock == Sock::Full && event.has_remote, 2);
        let condition = format!("sk_txhash != {}", self.random.below(3));
        let change = format!("sk_txhash = {}", self.random.below(3));
        let rules = [format!("{change} ; count c0"), "count c1".to_owned()]
            .map(|body| format!("{} when {condition} {{ {body} }}", self.head(&events)));
        let rules = rules.map(|rule| Node::text(Sort::Other, rule)).to_vec();
        Node::new(Sort::Other, [many("\n", rules)])
    }

    /// A rule for listeners and others, on the address that they have in common.
    fn listening(&mut self) -> Node {
        let other = self.random.pick(&["tcp_connect", "base_rtt"]);
        let set = self.random.pick(&["0.0.0.0/0", "10.0.0.0/8", "2001:db8::/32"]);
        let rule =
            format!("{}on tcp_listen, {other} when local_ip in {{ {set} }} {{ count c0 }}", self.label());
        Node::text(Sort::Other, rule)
    }

    /// `receive OPTION …`
    fn receiving(&mut self) -> Node {
        let option = self.random.one_of(&self.declared.headers).name.clone();
        let segments = if self.random.one_in(2) { self.segments(|_| true) } else { Vec::new() };
        let names = segments.iter().map(|segment| segment.name);
        let on = if segments.is_empty() {
            String::new()
        } else {
            format!(" on {}", names.collect::<Vec<_>>().join(", "))
        };
        let all: Vec<&'static Segment> =
            if segments.is_empty() { SEGMENTS.iter().collect() } else { segments };
        let mut events: Vec<&'static Event> =
            all.iter().filter_map(|segment| event(segment.received_in)).collect();
        events.sort_by_key(|event| event.number);
        events.dedup();
        let (condition, site) = self.head_condition(&events, false);
        let head = format!("{}receive {option}{on}", self.label());
        let mut parts = vec![text(head), self.sample(), optional(condition), text(" ")];
        parts.extend(self.block(&site, 1));
        Node::new(Sort::Other, parts)
    }

    /// `send OPTION on SEGMENTS …`
    fn sending(&mut self) -> Node {
        let sendable: Vec<usize> =
            (0..self.declared.headers.len()).filter(|&at| self.declared.headers[at].sendable).collect();
        let at = self.random.pick(&sendable);
        let segments = self.segments(|_| true);
        let events: Vec<&'static Event> =
            ["hdr_opt_len", "write_hdr_opt"].into_iter().filter_map(event).collect();
        let full = segments.iter().all(|segment| !segment.from_request);
        let receives = segments.iter().all(|segment| segment.from_request);
        let site = Site::new(events, full, receives);
        let condition = (!self.random.one_in(3)).then(|| self.when(&site.steady(), 2));
        let names = segments.iter().map(|segment| segment.name).collect::<Vec<_>>().join(", ");
        let head = format!("{}send {} on {names}", self.label(), self.declared.headers[at].name);
        let values = self.header_values(&site, at);
        Node::new(
            Sort::Other,
            [text(head), self.sample(), optional(condition), text(" { "), many("; ", values), text(" }")],
        )
    }

    fn experiment(&mut self) -> Node {
        let name = self.fresh("x");
        let keys = [
            "remote_ip/(24, 48)",
            "remote_ip",
            "local_port",
            "remote_port",
            "local_ip/(8, 32), local_port",
            "family",
        ];
        let key = match self.random.one_in(3) {
            true => "connection",
            false => self.random.pick(&keys),
        };
        let needs_peer = key.contains("remote");
        let mut arms = Vec::new();
        let mut parts = vec![text(format!("experiment {name} by {key} {{\n"))];
        for _ in 0..2 + self.random.below(2) {
            let arm = self.fresh("arm");
            let rules =
                (0..self.random.below(3)).map(|_| self.acting(|event| !needs_peer || event.has_remote));
            let rules = rules.collect();
            parts.push(one(Node::new(
                Sort::Other,
                [text(format!("arm {arm} {{ ")), many("\n", rules), text(" }\n")],
            )));
            arms.push(arm);
        }
        if self.random.one_in(2) {
            let shares: Vec<String> = arms.iter().map(|_| (1 + self.random.below(99)).to_string()).collect();
            parts.push(optional(Some(Node::text(Sort::Other, format!("split {}\n", shares.join("/"))))));
        }
        let known = ["retransmit_rate", "srtt", "bytes", "duration"];
        let mut metrics: Vec<Node> = Vec::new();
        for metric in known {
            if self.random.one_in(2) {
                metrics.push(Node::text(Sort::Other, metric));
            }
        }
        if metrics.is_empty() || self.random.one_in(3) {
            let metric = self.fresh("m");
            let closing: Vec<&'static Event> = event("state").into_iter().collect();
            let ty = self.random.pick(&[Type::Int, Type::Duration, Type::Size, Type::Packets]);
            let value = self.moving(&Site::new(closing, false, false), ty, 2);
            metrics.push(Node::new(Sort::Other, [text(format!("{metric} = ")), one(value)]));
        }
        parts.extend([text("measure "), many(", ", metrics), text("\n}")]);
        self.declared.experiments.push((name, arms, needs_peer));
        Node::new(Sort::Other, parts)
    }

    fn segments(&mut self, wanted: impl Fn(&Segment) -> bool) -> Vec<&'static Segment> {
        let all: Vec<&'static Segment> = SEGMENTS.iter().filter(|segment| wanted(segment)).collect();
        let mut chosen: Vec<&'static Segment> = Vec::new();
        for _ in 0..1 + self.random.below(3) {
            let segment = self.random.pick(&all);
            if !chosen.contains(&segment) {
                chosen.push(segment);
            }
        }
        chosen
    }

    fn label(&mut self) -> String {
        if !self.random.one_in(3) {
            return String::new();
        }
        // Like the name of a rule without one: `rto_12` and `rto@12` are one symbol.
        let first = if self.random.one_in(3) { self.random.one_of(EVENTS).name } else { "r" };
        format!("{}: ", self.fresh(first))
    }

    fn head(&mut self, events: &[&'static Event]) -> String {
        let names: Vec<&str> = events.iter().map(|event| event.name).collect();
        format!("{}on {}", self.label(), names.join(", "))
    }

    fn sample(&mut self) -> Part {
        let sampled = self.random.one_in(6);
        optional(sampled.then(|| Node::text(Sort::Other, format!(" sample {}", share(self.random)))))
    }

    /// `when CONDITION`, and what can be said behind it.
    fn head_condition(&mut self, events: &[&'static Event], wants_socket: bool) -> (Option<Node>, Site) {
        let receives = builtin("received")
            .is_some_and(|row| events.iter().all(|event| row.events.contains(&event.name)));
        let site = Site::new(events.to_vec(), false, receives);
        let may_lack = events.iter().any(|event| event.sock == Sock::FullOrRequest);
        let told = events.iter().all(|event| event.role != EventRole::Unknown);
        let test = if told { "role == client" } else { "is_fullsock" };
        let full = may_lack && self.random.below(4) < if wants_socket { 3 } else { 1 };
        let inside = Site { full, ..site };
        if full && self.random.one_in(2) {
            return (Some(Node::text(Sort::Other, format!(" when {test}"))), inside);
        }
        if !full && self.random.one_in(3) {
            return (None, inside);
        }
        let condition = self.moving(&inside, Type::Bool, 3);
        // A policy that also runs on kernels that do not raise the event.
        let newest = events.iter().max_by_key(|event| event.since);
        if let Some(event) =
            newest.filter(|event| event.since > KernelVersion::FLOOR && self.random.one_in(2))
        {
            let guard = text(format!(" when kernel has {} and ", event.name));
            return (Some(Node::new(Sort::Other, [guard, one(condition)])), inside);
        }
        let parts: Vec<Part> = match full {
            true => vec![text(format!(" when {test} and ")), one(condition)],
            false => vec![text(" when "), one(condition)],
        };
        (Some(Node::new(Sort::Other, parts)), inside)
    }

    fn when(&mut self, site: &Site, depth: u32) -> Node {
        let condition = self.moving(site, Type::Bool, depth);
        Node::new(Sort::Other, [text(" when "), one(condition)])
    }
}
