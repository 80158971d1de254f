//! Tests: what happens on connections of the mock kernel.

use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::header::Segment;
use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::option::SockOption;

use super::{Expr, HeaderId, MutableSetId, ParamId, Role, Row, Value};
use crate::source::Span;

/// A test.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// Its name.
    pub name: String,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// The place of its name.
    pub span: Span,
}

/// A step of a test. `given` values and arguments are constants.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Set up the socket, the peer, or the kernel.
    Given(Given),
    /// Raise an event on the socket; an expectation that belongs to it follows as its own step.
    Fire {
        /// The event.
        event: &'static Event,
        /// Raw words of `args`, in the kernel's units.
        args: [u32; 4],
        /// Its place.
        span: Span,
    },
    /// Send a segment: raise `hdr_opt_len`, and `write_hdr_opt` if room was reserved.
    Transmit {
        /// The segment.
        segment: &'static Segment,
        /// Its place.
        span: Span,
    },
    /// Let the clock run, in nanoseconds.
    Advance(u64),
    /// An expression of type bool that must hold.
    Expect(Expr),
    /// Steps on another connection; counters are shared, the socket is its own. A name met again is
    /// the same connection.
    Connection {
        /// Its name.
        name: String,
        /// What happens on it.
        steps: Vec<Step>,
    },
}

/// A setting of `given`.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// A field of the context, in its type's canonical unit.
    Field(&'static Field, Value),
    /// The value that a socket option has before the event, as it would be assigned.
    Option(&'static SockOption, Value),
    /// Which end the connection is seen from.
    Role(Role),
    /// Ticks per second of the mock kernel (1000 if not given).
    Hz(u32),
    /// The mock kernel's version: options and events newer than it fail or cannot be fired.
    Kernel(KernelVersion),
    /// Setting this option (to this value) fails with this error number.
    Fails(&'static SockOption, Option<Value>, u32),
    /// `net.core.wmem_max`, in bytes.
    WmemMax(u64),
    /// `net.core.rmem_max`, in bytes.
    RmemMax(u64),
    /// The service class of the SYN that the listener saved.
    SynTos(u8),
    /// A cell of a row holds this. The key's parts are constants.
    Cell(Row, u8, u64),
    /// The peer's segments, its SYN included, carry a TCP header option from now on, with these fields.
    Header(HeaderId, Vec<u64>),
    /// An operator has set a parameter to this.
    Param(ParamId, u64),
    /// An operator has added these elements, as [`MutableSet::elements`](super::MutableSet::elements) has them.
    Has(MutableSetId, Vec<(u128, u8)>),
}
