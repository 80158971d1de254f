//! The values that conditions ask for, each once: what they can be, and what they are called.

use std::collections::HashMap;

use tcpc_lang::show::{show, show_ip};
use tcpc_stdlib::event::Arg;
use tcpc_stdlib::feature::Feature;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::kernel::{MAPPED_FIRST, MAPPED_LAST};
use tcpc_stdlib::option::SockOption;
use tcpc_stdlib::unit::Type;

use crate::formula::LeafId;
use crate::ranges::Ranges;

/// `local_ip`, which every event has.
pub const LOCAL: LeafId = LeafId(0);
/// `remote_ip`; of a listener nothing asks for it.
pub const REMOTE: LeafId = LeafId(1);

/// The IPv4 addresses.
pub fn mapped() -> Ranges {
    Ranges::span(MAPPED_FIRST, MAPPED_LAST)
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A field.
    Field(&'static Field),
    /// An argument of the event.
    Arg(u8, &'static Arg),
    /// What a socket option reads.
    Option(&'static SockOption),
    /// A parameter, by its name, and what it starts with.
    Param(String, u64),
    /// A cell of a row.
    Cell(CellOf),
    /// 0 for a client, 1 for a server.
    Role,
    /// The service class of the SYN.
    SynTos,
    /// The number below 2^32 that is drawn for the connection.
    Draw,
    /// The number below 2^32 that decides about the arm of an experiment.
    Arm(String),
    /// The segment that goes out: an index into `SEGMENTS`, its length for none.
    Segment,
    /// Whether a header option is there.
    Received(String),
    /// A field of a header option.
    HeaderField(String, String),
    /// Whether the kernel has something.
    Kernel(Feature),
    /// Whether something is in a set that an operator can change.
    Member(MemberOf),
    /// What something reads after rules have changed something.
    Later(String),
    /// A random number, a time, or what depends on several values: its text.
    Other(String),
}

/// A cell of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct CellOf {
    /// The cell with its row, as the policy writes it.
    pub text: String,
    /// The table; `None` for what is kept of the connection.
    pub table: Option<String>,
    /// The cell's name.
    pub cell: String,
    /// The row's key, before it is cut; `None` if it is computed.
    pub key: Option<Vec<KeyPart>>,
}

/// What is asked of a set that an operator can change.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberOf {
    /// The set.
    pub set: String,
    /// The element, as the policy writes it.
    pub text: String,
    /// Its value; `None` if it is computed.
    pub element: Option<KeyPart>,
}

/// A part of a row's key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeyPart {
    /// This value, whatever it is.
    Leaf(LeafId),
    /// This number.
    Number(u64),
    /// This address.
    Ip(u128),
}

/// A value that conditions ask for.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// What it is.
    pub kind: Kind,
    /// What it can be, counted in `scale`.
    pub domain: Ranges,
    /// How many canonical units of its type one is.
    pub scale: u64,
    /// Its type.
    pub ty: Type,
    /// Whether it can be whatever its domain says, whatever the other values are.
    pub is_free: bool,
}

/// The values of one event.
#[derive(Clone, Debug)]
pub struct Leaves {
    rows: Vec<Leaf>,
    index: HashMap<String, LeafId>,
    /// Names of the kernel's that something is compared with; the first one stands for all others.
    names: Vec<String>,
    /// Whether both addresses are there, and so of one family.
    pub has_remote: bool,
}

impl Leaves {
    /// None but the two addresses.
    pub fn new(local: &'static Field, remote: &'static Field, has_remote: bool) -> Leaves {
        let mut leaves =
            Leaves { rows: Vec::new(), index: HashMap::new(), names: vec![String::new()], has_remote };
        for field in [local, remote] {
            let domain = Ranges::span(0, u128::MAX);
            leaves.add(
                field.name.to_owned(),
                Leaf { kind: Kind::Field(field), domain, scale: 1, ty: Type::Ip, is_free: true },
            );
        }
        leaves
    }

    /// The value with this key, which is made if it is new.
    pub fn add(&mut self, key: String, leaf: Leaf) -> LeafId {
        let next = LeafId(self.rows.len() as u32);
        match self.index.entry(key) {
            std::collections::hash_map::Entry::Occupied(old) => *old.get(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(next);
                self.rows.push(leaf);
                next
            }
        }
    }

    /// The value with this key.
    pub fn find(&self, key: &str) -> Option<LeafId> {
        self.index.get(key).copied()
    }

    /// All values.
    pub fn ids(&self) -> impl Iterator<Item = LeafId> + use<> {
        (0..self.rows.len() as u32).map(LeafId)
    }

    /// A value; one that is not there is taken for the first, which always is.
    pub fn get(&self, id: LeafId) -> &Leaf {
        self.rows.get(id.0 as usize).unwrap_or(&self.rows[0])
    }

    /// The number that stands for a name of the kernel's.
    pub fn name(&mut self, name: &str) -> u128 {
        let at = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        at as u128
    }

    /// The name that a number stands for; `None` for any that is not compared with.
    pub fn named(&self, number: u128) -> Option<&str> {
        let name = usize::try_from(number).ok().and_then(|at| self.names.get(at))?;
        Some(name.as_str()).filter(|name| !name.is_empty())
    }

    /// A value in its canonical unit, as people write it.
    pub fn show(&self, id: LeafId, raw: u128) -> String {
        let leaf = self.get(id);
        match leaf.ty {
            Type::Ip => show_ip(raw),
            Type::Name => self.named(raw).map_or("another".to_owned(), |name| format!("\"{name}\"")),
            ty => show(ty, (raw as u64).saturating_mul(leaf.scale)),
        }
    }
}
