//! What a policy has declared so far, and what can be said in one place of it.

use tcpc_stdlib::event::{Event, EventRole, Sock};
use tcpc_stdlib::field::{Availability, FIELDS, Guard};
use tcpc_stdlib::option::{OPTIONS, OptionValue, SockOption, Verdict};
use tcpc_stdlib::unit::Type;

/// What was declared, by name.
#[derive(Debug, Default)]
pub struct Declared {
    /// Constants and their types.
    pub consts: Vec<(String, Type)>,
    /// Parameters.
    pub params: Vec<Param>,
    /// Sets, the type of their elements, their largest number.
    pub sets: Vec<(String, Type, u64)>,
    /// Sets that can be changed, and the type of their elements.
    pub mutable_sets: Vec<(String, Type)>,
    /// Header options.
    pub headers: Vec<Header>,
    /// Cells of `flow`.
    pub flow: Vec<(String, Type)>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Kinds of records, and their fields.
    pub records: Vec<(String, Vec<(String, Type)>)>,
    /// `let`s and functions.
    pub lets: Vec<Let>,
    /// Experiments with their arms, and whether their key needs a peer.
    pub experiments: Vec<(String, Vec<String>, bool)>,
    /// How many bits of their addresses conditions ask two ends to share, and whether they are IPv4's.
    pub prefixes: Vec<(bool, u32)>,
}

impl Declared {
    /// The names that one file can have from another.
    pub fn names(&self) -> Vec<String> {
        let consts = self.consts.iter().map(|(name, _)| name);
        let params = self.params.iter().map(|param| &param.name);
        let sets = self.sets.iter().map(|(name, ..)| name);
        let mutable = self.mutable_sets.iter().map(|(name, _)| name);
        let headers = self.headers.iter().map(|header| &header.name);
        let tables = self.tables.iter().map(|table| &table.name);
        let records = self.records.iter().map(|(name, _)| name);
        let lets = self.lets.iter().map(|one| &one.name);
        let data = consts.chain(params).chain(sets).chain(mutable);
        data.chain(headers).chain(tables).chain(records).chain(lets).cloned().collect()
    }
}

/// A parameter.
#[derive(Debug)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// What it can be.
    pub range: (u64, u64),
}

/// A header option.
#[derive(Debug)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its fields with names, and their bits.
    pub fields: Vec<(String, u8)>,
    /// Whether a policy may send it.
    pub sendable: bool,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Types of the parts of a key.
    pub keys: Vec<Type>,
    /// Names and types of its cells.
    pub cells: Vec<(String, Type)>,
    /// Whether its rows have no lock.
    pub lru: bool,
    /// Whether it can only be added to.
    pub per_cpu: bool,
}

/// A `let` or a function.
#[derive(Debug)]
pub struct Let {
    /// Its name.
    pub name: String,
    /// Types of its arguments; `None` for a `let`.
    pub params: Option<Vec<Type>>,
    /// Its type.
    pub ty: Type,
    /// Where it can be used.
    pub events: Vec<&'static Event>,
}

/// One place of a policy.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// The events that it is reached in.
    pub events: Vec<&'static Event>,
    /// Whether a condition made sure of a full socket.
    pub full: bool,
    /// Whether it must say the same twice: the condition of `send`.
    pub steady: bool,
    /// Whether cells can be read.
    pub state: bool,
    /// A table that cannot be asked, for it is being changed.
    pub changing: Option<usize>,
    /// Whether a segment that came in can be looked at.
    pub receives: bool,
    /// Names with a value of their own, and their types.
    pub names: Vec<(String, Type)>,
}

impl Site {
    /// A place in a rule for these events.
    pub fn new(events: Vec<&'static Event>, full: bool, receives: bool) -> Site {
        let mut site = Site { events, full, receives, state: true, ..Site::default() };
        site.names = site.vocabulary();
        site
    }

    /// Fields, arguments and options that can be read here.
    fn vocabulary(&self) -> Vec<(String, Type)> {
        let events = &self.events;
        let mut names: Vec<(String, Type)> = Vec::new();
        for field in FIELDS.iter().filter(|field| !field.name.is_empty()) {
            let here = |event: &&Event| {
                matches!(field.availability(event), Availability::Yes | Availability::ClientOnly)
                    && (event.has_remote || !field.kernel.starts_with("remote_"))
            };
            if events.iter().all(here) {
                names.push((field.name.into(), field.ty));
            }
        }
        let args = events.first().map_or(&[][..], |event| event.args);
        for (index, arg) in args.iter().enumerate() {
            if events.iter().all(|event| event.args.get(index).is_some_and(|other| other.name == arg.name)) {
                names.push((arg.name.into(), arg.ty));
            }
        }
        if !events.iter().any(|event| matches!(event.sock, Sock::Unlocked | Sock::None)) {
            let readable =
                |option: &&SockOption| option.get_since.is_some() && option.value != OptionValue::Bytes;
            names.extend(OPTIONS.iter().filter(readable).map(|option| (option.name.into(), option.ty)));
        }
        names
    }

    /// The same where it must always say the same, also when there is no segment yet: the condition of `send`.
    pub fn steady(&self) -> Site {
        let of_segment = |name: &str| {
            FIELDS.iter().any(|field| field.name == name && field.guard == Guard::Skb)
                || self.events.iter().any(|event| event.args.iter().any(|arg| arg.name == name))
        };
        let mut site = Site { steady: true, state: false, ..self.clone() };
        site.names.retain(|(name, _)| !of_segment(name));
        site
    }

    /// Whether every event of the place is one of these; all if there are none.
    pub fn within(&self, names: &[&str]) -> bool {
        names.is_empty() || self.events.iter().all(|event| names.contains(&event.name))
    }

    /// Whether there is a peer.
    pub fn has_peer(&self) -> bool {
        self.events.iter().all(|event| event.has_remote)
    }

    /// Whether the ends can be told apart.
    pub fn has_role(&self) -> bool {
        self.events.iter().all(|event| event.role != EventRole::Unknown)
    }

    /// Whether a socket of one's own can be changed.
    pub fn has_socket(&self) -> bool {
        self.events.iter().all(|event| match event.sock {
            Sock::Full => true,
            Sock::FullOrRequest => self.full,
            Sock::Unlocked | Sock::None => false,
        })
    }

    /// The options that can be assigned here.
    pub fn assignable(&self) -> Vec<&'static SockOption> {
        let takes = |option: &SockOption, event: &Event| {
            let full = event.sock == Sock::Full || (event.sock == Sock::FullOrRequest && self.full);
            full && option.limit(event.name).is_none_or(|limit| limit.verdict == Verdict::Partial)
        };
        let here = |option: &&SockOption| {
            option.reserved.is_none()
                && option.set_since.is_some()
                && self.events.iter().all(|event| takes(option, event))
        };
        OPTIONS.iter().filter(here).collect()
    }

    /// The fields that can be assigned here.
    pub fn writable(&self) -> Vec<&'static str> {
        let fields = FIELDS.iter().filter(|field| field.writable && !field.name.is_empty());
        let here = self.has_socket() && self.has_peer();
        fields.filter(|_| here).map(|field| field.name).collect()
    }
}
