//! What a test gives, as far as it can be had on this host.

use tcpc_lang::hir::{Given, ParamId, Value};
use tcpc_lang::show::show;
use tcpc_loader::{LoaderError, Set, set_parameters};
use tcpc_stdlib::kernel::errno_number;
use tcpc_stdlib::unit::Type;

use super::{Bench, Stage};
use crate::ends;
use crate::plan::is_address;
use crate::run::Skip;

impl Bench<'_> {
    /// Sets up a connection, the policy or the host.
    ///
    /// # Errors
    /// It cannot be had on demand.
    pub fn give(&mut self, given: &Given) -> Result<(), Skip> {
        let host = self.host;
        if matches!(given, Given::Cell(..) | Given::Param(..) | Given::Has(..)) {
            self.collect()?;
            let cookie = self.connection()?.cookies.last().copied().unwrap_or(0);
            self.operations.push((self.log.len(), given.clone(), cookie));
        }
        match given {
            Given::Role(_) => Ok(()),
            Given::Field(field, _) if is_address(field) => Ok(()),
            Given::Field(field, value) => {
                let fields = &mut self.connection()?.fields;
                fields.retain(|(one, _)| one.name != field.name);
                fields.push((field, value.clone()));
                Ok(())
            }
            Given::Option(option, value) => {
                let connection = self.connection()?;
                connection.options.retain(|(one, _)| one.name != option.name);
                connection.options.push((option, value.clone()));
                if connection.stage < Stage::Established {
                    return Ok(());
                }
                let Some(end) = &connection.ends.end else { return Ok(()) };
                ends::set(end, option, value).map_err(|error| Skip::new(error.to_string()))
            }
            Given::Hz(hz) => same("hz", &hz.to_string(), &host.hz.to_string()),
            Given::Kernel(version) => same("kernel", &version.to_string(), &host.version.to_string()),
            Given::WmemMax(bytes) => {
                same("wmem_max", &show(Type::Size, *bytes), &show(Type::Size, host.wmem_max))
            }
            Given::RmemMax(bytes) => {
                same("rmem_max", &show(Type::Size, *bytes), &show(Type::Size, host.rmem_max))
            }
            Given::Fails(option, Some(Value::Name(name)), errno)
                if option.name == "congestion"
                    && errno_number("ENOENT") == Some(*errno)
                    && !host.has_congestion(name) =>
            {
                Ok(())
            }
            Given::Fails(option, ..) => {
                Err(Skip::new(format!("the kernel cannot be made to refuse `{}`", option.name)))
            }
            Given::SynTos(class) => {
                self.connection()?.service = Some(*class);
                Ok(())
            }
            // The other end's first segment has them.
            Given::Header(..) => Ok(()),
            Given::Cell(row, cell, value) => self.give_cell(row, *cell, *value).map_err(Skip::new),
            Given::Param(param, value) => self.set_parameter(*param, *value),
            Given::Has(set, elements) => {
                let name = self.program.mutable_sets.get(set.index()).map_or("", |set| &set.name);
                let added = Set::open(&self.policy, name).and_then(|set| set.add(elements));
                added.map(drop).map_err(refused)
            }
        }
    }

    fn set_parameter(&mut self, param: ParamId, value: u64) -> Result<(), Skip> {
        let name = self.program.params.get(param.index()).map_or("", |param| &param.name);
        set_parameters(&self.policy, &[(name.to_owned(), value)]).map_err(refused)
    }
}

fn refused(error: LoaderError) -> Skip {
    Skip::new(error.to_string())
}

/// What no test can change.
fn same(what: &str, given: &str, found: &str) -> Result<(), Skip> {
    match given == found {
        true => Ok(()),
        false => Err(Skip::new(format!("the test gives `{what}` as {given}, and here it is {found}"))),
    }
}
