//! Making real connections do what a test fires.

use std::io;
use std::time::Duration;

use tcpc_lang::hir::{Role, Value};
use tcpc_loader::observe::Silence;
use tcpc_stdlib::enable::enabling_option;
use tcpc_stdlib::event::Event;
use tcpc_stdlib::header::{MODE_SEGMENT, Segment};
use tcpc_stdlib::kernel::{TCP_STATES, tcp_state};

use super::{Bench, Connection, SOON, Stage};
use crate::counterpart;
use crate::ends::Ends;
use crate::recorder::Seen;
use crate::run::Skip;

/// Bytes that are sent each way to raise events of an established connection.
const WORDS: usize = 100;
/// How often.
const ROUNDS: u32 = 3;
/// The `backoff` of the last timeout that is waited for.
const MOST_TIMEOUTS: u32 = 3;
/// How long timeouts are waited for, each twice as long as the one before: three of them, with the least that a kernel
/// begins with.
const TIMEOUTS: Duration = Duration::from_secs(4);
/// More than this is not sent because a test says that it was.
const MUCH: usize = 4 << 20;

impl Bench<'_> {
    /// Brings the connection at hand to where the kernel raises an event.
    ///
    /// # Errors
    /// That cannot be done on demand, or not as the test has it.
    pub fn fire(&mut self, event: &'static Event, args: [u32; 4]) -> Result<(), Skip> {
        let wanted = |seen: &Seen| seen.event.number == event.number && fits(event, seen, args);
        let mut found = self.find(wanted)?;
        if !is_loss(event) {
            self.silence = None;
        }
        for attempt in 0..ROUNDS {
            if found.is_some() || !self.advance(event, args, attempt)? {
                break;
            }
            found = self.find_within(if is_loss(event) { TIMEOUTS } else { SOON }, wanted)?;
        }
        match found {
            Some(at) => self.take(at),
            None => Err(self.not_raised(event, args)),
        }
    }

    /// Brings the connection at hand to where it sends a segment.
    ///
    /// # Errors
    /// As [`Bench::fire`].
    pub fn transmit(&mut self, segment: &'static Segment) -> Result<(), Skip> {
        let flags = |seen: &Seen| {
            let shown = seen.before.raw("skb_tcp_flags") as u8;
            shown & segment.mask == segment.flags && seen.args()[0] == MODE_SEGMENT
        };
        let is = |name: &'static str| move |seen: &Seen| seen.event.name == name && flags(seen);
        if self.connection()?.stage < Stage::Established {
            self.establish()?;
        }
        match segment.name {
            "established" => self.exchange()?,
            "fin" => self.finish()?,
            _ => {}
        }
        let room = self.find_within(SOON, is("hdr_opt_len"))?;
        let Some(room) = room else {
            return Err(Skip::new(format!(
                "the kernel asks for no options of `{}`, as the policy did not ask it to",
                segment.name
            )));
        };
        self.take(room)?;
        if let Some(written) = self.find(is("write_hdr_opt"))? {
            self.take(written)?;
        }
        self.segment = Some(segment);
        Ok(())
    }

    pub(super) fn connection(&mut self) -> Result<&mut Connection, Skip> {
        self.connections.get_mut(&self.current).ok_or_else(|| Skip::new("no such connection".to_owned()))
    }

    /// Does what raises an event; whether there was anything to do.
    fn advance(&mut self, event: &Event, args: [u32; 4], attempt: u32) -> Result<bool, Skip> {
        let stage = self.connection()?.stage;
        match event.name {
            "tcp_listen" if stage == Stage::New => self.listen().map(|()| true),
            "tstamp_snd_hw" => Err(Skip::new("no device here takes time stamps".to_owned())),
            _ if stage < Stage::Established => self.establish().map(|()| true),
            "state" => self.close(args),
            "rto" if args[0] > MOST_TIMEOUTS || args[2] != 0 => {
                Err(Skip::new("so many timeouts in a row take too long".to_owned()))
            }
            _ if is_loss(event) && attempt == 0 => self.lose().map(|()| true),
            "rtt" | "parse_hdr_opt" | "tstamp_sched" | "tstamp_snd_sw" | "tstamp_ack" | "tstamp_sendmsg"
            | "hdr_opt_len" | "write_hdr_opt" | "base_rtt"
                if stage == Stage::Established && attempt < ROUNDS =>
            {
                self.exchange().map(|()| true)
            }
            _ => Ok(false),
        }
    }

    fn listen(&mut self) -> Result<(), Skip> {
        let cgroups = &self.cgroups;
        let Some(local) = self.connections.get(&self.current).map(|one| one.plan.addresses.local) else {
            return Ok(());
        };
        // One socket listens on an address at a time.
        for other in self.connections.values_mut().filter(|one| one.plan.addresses.local == local) {
            other.ends.listener = None;
        }
        let Some(one) = self.connections.get_mut(&self.current) else { return Ok(()) };
        one.ends.listen(cgroups, &one.plan.addresses, &one.options).map_err(|error| one.refused(&error))?;
        one.reached(Stage::Listening);
        Ok(())
    }

    fn establish(&mut self) -> Result<(), Skip> {
        let one = self.connection()?;
        if one.plan.role == Role::Server && one.stage == Stage::New {
            self.listen()?;
        }
        let cgroups = &self.cgroups;
        let Some(one) = self.connections.get_mut(&self.current) else { return Ok(()) };
        if !one.plan.headers.is_empty() {
            counterpart::send(&cgroups.peer, self.program, &one.plan.headers, self.host.hz)?;
        }
        let made = one.ends.connect(one.plan.role, cgroups, &one.plan.addresses, &one.options, one.service);
        // Whatever was made can have raised events.
        one.cookies.extend(one.ends.cookies());
        made.map_err(|error| one.refused(&error))?;
        one.reached(Stage::Established);
        Ok(())
    }

    /// Sends what nobody receives, unless that is on its way.
    fn lose(&mut self) -> Result<(), Skip> {
        if self.silence.is_some() {
            return Ok(());
        }
        let silence = Silence::over(&self.cgroups.peer).map_err(|error| Skip::new(error.to_string()))?;
        let one = self.connection()?;
        one.ends.say(WORDS).map_err(|error| one.refused(&error))?;
        self.silence = Some(silence);
        Ok(())
    }

    fn exchange(&mut self) -> Result<(), Skip> {
        let one = self.connection()?;
        one.ends.talk(WORDS, WORDS).map_err(|error| one.refused(&error))
    }

    /// Sends what the test says was sent, before the connection ends: so many bytes, or so many segments. The
    /// kernel counts the SYN of a client and a FIN as a byte each.
    fn talk(&mut self) -> Result<(), Skip> {
        let one = self.connection()?;
        let given = |name: &str| {
            let found = one.fields.iter().find(|(field, _)| field.name == name);
            found.and_then(
                |(_, value)| if let Value::Number(number) = value { Some(*number as usize) } else { None },
            )
        };
        let opening = 1 + usize::from(one.plan.role == Role::Client);
        let segments = given("data_segs_out").or(given("data_segs_in"));
        let out = given("bytes_acked").map(|bytes| bytes.saturating_sub(opening));
        let back = given("bytes_received").map(|bytes| bytes.saturating_sub(1));
        if segments.or(out).or(back).is_some_and(|amount| amount > MUCH) {
            return Ok(());
        }
        let rounds = segments.unwrap_or(1);
        let each = |bytes: Option<usize>| {
            bytes.map_or(usize::from(segments.is_some()), |bytes| bytes / rounds.max(1))
        };
        for round in 0..rounds {
            // The rest goes with the last.
            let rest = |bytes: Option<usize>| match bytes {
                Some(bytes) if round + 1 == rounds => bytes % rounds,
                _ => 0,
            };
            one.ends
                .talk(each(out) + rest(out), each(back) + rest(back))
                .map_err(|error| one.refused(&error))?;
        }
        Ok(())
    }

    /// Has this end say all that it has to say, if it did not yet.
    fn finish(&mut self) -> Result<(), Skip> {
        if self.connection()?.stage != Stage::Established {
            return Ok(());
        }
        self.talk()?;
        let one = self.connection()?;
        one.stage = Stage::Closing;
        Ends::finish(&one.ends.end).map_err(|error| one.refused(&error))
    }

    /// Brings the connection to where it goes from one state to another; whether there was anything to do.
    fn close(&mut self, args: [u32; 4]) -> Result<bool, Skip> {
        let is = |name| tcp_state(name);
        let step = (Some(args[0]), Some(args[1]));
        let one = self.connection()?;
        if one.stage >= Stage::Closed {
            return Ok(false);
        }
        let begun = one.stage == Stage::Closing;
        if !begun {
            self.talk()?;
        }
        let one = self.connection()?;
        one.stage = Stage::Closing;
        let done = if step == (is("ESTABLISHED"), is("CLOSE_WAIT")) {
            Ends::finish(&one.ends.peer)
        } else if step == (is("CLOSE_WAIT"), is("LAST_ACK")) || step == (is("LAST_ACK"), is("CLOSE")) {
            one.stage = Stage::Closed;
            let first = if begun { Ok(()) } else { Ends::finish(&one.ends.peer) };
            first.and_then(|()| Ends::wait_for_end(&one.ends.end)).and_then(|()| Ends::finish(&one.ends.end))
        } else if step == (is("ESTABLISHED"), is("FIN_WAIT1")) || step == (is("FIN_WAIT1"), is("FIN_WAIT2")) {
            Ends::finish(&one.ends.end)
        } else if step == (is("FIN_WAIT2"), is("CLOSE")) {
            one.stage = Stage::Closed;
            let first = if begun { Ok(()) } else { Ends::finish(&one.ends.end) };
            first.and_then(|()| Ends::finish(&one.ends.peer))
        } else if step == (is("ESTABLISHED"), is("CLOSE")) {
            one.stage = Stage::Closed;
            one.ends.reset()
        } else {
            return Err(Skip::new(format!(
                "no connection goes from {} to {} on demand",
                state_name(args[0]),
                state_name(args[1])
            )));
        };
        done.map(|()| true).map_err(|error| one.refused(&error))
    }

    fn not_raised(&self, event: &Event, args: [u32; 4]) -> Skip {
        let of_name = |seen: &&Seen| seen.event.number == event.number;
        let reason = match self.log.iter().rev().find(of_name) {
            Some(seen) if event.args.iter().zip(args).any(|(_, wanted)| wanted != 0) => {
                let differs = event.args.iter().zip(args.iter().zip(seen.args()));
                let other =
                    differs.into_iter().find(|(_, (wanted, found))| **wanted != 0 && *wanted != found);
                let what = other.map_or("the arguments", |(arg, _)| arg.name);
                format!("the kernel raises `{}` with another `{what}` than the test gives", event.name)
            }
            _ if enabling_option(event.name).is_some() || event.flag != 0 => {
                format!("the kernel did not raise `{}` on this connection", event.name)
            }
            _ => format!("the kernel does not raise `{}` on a connection like this", event.name),
        };
        Skip::new(reason)
    }
}

impl Connection {
    fn reached(&mut self, stage: Stage) {
        self.stage = stage;
        self.cookies.extend(self.ends.cookies());
    }

    fn refused(&self, error: &io::Error) -> Skip {
        Skip::new(format!("the connection cannot be had: {error}"))
    }
}

/// Whether it is raised when segments are lost.
fn is_loss(event: &Event) -> bool {
    matches!(event.name, "rto" | "retrans")
}

/// Whether the arguments are those that the test gives; 0 stands for those that it does not give.
fn fits(event: &Event, seen: &Seen, args: [u32; 4]) -> bool {
    let exact = event.name == "state";
    seen.args()
        .iter()
        .zip(args)
        .take(event.args.len())
        .all(|(found, wanted)| *found == wanted || (wanted == 0 && !exact))
}

fn state_name(number: u32) -> String {
    let known = TCP_STATES.iter().find(|state| state.number == number);
    known.map_or_else(|| number.to_string(), |state| state.name.to_owned())
}
