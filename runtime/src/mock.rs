//! The mock kernel: what a program meets beside its own instructions.
//!
//! ```text
//! World ─┬─ MockKernel   version, HZ, clock, limits, randomness, what fails
//!        ├─ MockSock     addresses, fields, options of the socket at hand
//!        └─ Memory       context, stack, data, maps
//! ```

mod context;
mod header;
mod helpers;
pub mod kernel;
mod kfuncs;
pub mod maps;
pub mod options;
pub mod ring;
pub mod sock;
mod syn;

pub use helpers::HelperResult;
pub use kernel::MockKernel;
pub use sock::MockSock;

use tcpc_stdlib::event::Event;
use tcpc_stdlib::field::{Field, Struct};
use tcpc_stdlib::header::Segment;

use crate::guest::Memory;

/// Everything that a program can see or change.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The kernel.
    pub kernel: MockKernel,
    /// The socket that the event is raised on.
    pub sock: MockSock,
    /// The program's memory.
    pub memory: Memory,
}

/// An error number of the kernel's, by name: what a helper returns negated.
pub type Errno = &'static str;

impl World {
    /// Raises an event: the socket becomes what it is then, and the context shows it.
    pub fn begin(&mut self, event: &'static Event, args: [u32; 4]) {
        self.begin_for(event, args, None);
    }

    /// Raises an event for a segment that is sent.
    pub fn begin_for(&mut self, event: &'static Event, args: [u32; 4], sent: Option<&'static Segment>) {
        self.sock.begin(event, args, sent);
        self.memory.begin(self.sock.context(), self.sock.dangerous_fields());
        self.show_structures();
    }

    /// Fills in what the context leads to.
    fn show_structures(&mut self) {
        self.memory.sock = self.sock.bytes(Struct::Sock);
        self.memory.tcp_sock = self.sock.bytes(Struct::TcpSock);
    }

    /// Takes over what the program wrote to the socket through the context.
    pub fn end(&mut self) {
        self.sock.take_written(&self.memory.context);
        self.sock.finish_segment();
    }

    /// Writes a field of the context that a program can write, the answer apart.
    pub fn write_field(&mut self, field: &'static Field, number: u32) {
        context::put(&mut self.memory.context, field, 0, number.into());
        self.sock.take_written(&self.memory.context);
    }

    /// The answer in the kernel's unit, if the program gave one.
    pub fn reply(&self) -> Option<u32> {
        self.memory.reply_written.then(|| context::reply(&self.memory.context))
    }

    /// Shows what a helper changed about the socket. The arguments, and the answer among them,
    /// are the program's.
    fn refresh(&mut self) {
        self.sock.take_written(&self.memory.context);
        context::refresh(&mut self.memory.context, &self.sock.context());
        self.show_structures();
    }
}

#[cfg(test)]
mod tests;
