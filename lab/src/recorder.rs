//! What really happens to a socket: two programs of our own, one that runs before the policy and one that runs after
//! it, give each event to user space with all that a policy could read.
//!
//! ```text
//! event ──▶ recorder (before) ──▶ policy ──▶ recorder (after, from the cgroup above) ──▶ kernel
//!                │                                 │
//!                └────────── ring buffer ──────────┴──▶ [`Seen`]
//! ```
//!
//! The kernel runs the programs of one cgroup in the order in which they were attached, then those of the cgroup above,
//! all on one context: the second one finds the policy's answer in it, and the options and fields as the policy left
//! them. It also copies the policy's counters, so that each event has its share in them.

mod decode;
mod layout;
mod program;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use tcpc_loader::observe::{Observer, Ring, Section};
use tcpc_loader::{AttachRequest, Attached, LoaderError, attach};
use tcpc_stdlib::event::{Event, event_by_number};
use tcpc_stdlib::kernel::{KernelVersion, RINGBUF_HEADER};
use tcpc_stdlib::manifest::COUNTER_SECTION;

use crate::cgroups::Cgroups;
pub use decode::Snapshot;
use layout::Phase;
pub use layout::{HEADER_MAX, readable_options};

/// Room for records that are not read yet.
const RING_BYTES: u32 = 4 << 20;
/// Larger counters are not copied with each event.
const COUNTERS_MAX: usize = 12 << 10;

/// One event of a socket, before the policy ran and after.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What it is.
    pub event: &'static Event,
    /// What the policy found.
    pub before: Snapshot,
    /// What it left.
    pub after: Snapshot,
}

impl Seen {
    /// The arguments of the event.
    pub fn args(&self) -> [u32; 4] {
        self.before.args()
    }

    /// The policy's answer in the kernel's unit; `None` if it left the word that the answer shares with the first
    /// argument as it was.
    pub fn reply(&self) -> Option<u32> {
        let ([before, ..], [after, ..]) = (self.before.args(), self.after.args());
        (self.event.reply.is_some() && before != after).then_some(after)
    }
}

/// The programs, as long as this lives.
pub struct Recorder {
    ring: Ring,
    _programs: [Observer; 2],
    counters: usize,
    version: KernelVersion,
    pending: VecDeque<Snapshot>,
}

/// The first of the two programs, which comes before the policy.
pub struct Before {
    ring: Ring,
    program: Observer,
    version: KernelVersion,
}

impl Before {
    /// Attaches the program that runs before the policy; the policy is to be attached next.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn attach(cgroups: &Cgroups, version: KernelVersion) -> Result<Before, LoaderError> {
        let ring = Ring::make(RING_BYTES)?;
        let code = program::recorder(Phase::Before, version, ring.as_fd(), None);
        let program = Observer::attach(&code, &cgroups.end)?;
        Ok(Before { ring, program, version })
    }

    /// Attaches the program that runs after the policy whose pins are in this directory.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn then_after(self, cgroups: &Cgroups, pins: &Path) -> Result<Recorder, LoaderError> {
        let section = Section::open(pins, COUNTER_SECTION)?.filter(|section| section.size <= COUNTERS_MAX);
        let counters = section.as_ref().map_or(0, |section| section.size);
        let data = section.as_ref().map(|section| (section.as_fd(), counters));
        let code = program::recorder(Phase::After, self.version, self.ring.as_fd(), data);
        let after = Observer::attach(&code, cgroups.above())?;
        Ok(Recorder {
            ring: self.ring,
            _programs: [self.program, after],
            counters,
            version: self.version,
            pending: VecDeque::new(),
        })
    }
}

impl Recorder {
    /// Attaches a policy between the two programs.
    ///
    /// # Errors
    /// The host refuses.
    pub(crate) fn around(
        object: &[u8],
        cgroups: &Cgroups,
        version: KernelVersion,
    ) -> Result<(Recorder, Attached), LoaderError> {
        let before = Before::attach(cgroups, version)?;
        let attached = attach(AttachRequest {
            cgroup: cgroups.end.clone(),
            object: object.to_vec(),
            name: None,
            allow_root: false,
            parameters: Vec::new(),
            ring_bytes: None,
        })?;
        let recorder = before.then_after(cgroups, &attached.pins)?;
        Ok((recorder, attached))
    }

    /// Events that are over, in their order. An event of which only the first half is there comes with the next call.
    ///
    /// # Errors
    /// The ring buffer was full: there may have been more.
    pub fn take(&mut self) -> Result<Vec<Seen>, LoaderError> {
        let mut seen = Vec::new();
        let mut taken = 0;
        while let Some(bytes) = self.ring.take() {
            let one = bytes.len() + RINGBUF_HEADER as usize;
            taken += one;
            if taken + one > RING_BYTES as usize {
                let error = io::Error::other("there were more events than there is room for");
                return Err(LoaderError::System { doing: "record events".into(), error });
            }
            let Some((phase, snapshot)) = decode::snapshot(&bytes, self.version, self.counters) else {
                continue;
            };
            match phase {
                Phase::Before => self.pending.push_back(snapshot),
                Phase::After => {
                    let same = |one: &Snapshot| (one.op(), one.cookie) == (snapshot.op(), snapshot.cookie);
                    let Some(at) = self.pending.iter().position(same) else { continue };
                    let (Some(before), Some(event)) =
                        (self.pending.remove(at), event_by_number(snapshot.op()))
                    else {
                        continue;
                    };
                    seen.push(Seen { event, before, after: snapshot });
                }
            }
        }
        Ok(seen)
    }

    /// As [`Recorder::take`], and waits until there is something, but not longer than until the deadline.
    ///
    /// # Errors
    /// As there, and if the system refuses.
    pub fn wait(&mut self, deadline: Instant) -> Result<Vec<Seen>, LoaderError> {
        let seen = self.take()?;
        let left = deadline.saturating_duration_since(Instant::now());
        if !seen.is_empty() || left.is_zero() {
            return Ok(seen);
        }
        self.ring.wait(left.min(Duration::from_millis(50)))?;
        self.take()
    }
}
