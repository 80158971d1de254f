//! What helpers take and give, as the kernel's verifier sees it.
//!
//! The kinds are those of `struct bpf_func_proto` in `include/linux/bpf.h`, of the prototypes that
//! `sock_ops_func_proto` in `net/core/filter.c` offers. Helpers without a row are not for generated code.

/// What an argument of a helper must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The context that the program was given.
    Context,
    /// A map that is looked up by keys.
    Map,
    /// A map that keeps its values with sockets (`BPF_MAP_TYPE_SK_STORAGE`).
    SockStorage,
    /// A ring buffer (`BPF_MAP_TYPE_RINGBUF`).
    Ring,
    /// A `struct bpf_sock`, not NULL.
    Sock,
    /// The lock at the beginning of a map's value.
    Lock,
    /// Initialised memory of one key of the map.
    Key,
    /// Initialised memory of one value of the map.
    Value,
    /// The same, or NULL.
    ValueOrNull,
    /// Initialised memory; the next argument says how much.
    Memory,
    /// Memory that the helper fills; the next argument says how much.
    Buffer,
    /// Initialised memory that the helper reads and then writes over; the next argument says how much.
    Exchange,
    /// Bytes of the memory before it, at least 1.
    Size,
    /// Any number.
    Number,
}

/// What a helper gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Any number.
    Number,
    /// A number below 2^32.
    Number32,
    /// Nothing.
    Nothing,
    /// A value of the map, or NULL.
    ValueOrNull,
    /// A `struct bpf_tcp_sock`, or NULL.
    TcpSockOrNull,
}

/// The signature of a helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The helper's number.
    pub id: u32,
    /// Its arguments, in r1 and the registers after it.
    pub arguments: &'static [Argument],
    /// Its result, in r0.
    pub outcome: Outcome,
}

impl Signature {
    /// Whether it takes a lock or gives it back.
    pub fn locks(&self) -> bool {
        self.arguments.contains(&Argument::Lock)
    }

    /// The position of the socket among its arguments.
    ///
    /// There may be none, and the kernel takes no NULL: generated code then passes the call over, and the
    /// result is 0.
    pub fn sock(&self) -> Option<usize> {
        self.arguments.iter().position(|argument| *argument == Argument::Sock)
    }
}

/// The signature of the helper with this number.
pub fn signature(id: u32) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.id == id)
}

/// Signatures, by number.
#[rustfmt::skip]
pub const SIGNATURES: &[Signature] = {
    use Argument::*;
    &[
        Signature { id: 1,   arguments: &[Map, Key],                             outcome: Outcome::ValueOrNull },
        Signature { id: 2,   arguments: &[Map, Key, Value, Number],              outcome: Outcome::Number },
        Signature { id: 3,   arguments: &[Map, Key],                             outcome: Outcome::Number },
        Signature { id: 5,   arguments: &[],                                     outcome: Outcome::Number },
        Signature { id: 7,   arguments: &[],                                     outcome: Outcome::Number },
        Signature { id: 8,   arguments: &[],                                     outcome: Outcome::Number32 },
        Signature { id: 42,  arguments: &[],                                     outcome: Outcome::Number },
        Signature { id: 46,  arguments: &[Context],                              outcome: Outcome::Number },
        Signature { id: 49,  arguments: &[Context, Number, Number, Memory, Size], outcome: Outcome::Number },
        Signature { id: 57,  arguments: &[Context, Number, Number, Buffer, Size], outcome: Outcome::Number },
        Signature { id: 59,  arguments: &[Context, Number],                      outcome: Outcome::Number },
        Signature { id: 93,  arguments: &[Lock],                                 outcome: Outcome::Nothing },
        Signature { id: 94,  arguments: &[Lock],                                 outcome: Outcome::Nothing },
        Signature { id: 96,  arguments: &[Sock],                                 outcome: Outcome::TcpSockOrNull },
        Signature { id: 107, arguments: &[SockStorage, Sock, ValueOrNull, Number], outcome: Outcome::ValueOrNull },
        Signature { id: 108, arguments: &[SockStorage, Sock],                    outcome: Outcome::Number },
        Signature { id: 118, arguments: &[],                                     outcome: Outcome::Number },
        Signature { id: 122, arguments: &[Context],                              outcome: Outcome::Number },
        Signature { id: 125, arguments: &[],                                     outcome: Outcome::Number },
        Signature { id: 130, arguments: &[Ring, Memory, Size, Number],           outcome: Outcome::Number },
        Signature { id: 142, arguments: &[Context, Exchange, Size, Number],      outcome: Outcome::Number },
        Signature { id: 143, arguments: &[Context, Memory, Size, Number],        outcome: Outcome::Number },
        Signature { id: 144, arguments: &[Context, Number, Number],              outcome: Outcome::Number },
    ]
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper::helper_by_id;

    #[test]
    fn a_socket_stands_where_the_kernel_wants_it() {
        let sock = |id| signature(id).and_then(Signature::sock);
        assert_eq!([96, 107, 108, 49, 1].map(sock), [Some(0), Some(1), Some(1), None, None]);
    }

    #[test]
    fn every_row_is_of_a_known_helper_and_sizes_follow_memory() {
        for signature in SIGNATURES {
            assert!(helper_by_id(signature.id).is_some(), "{signature:?}");
            for (at, argument) in signature.arguments.iter().enumerate() {
                let sized = matches!(argument, Argument::Memory | Argument::Buffer | Argument::Exchange);
                assert_eq!(sized, signature.arguments.get(at + 1) == Some(&Argument::Size), "{signature:?}");
            }
        }
    }
}
