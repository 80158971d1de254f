//! What the connections of a test are, before any is made: which end has the policy, and the addresses.

use std::collections::BTreeMap;

use tcpc_lang::hir::{Given, HeaderId, Role, Step, Test, Value};
use tcpc_lang::show::show_value;
use tcpc_runtime::mock::MockSock;
use tcpc_stdlib::event::EventRole;
use tcpc_stdlib::field::Field;
use tcpc_stdlib::header::SYN;
use tcpc_stdlib::kernel::{AF_INET6, is_mapped};

use crate::ends::Addresses;
use crate::run::Skip;

/// A connection to be made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which end has the policy.
    pub role: Role,
    /// The addresses; those that the test does not say are those that its model has.
    pub addresses: Addresses,
    /// The header options that the other end's first segment carries, and their fields.
    pub headers: Headers,
}

/// Header options and the values of their fields.
pub type Headers = Vec<(HeaderId, Vec<u64>)>;

#[derive(Default)]
struct Draft {
    role: Option<Role>,
    sock: MockSock,
    given: BTreeMap<&'static str, Value>,
    headers: Headers,
}

/// The connections of a test, by their names.
///
/// # Errors
/// One of them changes its addresses on the way.
pub fn plans(test: &Test) -> Result<BTreeMap<String, Plan>, Skip> {
    let mut drafts = BTreeMap::new();
    draft(&test.steps, "", &mut drafts)?;
    let mut plans: BTreeMap<String, Plan> = BTreeMap::new();
    for (name, draft) in drafts {
        let mut plan = draft.plan();
        // Two connections at a time are two connections.
        while plans.values().any(|other| other.addresses == plan.addresses) {
            let port = match plan.role {
                Role::Client => &mut plan.addresses.local.1,
                Role::Server => &mut plan.addresses.remote.1,
            };
            *port = port.wrapping_add(1).max(1024);
        }
        plans.insert(name, plan);
    }
    Ok(plans)
}

fn draft(steps: &[Step], name: &str, drafts: &mut BTreeMap<String, Draft>) -> Result<(), Skip> {
    for step in steps {
        let one = drafts.entry(name.to_owned()).or_default();
        match step {
            Step::Given(Given::Role(role)) => one.role = Some(*role),
            Step::Given(Given::Field(field, value)) if is_address(field) => one.give(field, value)?,
            Step::Given(Given::Header(id, values)) => one.send(*id, values)?,
            Step::Fire { event, .. } => match event.role {
                EventRole::Client => one.role = Some(Role::Client),
                EventRole::Server => one.role = Some(Role::Server),
                EventRole::BySynSent | EventRole::Unknown => {}
            },
            Step::Transmit { segment, .. } if segment.flags & SYN != 0 => {
                one.role = Some(if segment.from_request { Role::Server } else { Role::Client });
            }
            Step::Connection { name, steps } => draft(steps, name, drafts)?,
            _ => {}
        }
    }
    Ok(())
}

/// Whether a field follows from the addresses of a connection.
pub fn is_address(field: &Field) -> bool {
    matches!(field.kernel, "local_ip6" | "remote_ip6" | "local_port" | "remote_port" | "family")
}

impl Draft {
    fn give(&mut self, field: &'static Field, value: &Value) -> Result<(), Skip> {
        if let Some(before) = self.given.insert(field.kernel, value.clone()).filter(|before| before != value)
        {
            let (before, after) = (show_value(field.ty, &before), show_value(field.ty, value));
            return Err(Skip::new(format!(
                "`{}` changes from {before} to {after} on one connection",
                field.name
            )));
        }
        self.sock.give(field, value).map_err(Skip::new)
    }

    fn send(&mut self, id: HeaderId, values: &[u64]) -> Result<(), Skip> {
        if self.headers.iter().any(|(known, before)| *known == id && before != values) {
            return Err(Skip::new("the other end's first segment is sent once".to_owned()));
        }
        self.headers.retain(|(known, _)| *known != id);
        self.headers.push((id, values.to_vec()));
        Ok(())
    }

    fn plan(self) -> Plan {
        let sock = &self.sock;
        let (local, remote) = (sock.local_ip(), sock.remote_ip());
        let dual_stack = sock.family == Some(AF_INET6) && is_mapped(local);
        let addresses =
            Addresses { local: (local, sock.local_port), remote: (remote, sock.remote_port), dual_stack };
        Plan { role: self.role.unwrap_or(Role::Client), addresses, headers: self.headers }
    }
}
