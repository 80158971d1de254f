//! The meaning of expressions, said directly: a typed tree and a world give a value.
//!
//! This is what the compiled bytes are compared with, so it takes no short cuts and shares nothing with the
//! compiler. Numbers are in the canonical unit of their type.

use tcpc_lang::hir::{
    ArithOp, CompareOp, CounterId, ExperimentId, Expr, ExprKind, HeaderId, HistogramId, Key, LocalId,
    MutableSet, MutableSetId, ParamId, Program, RecordId, Role, Row, RuleId, Set, TableId, Value,
};
use tcpc_stdlib::builtin::{BuiltinId, HASH_FACTOR, HASH_START, draw};
use tcpc_stdlib::event::{Arg, Event};
use tcpc_stdlib::feature::Feature;
use tcpc_stdlib::field::{Field, field};
use tcpc_stdlib::header::{PREAMBLE, Segment};
use tcpc_stdlib::kernel::is_mapped;
use tcpc_stdlib::option::SockOption;

/// Where the values that are no constants come from.
pub trait World {
    /// A field, in its type's canonical unit.
    fn field(&mut self, field: &'static Field) -> Value;
    /// An argument of the event, in its type's canonical unit.
    fn arg(&mut self, index: u8, arg: &'static Arg) -> u64;
    /// A socket option, as it would be assigned.
    fn option(&mut self, option: &'static SockOption) -> Value;
    /// Which end this is.
    fn role(&mut self) -> Role;
    /// The socket's cookie.
    fn cookie(&mut self) -> u64;
    /// The service class of the SYN, 0 if it was not saved.
    fn syn_tos(&mut self) -> u8;
    /// Whether the kernel has something that not every kernel has.
    fn has(&mut self, feature: &Feature) -> bool;
    /// Whether a segment goes out that is one of these. Where the kernel computes the segment size it is any that
    /// carries data.
    fn is_segment(&mut self, segments: &[&'static Segment]) -> bool;
    /// Where TCP header options are looked for, in this order: the options in the segments at hand.
    fn header_options(&mut self) -> Vec<Vec<u8>>;
    /// Nanoseconds since boot.
    fn now(&mut self) -> u64;
    /// A random number below 2^32.
    fn random(&mut self) -> u32;
    /// The answer to this event, in its reply's canonical unit; `None` if there was none.
    fn reply(&mut self, event: &'static Event) -> Option<u64>;
    /// Whether the last event was answered.
    fn has_reply(&mut self) -> bool;
    /// A counter without a key.
    ///
    /// # Errors
    /// In words: why it cannot be read.
    fn counter(&mut self, counter: CounterId) -> Result<u64, String>;
    /// A cell of the row of a table with this key, whose addresses are cut, or of the connection's own; `None` if there
    /// is no such row.
    ///
    /// # Errors
    /// In words: why it cannot be read.
    fn cell(&mut self, _table: Option<TableId>, _key: &[Value], _cell: u8) -> Result<Option<u64>, String> {
        Err("nothing is kept here".into())
    }
    /// How many values a histogram holds.
    ///
    /// # Errors
    /// In words: why that cannot be told.
    fn observed(&mut self, histogram: HistogramId) -> Result<u64, String> {
        Err(format!("there is no histogram {} here", histogram.0))
    }
    /// The records of a kind that were given to user space, the oldest first: their fields.
    ///
    /// # Errors
    /// In words: why they cannot be told.
    fn records(&mut self, record: RecordId) -> Result<Vec<Vec<Value>>, String> {
        Err(format!("there are no records of kind {} here", record.0))
    }
    /// A parameter, in its type's canonical unit.
    ///
    /// # Errors
    /// In words: why it cannot be read.
    fn param(&mut self, _param: ParamId) -> Result<u64, String> {
        Err("nothing can be set here".into())
    }
    /// What is in a set that can be changed, as [`MutableSet::elements`] has it.
    ///
    /// # Errors
    /// In words: why it cannot be read.
    fn elements(&mut self, _set: MutableSetId) -> Result<Vec<(u128, u8)>, String> {
        Err("nothing can be set here".into())
    }
    /// How often a rule ran.
    ///
    /// # Errors
    /// In words: why that is not known.
    fn rule_hits(&mut self, rule: RuleId) -> Result<u64, String>;
    /// Is told the value of every expression that was evaluated, of parts before the whole.
    fn evaluated(&mut self, _expr: &Expr, _value: &Value) {}
}

/// Why an expression has no value, in words.
pub type EvalError = String;

/// Evaluates expressions of one program in one world.
pub struct Evaluator<'a, W> {
    program: &'a Program,
    world: &'a mut W,
    locals: Vec<Option<Value>>,
}

impl<'a, W: World> Evaluator<'a, W> {
    /// No local name has a value yet.
    pub fn new(program: &'a Program, world: &'a mut W) -> Evaluator<'a, W> {
        Evaluator { program, world, locals: vec![None; program.locals.len()] }
    }

    /// Its world.
    pub fn world(&mut self) -> &mut W {
        self.world
    }

    /// Whether a condition holds.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub fn condition(&mut self, expr: &Expr) -> Result<bool, EvalError> {
        Ok(self.number(expr)? != 0)
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// In words: the world cannot give a value, or the expression is none of the checked language.
    pub fn value(&mut self, expr: &Expr) -> Result<Value, EvalError> {
        let value = self.compute(expr)?;
        self.world.evaluated(expr, &value);
        Ok(value)
    }

    fn compute(&mut self, expr: &Expr) -> Result<Value, EvalError> {
        Ok(match &expr.kind {
            ExprKind::Const(value) => value.clone(),
            ExprKind::Field(field) => self.world.field(field),
            ExprKind::Option(option) => self.world.option(option),
            ExprKind::RecordField(record, index) => {
                let last = self.world.records(*record)?.pop().ok_or("no such record was given")?;
                last.into_iter().nth(usize::from(*index)).ok_or("a field that is not there")?
            }
            ExprKind::Local(local) => self.local(*local)?,
            ExprKind::Let(local, value, body) => {
                let value = self.value(value)?;
                self.bind(*local, value);
                self.value(body)?
            }
            ExprKind::If(condition, then, otherwise) => {
                let branch = if self.condition(condition)? { then } else { otherwise };
                self.value(branch)?
            }
            _ => Value::Number(self.scalar(expr)?),
        })
    }

    /// Gives a local name its value.
    pub fn bind(&mut self, local: LocalId, value: Value) {
        if let Some(place) = self.locals.get_mut(local.index()) {
            *place = Some(value);
        }
    }

    /// Expressions that are numbers whatever their operands are.
    fn scalar(&mut self, expr: &Expr) -> Result<u64, EvalError> {
        Ok(match &expr.kind {
            ExprKind::Arg(index, arg) => self.world.arg(*index, arg),
            ExprKind::Not(operand) => u64::from(!self.condition(operand)?),
            ExprKind::And(left, right) => u64::from(self.condition(left)? && self.condition(right)?),
            ExprKind::Or(left, right) => u64::from(self.condition(left)? || self.condition(right)?),
            ExprKind::Compare(op, left, right) => {
                u64::from(compare(*op, &self.value(left)?, &self.value(right)?)?)
            }
            ExprKind::Arith(op, left, right) => arithmetic(*op, self.number(left)?, self.number(right)?),
            ExprKind::Call(builtin, args) => self.call(*builtin, args)?,
            ExprKind::SamePrefix { v4, v6 } => u64::from(self.same_prefix(*v4, *v6)?),
            ExprKind::In(element, set) => {
                let element = self.value(element)?;
                let set = self.program.sets.get(set.index()).ok_or("a set that is not there")?;
                u64::from(contains(set, &element))
            }
            ExprKind::InArm(id, arm, parts) => u64::from(self.in_arm(*id, *arm, parts)?),
            ExprKind::IsRole(role) => u64::from(self.world.role() == *role),
            ExprKind::Sampled(share) => u64::from(u64::from(draw(self.world.cookie())) < *share),
            ExprKind::KernelHas(feature) => u64::from(feature.is_everywhere() || self.world.has(feature)),
            ExprKind::IsSegment(segments) => u64::from(self.world.is_segment(segments)),
            ExprKind::InMutable(element, set) => {
                let member = match self.value(element)? {
                    Value::Ip(address) => address,
                    Value::Number(number) => number.into(),
                    Value::Name(_) => return Err("a name in a set".into()),
                };
                u64::from(MutableSet::holds(&self.world.elements(*set)?, member))
            }
            ExprKind::Param(param, _) => self.world.param(*param)?,
            ExprKind::Received(header) => u64::from(self.header(*header)?.is_some()),
            ExprKind::HeaderField(header, index) => {
                let values = self.header(*header)?;
                values.and_then(|values| values.get(usize::from(*index)).copied()).unwrap_or(0)
            }
            ExprKind::Cell(row, cell) => self.cell(row, *cell)?,
            ExprKind::Reply(event) => self.world.reply(event).unwrap_or(0),
            ExprKind::HasReply => u64::from(self.world.has_reply()),
            ExprKind::Counter(counter) => self.world.counter(*counter)?,
            ExprKind::RuleHits(rule) => self.world.rule_hits(*rule)?,
            ExprKind::Observed(histogram) => self.world.observed(*histogram)?,
            ExprKind::Emitted(record) => self.world.records(*record)?.len() as u64,
            ExprKind::Const(_)
            | ExprKind::Field(_)
            | ExprKind::RecordField(..)
            | ExprKind::Option(_)
            | ExprKind::Local(_)
            | ExprKind::Let(..)
            | ExprKind::If(..) => return Err("a value that is no number".into()),
        })
    }

    /// The fields of a TCP header option, if the segment at hand has it.
    fn header(&mut self, header: HeaderId) -> Result<Option<Vec<u64>>, EvalError> {
        let header = self.program.headers.get(header.index()).ok_or("a header option that is not there")?;
        let blank = header.encode(&[]);
        let (kind, preamble) = (blank.first(), usize::from(header.preamble()));
        let magic = PREAMBLE.into()..preamble;
        // The first of its kind decides; an experiment that is too short for an identifier ends the search.
        let decode = |options: Vec<u8>| {
            let mut whole = options_of(&options)
                .take_while(|option| option.first() != kind || option.len() >= preamble)
                .filter(|option| option.first() == kind);
            header.decode(whole.find(|option| option.get(magic.clone()) == blank.get(magic.clone()))?)
        };
        Ok(self.world.header_options().into_iter().find_map(decode))
    }

    /// A cell of a row, or what it starts with.
    fn cell(&mut self, row: &Row, cell: u8) -> Result<u64, EvalError> {
        let program = self.program;
        let missing = || "a cell that is not there".to_string();
        let (table, key, cells) = match row {
            Row::Flow => (None, Vec::new(), &program.flow.as_ref().ok_or_else(missing)?.cells),
            Row::Table(id, parts) => {
                let table = program.tables.get(id.index()).ok_or_else(missing)?;
                (Some(*id), self.key(parts, &table.keys)?, &table.cells)
            }
        };
        let start = cells.get(usize::from(cell)).ok_or_else(missing)?.default;
        Ok(self.world.cell(table, &key, cell)?.unwrap_or(start))
    }

    /// The parts of a key, addresses cut.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub fn key(&mut self, parts: &[Expr], keys: &[Key]) -> Result<Vec<Value>, EvalError> {
        let mut key = Vec::with_capacity(parts.len());
        for (part, shape) in parts.iter().zip(keys) {
            key.push(match self.value(part)? {
                Value::Ip(address) => Value::Ip(shape.cut(address)),
                value => value,
            });
        }
        Ok(key)
    }

    /// Whether the hash of an experiment's name and keys, or of the socket's cookie, lies in an arm's range.
    fn in_arm(&mut self, id: ExperimentId, arm: u8, parts: &[Expr]) -> Result<bool, EvalError> {
        let experiment = self.program.experiments.get(id.index()).ok_or("an experiment that is not there")?;
        let arm = experiment.arms.get(usize::from(arm)).ok_or("an arm that is not there")?;
        let mut words = vec![Value::Number(experiment.seed())];
        match parts {
            [] => words.push(Value::Number(self.world.cookie())),
            parts => words.extend(self.key(parts, &experiment.keys)?),
        }
        Ok((arm.low..arm.high).contains(&hash(&words)))
    }

    /// The value of an expression that is a number.
    ///
    /// # Errors
    /// As [`Self::value`].
    pub fn number(&mut self, expr: &Expr) -> Result<u64, EvalError> {
        match self.value(expr)? {
            Value::Number(number) => Ok(number),
            _ => Err("a value that is no number".into()),
        }
    }

    fn local(&self, local: LocalId) -> Result<Value, EvalError> {
        let value = self.locals.get(local.index()).cloned().flatten();
        value.ok_or_else(|| "a name that has no value yet".into())
    }

    fn call(&mut self, builtin: BuiltinId, args: &[Expr]) -> Result<u64, EvalError> {
        if builtin == BuiltinId::Hash {
            return Ok(hash(&args.iter().map(|arg| self.value(arg)).collect::<Result<Vec<_>, _>>()?));
        }
        let numbers = args.iter().map(|arg| self.number(arg)).collect::<Result<Vec<_>, _>>();
        Ok(match (builtin, numbers.as_deref()) {
            (BuiltinId::Min, Ok([one, other])) => *one.min(other),
            (BuiltinId::Max, Ok([one, other])) => *one.max(other),
            (BuiltinId::Clamp, Ok([x, low, high])) => *x.min(high).max(low),
            (BuiltinId::Now, _) => self.world.now(),
            (BuiltinId::Random, _) => self.world.random().into(),
            // A share is counted in 2^-32, as a random number is.
            (BuiltinId::Sample, Ok([share])) => u64::from(u64::from(self.world.random()) < *share),
            (BuiltinId::SynTos, _) => self.world.syn_tos().into(),
            (_, Err(error)) => return Err(error.clone()),
            _ => return Err(format!("{builtin:?} with {} arguments", args.len())),
        })
    }

    /// Both ends are of one family and agree in their first bits.
    fn same_prefix(&mut self, v4: Option<u8>, v6: Option<u8>) -> Result<bool, EvalError> {
        let local = self.address("local_ip")?;
        let remote = self.address("remote_ip")?;
        let (bits, skipped) = match (is_mapped(local), is_mapped(remote)) {
            (true, true) => (v4, 96),
            (false, false) => (v6, 0),
            _ => (None, 0),
        };
        let agree =
            |bits: u32| bits == 0 || (local ^ remote).checked_shr(128 - bits).is_none_or(|rest| rest == 0);
        Ok(bits.is_some_and(|bits| agree(skipped + u32::from(bits))))
    }

    fn address(&mut self, name: &str) -> Result<u128, EvalError> {
        let field = field(name).ok_or_else(|| format!("no field `{name}`"))?;
        match self.world.field(field) {
            Value::Ip(address) => Ok(address),
            _ => Err(format!("`{name}` is no address")),
        }
    }
}

/// Unsigned comparison; addresses and names are equal or not.
fn compare(op: CompareOp, left: &Value, right: &Value) -> Result<bool, EvalError> {
    Ok(match (op, left, right) {
        (CompareOp::Eq, _, _) => left == right,
        (CompareOp::Ne, _, _) => left != right,
        (CompareOp::Lt, Value::Number(left), Value::Number(right)) => left < right,
        (CompareOp::Le, Value::Number(left), Value::Number(right)) => left <= right,
        (CompareOp::Gt, Value::Number(left), Value::Number(right)) => left > right,
        (CompareOp::Ge, Value::Number(left), Value::Number(right)) => left >= right,
        _ => return Err("values that have no order".into()),
    })
}

/// Arithmetic on 64-bit unsigned numbers, as [`ArithOp`] says.
pub fn arithmetic(op: ArithOp, left: u64, right: u64) -> u64 {
    let shift = u32::try_from(right).unwrap_or(u32::MAX);
    match op {
        ArithOp::Add => left.wrapping_add(right),
        ArithOp::Sub => left.saturating_sub(right),
        ArithOp::Mul => left.wrapping_mul(right),
        ArithOp::Div => left.checked_div(right).unwrap_or(0),
        ArithOp::Rem => left.checked_rem(right).unwrap_or(left),
        ArithOp::And => left & right,
        ArithOp::Or => left | right,
        ArithOp::Xor => left ^ right,
        ArithOp::Shl => left.checked_shl(shift).unwrap_or(0),
        ArithOp::Shr => left.checked_shr(shift).unwrap_or(0),
    }
}

/// The options in the bytes after a TCP header, each with its kind and length; what makes no sense ends them.
fn options_of(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while let [1, tail @ ..] = rest {
            rest = tail;
        }
        let length = usize::from(*rest.get(1)?);
        let option = rest.get(..length).filter(|option| option.len() >= 2 && option[0] != 0)?;
        rest = &rest[length..];
        Some(option)
    })
}

/// `hash`: a number below 2^32 from words; an address is four of them.
fn hash(values: &[Value]) -> u64 {
    let words = values.iter().flat_map(|value| match value {
        Value::Number(number) => vec![*number],
        Value::Ip(address) => (0..4).map(|word| u64::from((address >> (96 - 32 * word)) as u32)).collect(),
        Value::Name(_) => Vec::new(),
    });
    let mixed = words.fold(HASH_START, |hash, word| {
        let spread = (hash ^ word).wrapping_mul(HASH_FACTOR);
        spread ^ (spread >> 32)
    });
    mixed & u64::from(u32::MAX)
}

/// Whether a set holds an element.
pub fn contains(set: &Set, element: &Value) -> bool {
    let element = match element {
        Value::Number(number) => u128::from(*number),
        Value::Ip(address) => *address,
        Value::Name(_) => return false,
    };
    let after = set.ranges.partition_point(|(low, _)| *low <= element);
    set.ranges.get(after.wrapping_sub(1)).is_some_and(|(_, high)| element <= *high)
}

#[cfg(test)]
mod tests;
