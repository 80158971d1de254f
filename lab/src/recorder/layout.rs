//! Where what stands in a record.
//!
//! ```text
//! phase (4)  0 (4)  cookie (8)  time (8)  context (224)  bpf_sock (80)  bpf_tcp_sock (112)
//! options: result (8), value (16) of each        TCP header: bytes read (8), header (64)        counters
//! ```

use std::sync::LazyLock;

use tcpc_stdlib::field::Struct;
use tcpc_stdlib::kernel::{KernelVersion, NAME_MAX};
use tcpc_stdlib::option::{OPTIONS, OptionValue, SockOption};

/// When a record is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the policy runs.
    Before = 0,
    /// After it.
    After = 1,
}

/// The socket's cookie.
pub const COOKIE: usize = 8;
/// Nanoseconds since boot.
pub const TIME: usize = 16;
/// The structures.
pub const CONTEXT: usize = 24;
/// The options.
pub const OPTION: usize = 24;
/// Bytes of a value of an option.
pub const VALUE: usize = 16;
/// The longest TCP header.
pub const HEADER_MAX: usize = 60;
/// The bytes for it.
const HEADER_ROOM: usize = 64;

/// Where a structure begins.
pub fn structure(of: Struct) -> usize {
    let before = Struct::ALL.iter().take_while(|one| **one != of);
    CONTEXT + before.map(|one| one.size()).sum::<usize>()
}

/// Where the options begin.
pub fn options() -> usize {
    CONTEXT + Struct::ALL.iter().map(|one| one.size()).sum::<usize>()
}

/// Where the bytes of the TCP header begin; their number stands in the eight bytes before.
pub fn header(version: KernelVersion) -> usize {
    options() + OPTION * readable_options(version).count() + 8
}

/// Where the counters begin.
pub fn counters(version: KernelVersion) -> usize {
    header(version) + HEADER_ROOM
}

/// The options that a program can read on a kernel.
pub fn readable_options(version: KernelVersion) -> impl Iterator<Item = &'static SockOption> {
    static READABLE: LazyLock<Vec<&SockOption>> = LazyLock::new(|| {
        let is_plain = |option: &&SockOption| option.value != OptionValue::Bytes;
        OPTIONS.iter().filter(is_plain).collect()
    });
    READABLE.iter().copied().filter(move |option| option.get_since.is_some_and(|since| since <= version))
}

/// The bytes that an option is read as.
pub fn length(option: &SockOption) -> usize {
    if option.value == OptionValue::Name { (NAME_MAX + 1).min(VALUE) } else { 4 }
}
