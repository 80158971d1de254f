//! What an operator can change: parameters.
//!
//! Each is one 64-bit number that is loaded as a whole, so a change is seen at once and never in part. What is used
//! more than once in an event is loaded at its beginning: all that happens in the event sees the same.

use std::collections::HashMap;

use tcpc_lang::hir::{Expr, ExprKind, ParamId};
use tcpc_stdlib::manifest::state::ParamInfo;

use super::Lowerer;
use super::action::symbol_part;
use super::plan::Planned;
use crate::ir::{InstData, Size, Value, Variable};

/// Where what an operator can change is.
#[derive(Default)]
pub struct Steered {
    /// Of each parameter, in the order of the source.
    params: Vec<Variable>,
    /// What was loaded at the beginning of the event.
    loaded: HashMap<Variable, Value>,
}

impl Lowerer<'_> {
    /// Gives each parameter its place, in the order of the source, used or not.
    pub fn declare_params(&mut self) {
        for param in &self.program.params {
            let symbol = self.param_symbol(&param.name);
            let variable = self.b.variable(&symbol, param.default);
            self.steered.params.push(variable);
            self.state.params.push(ParamInfo {
                name: param.name.clone(),
                symbol,
                ty: param.ty.name().to_owned(),
                default: param.default,
                range: param.range,
                line: self.source.line(param.span.start),
            });
        }
    }

    /// Loads what the rules of these events, which begin here, use more than once.
    pub fn load_variables(&mut self, events: &[Planned<'_>]) {
        self.steered.loaded.clear();
        let mut uses: HashMap<Variable, usize> = HashMap::new();
        for rule in events.iter().flat_map(Planned::rules) {
            let program = self.program;
            rule.any(program, &mut |expr| {
                if let Some(variable) = self.variable_of(expr) {
                    *uses.entry(variable).or_default() += 1;
                }
                false
            });
        }
        let mut shared: Vec<Variable> =
            uses.into_iter().filter(|(_, uses)| *uses > 1).map(|(one, _)| one).collect();
        shared.sort_unstable();
        for variable in shared {
            let value = self.load(variable);
            self.steered.loaded.insert(variable, value);
        }
    }

    /// The variable that an expression reads itself, if it reads one.
    fn variable_of(&self, expr: &Expr) -> Option<Variable> {
        match expr.kind {
            ExprKind::Param(id, _) => Some(self.param(id)),
            _ => None,
        }
    }

    /// The value of a parameter.
    pub fn lower_param(&mut self, id: ParamId) -> Value {
        let variable = self.param(id);
        self.variable(variable)
    }

    fn param(&self, id: ParamId) -> Variable {
        self.steered.params[id.index()]
    }

    fn variable(&mut self, variable: Variable) -> Value {
        match self.steered.loaded.get(&variable) {
            Some(&value) => value,
            None => self.load(variable),
        }
    }

    fn load(&mut self, variable: Variable) -> Value {
        let addr = self.b.value(InstData::VariableAddr(variable));
        self.b.value(InstData::Load { size: Size::Double, addr, offset: 0 })
    }

    /// Two names can have one symbol: `base::rto` and `base__rto`.
    fn param_symbol(&self, name: &str) -> String {
        let plain = format!("param_{}", symbol_part(name));
        let numbered = (1..).map(|number| format!("{plain}_{number}"));
        let is_free = |symbol: &String| self.b.func().variables.values().all(|other| other.name != *symbol);
        std::iter::once(plain.clone()).chain(numbered).find(is_free).unwrap_or_default()
    }
}
