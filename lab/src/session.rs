//! One attached policy and connections of any kind that it sees: what it did of them in the kernel is compared with what
//! its models do.
//!
//! ```text
//! contact, contact, … ──▶ sockets ──▶ events ──▶ kernel: answers, options, fields, counters, tables, records
//!                                        └─────▶ models: the same
//! ```

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use tcpc_lang::hir::Role;
use tcpc_loader::{Attached, LoaderError};

use crate::cgroups::Cgroups;
use crate::ends::{Addresses, Ends, Given};
use crate::host::Host;
use crate::network;
use crate::recorder::{Recorder, Seen};
use crate::replay::{Difference, Origin};
use crate::twin::{Modelled, Twin};

/// How long a socket waits for the other end: a policy can make a connection so slow that nothing comes.
const PATIENCE: Duration = Duration::from_millis(300);
/// How often a quiet moment is waited for.
const ATTEMPTS: u32 = 40;
/// How long it takes until the last events of sockets that were closed are there.
const QUIET: Duration = Duration::from_millis(5);

/// Bytes that take a while.
const MUCH: usize = 300_000;

/// A connection to be made, and its end.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Which end has the policy.
    pub role: Role,
    /// The addresses.
    pub addresses: Addresses,
    /// Options of the end that has the policy.
    pub options: Vec<Given>,
    /// What the SYN is marked with, of a client that has no policy.
    pub service: Option<u8>,
    /// Bytes from the end that has the policy, and bytes to it, in so many rounds.
    pub data: (usize, usize, usize),
    /// How it ends.
    pub ending: Ending,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The end that has the policy is the first to have said all.
    Here,
    /// The other end is.
    There,
    /// The end that has the policy is, with much that is still on its way.
    AtOnce,
    /// The end that has the policy breaks it off.
    Reset,
}

/// What came of the connections of a policy.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Events that were compared.
    pub events: usize,
    /// Connections that were made and carried what they were to carry.
    pub whole: usize,
    /// What the models do otherwise.
    pub differences: Vec<Difference>,
}

/// Makes the connections, one after the other, in a network of their own, and compares.
///
/// # Errors
/// The host refuses what every connection needs; a model cannot run the policy.
pub fn run(
    host: &Host,
    object: &[u8],
    policy: Modelled<'_>,
    contacts: &[Contact],
) -> Result<Found, LoaderError> {
    // A network belongs to a thread, and goes with it.
    std::thread::scope(|scope| {
        let ran = scope.spawn(|| Session::begin(host, object, policy)?.run(contacts)).join();
        ran.unwrap_or_else(|_| Err(failed("its thread ended early")))
    })
}

fn failed(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LoaderError {
    LoaderError::System { doing: "try a policy on connections".into(), error: io::Error::other(why) }
}

struct Session<'a> {
    // The recorder goes before the cgroups.
    recorder: Recorder,
    attached: Attached,
    twin: Twin<'a>,
    cgroups: Cgroups,
    log: Vec<(Seen, usize)>,
    /// The records that the policy gave and that were read.
    records: Vec<Vec<u8>>,
    /// The contact that a socket belongs to, by its cookie.
    owners: HashMap<u64, usize>,
}

impl<'a> Session<'a> {
    fn begin(host: &'a Host, object: &[u8], policy: Modelled<'a>) -> Result<Session<'a>, LoaderError> {
        network::enter().map_err(|error| LoaderError::System { doing: "make a network".into(), error })?;
        let cgroups = Cgroups::make()?;
        let (recorder, attached) = Recorder::around(object, &cgroups, host.version)?;
        let twin = Twin::new(&policy, host);
        Ok(Session {
            recorder,
            attached,
            twin,
            cgroups,
            log: Vec::new(),
            records: Vec::new(),
            owners: HashMap::new(),
        })
    }

    fn run(mut self, contacts: &[Contact]) -> Result<Found, LoaderError> {
        let mut found = Found::default();
        for (at, contact) in contacts.iter().enumerate() {
            // A policy may well make a connection fail: what it saw of it is compared all the same.
            found.whole += usize::from(self.connect(contact, at).is_ok());
            std::thread::sleep(QUIET);
            self.collect(at)?;
        }
        // Sockets that still send something go on raising events: what is kept is read between two of them.
        let last = contacts.len().saturating_sub(1);
        let mut kept = None;
        for _ in 0..ATTEMPTS {
            std::thread::sleep(QUIET);
            self.collect(last)?;
            let (before, read) = (self.log.len(), self.twin.read(&self.attached.pins, &mut self.records)?);
            self.collect(last)?;
            if self.log.len() == before {
                kept = Some(read);
                break;
            }
        }
        for (seen, at) in std::mem::take(&mut self.log) {
            let at = self.owners.get(&seen.before.cookie).copied().unwrap_or(at);
            let Some(contact) = contacts.get(at) else { continue };
            let origin = Origin { role: contact.role, service: contact.service, headers: Vec::new() };
            found.events += 1;
            found.differences.extend(self.twin.event(&seen, &origin).map_err(failed)?);
        }
        if let Some(kept) = kept {
            found.differences.extend(self.twin.compare_kept(&kept));
        }
        Ok(found)
    }

    fn collect(&mut self, at: usize) -> Result<(), LoaderError> {
        self.log.extend(self.recorder.take()?.into_iter().map(|seen| (seen, at)));
        Ok(())
    }

    fn connect(&mut self, contact: &Contact, at: usize) -> io::Result<()> {
        let mut ends = Ends::with_patience(PATIENCE);
        let done = self.converse(contact, &mut ends, at);
        for cookie in ends.cookies() {
            self.owners.insert(cookie, at);
        }
        done
    }

    fn converse(&mut self, contact: &Contact, ends: &mut Ends, at: usize) -> io::Result<()> {
        let Contact { role, addresses, options, service, data, ending } = contact;
        if *role == Role::Server {
            ends.listen(&self.cgroups, addresses, options)?;
        }
        ends.connect(*role, &self.cgroups, addresses, options, *service)?;
        for cookie in ends.cookies() {
            self.owners.insert(cookie, at);
        }
        let (out, back, rounds) = *data;
        for _ in 0..rounds {
            ends.talk(out, back)?;
        }
        match ending {
            Ending::Here => {
                Ends::finish(&ends.end)?;
                Ends::wait_for_end(&ends.peer)?;
                Ends::finish(&ends.peer)
            }
            Ending::There => {
                Ends::finish(&ends.peer)?;
                Ends::wait_for_end(&ends.end)?;
                Ends::finish(&ends.end)
            }
            Ending::AtOnce => {
                ends.part(MUCH)?;
                Ends::finish(&ends.peer)
            }
            Ending::Reset => ends.reset(),
        }
    }
}
