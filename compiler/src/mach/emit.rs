//! Emission: registers are put in, blocks are laid out, jumps get their offsets.

use regalloc2::{Allocation, Edit, Inst, InstOrEdit, Output};
use tcpc_lang::source::Span;
use tcpc_stdlib::kernel::{RETURN_OK, STACK_SIZE};

use super::written::useful_moves;
use super::{Code, Kind, MachError, MachFunc, MachInst};
use crate::bpf::{AluOp, Insn, JmpOp, Size, insn};
use crate::object::Target;

/// The frame pointer.
const FRAME: u8 = 10;

/// From so many instructions on, a program is laid out for the verifier: where it follows a number that was
/// compared and found equal through all the rules that come after, it does not see that this is a case of the number
/// being unknown, which it follows next. The time it takes would grow with the square of the rules.
const LARGE: usize = 2_000;

/// Puts the program together.
pub fn emit(mach: &MachFunc, allocation: &Output) -> Result<Code, MachError> {
    let frame = Frame::new(mach, allocation)?;
    let mut blocks = Vec::new();
    for (index, useful) in useful_moves(mach, allocation).into_iter().enumerate() {
        blocks.push(emit_block(mach, allocation, &frame, index, &useful)?);
    }
    assemble(mach, &blocks)
}

/// Where things stand on the stack, as offsets from the frame pointer.
struct Frame {
    slots: Vec<i16>,
    spills: i16,
}

impl Frame {
    fn new(mach: &MachFunc, allocation: &Output) -> Result<Frame, MachError> {
        let mut depth = 0u32;
        let slots = mach.slots.iter().map(|&bytes| {
            depth += bytes;
            -(depth as i64) as i16
        });
        let slots = slots.collect();
        let total = depth as usize + 8 * allocation.num_spillslots;
        if total > STACK_SIZE {
            return Err(MachError::TooLarge(format!(
                "it needs {total} bytes of stack, and the kernel gives {STACK_SIZE}"
            )));
        }
        Ok(Frame { slots, spills: -(depth as i64) as i16 })
    }

    fn slot(&self, slot: usize, offset: u16) -> i16 {
        self.slots[slot] + offset as i16
    }

    fn spill(&self, number: usize) -> i16 {
        self.spills - 8 * (number as i16 + 1)
    }
}

/// A block's instructions, its end apart.
#[derive(Default)]
struct EmittedBlock {
    insns: Vec<Insn>,
    spans: Vec<Span>,
    relocations: Vec<(usize, Target)>,
    end: End,
    end_span: Span,
}

/// How a block ends.
#[derive(Clone, Copy, Default)]
enum End {
    #[default]
    Exit,
    Jump,
    /// The comparison, without its offset, and its operator.
    Branch(Insn, JmpOp),
}

impl EmittedBlock {
    fn push(&mut self, insn: Insn, span: Span) {
        self.insns.push(insn);
        self.spans.push(span);
    }

    fn extend(&mut self, insns: impl IntoIterator<Item = Insn>, span: Span) {
        insns.into_iter().for_each(|insn| self.push(insn, span));
    }
}

fn emit_block(
    mach: &MachFunc,
    allocation: &Output,
    frame: &Frame,
    index: usize,
    useful: &[bool],
) -> Result<EmittedBlock, MachError> {
    let mut out = EmittedBlock::default();
    let mut useful = useful.iter();
    for item in allocation.block_insts_and_edits(mach, regalloc2::Block::new(index)) {
        match item {
            InstOrEdit::Inst(inst) => {
                let registers = registers(allocation, inst)?;
                emit_inst(&mut out, &mach.insts[inst.index()], &registers, frame);
            }
            InstOrEdit::Edit(Edit::Move { from, to }) => {
                if useful.next() == Some(&false) {
                    continue;
                }
                // The move belongs to what comes next; the block's end at the latest.
                let span = out.spans.last().copied().unwrap_or(mach.insts[mach.blocks[index].first].span);
                emit_move(&mut out, *from, *to, frame, span)?;
            }
        }
    }
    Ok(out)
}

fn registers(allocation: &Output, inst: Inst) -> Result<Vec<u8>, MachError> {
    let of = |allocation: &Allocation| {
        let register = allocation.as_reg().map(|register| register.hw_enc() as u8);
        register.ok_or_else(|| MachError::Internal("an operand is not in a register".into()))
    };
    allocation.inst_allocs(inst).iter().map(of).collect()
}

fn emit_move(
    out: &mut EmittedBlock,
    from: Allocation,
    to: Allocation,
    frame: &Frame,
    span: Span,
) -> Result<(), MachError> {
    let insn = match (from.as_reg(), to.as_reg(), from.as_stack(), to.as_stack()) {
        (Some(from), Some(to), ..) if from == to => return Ok(()),
        (Some(from), Some(to), ..) => insn::mov64_reg(to.hw_enc() as u8, from.hw_enc() as u8),
        (Some(from), _, _, Some(to)) => {
            insn::stx(Size::DW, FRAME, from.hw_enc() as u8, frame.spill(to.index()))
        }
        (_, Some(to), Some(from), _) => {
            insn::ldx(Size::DW, to.hw_enc() as u8, FRAME, frame.spill(from.index()))
        }
        _ => return Err(MachError::Internal("a move from the stack to the stack".into())),
    };
    out.push(insn, span);
    Ok(())
}

fn emit_inst(out: &mut EmittedBlock, inst: &MachInst, r: &[u8], frame: &Frame) {
    let span = inst.span;
    match inst.kind {
        Kind::Entry => {}
        Kind::Number(number) => match i32::try_from(number as i64) {
            Ok(small) => out.push(insn::mov64_imm(r[0], small), span),
            Err(_) if number <= u64::from(u32::MAX) => {
                out.push(insn::mov32_imm(r[0], number as u32 as i32), span)
            }
            Err(_) => out.extend(insn::ld_imm64(r[0], 0, number), span),
        },
        Kind::Address(ref target, offset) => {
            out.relocations.push((out.insns.len(), target.clone()));
            out.extend(insn::ld_imm64(r[0], 0, 0), span);
            if offset != 0 {
                out.push(insn::alu64_imm(AluOp::Add, r[0], offset as i32), span);
            }
        }
        Kind::SlotAddress(slot, offset) => {
            out.push(insn::mov64_reg(r[0], FRAME), span);
            out.push(insn::alu64_imm(AluOp::Add, r[0], i32::from(frame.slot(slot, offset))), span);
        }
        Kind::LoadContext(size, offset) => out.push(insn::ldx(size, r[0], r[1], offset as i16), span),
        Kind::StoreContext(size, offset) => out.push(insn::stx(size, r[0], r[1], offset as i16), span),
        // The pointer is the result where it is NULL.
        Kind::LoadMember(size, offset) => out
            .extend([insn::jmp_imm(JmpOp::Eq, r[0], 0, 1), insn::ldx(size, r[0], r[0], offset as i16)], span),
        Kind::Load(size, offset) => out.push(insn::ldx(size, r[0], r[1], offset), span),
        Kind::Store(size, offset) => out.push(insn::stx(size, r[0], r[1], offset), span),
        Kind::AtomicAdd(offset) => out.push(insn::atomic_add(Size::DW, r[0], r[1], offset), span),
        Kind::LoadSlot(size, slot, offset) => {
            out.push(insn::ldx(size, r[0], FRAME, frame.slot(slot, offset)), span)
        }
        Kind::StoreSlot(size, slot, offset) => {
            out.push(insn::stx(size, FRAME, r[0], frame.slot(slot, offset)), span)
        }
        Kind::StoreSlotNumber(size, slot, offset, number) => {
            out.push(insn::st_imm(size, FRAME, frame.slot(slot, offset), number), span);
        }
        Kind::Alu(op, narrow) => {
            out.push(
                if narrow { insn::alu32_reg(op, r[0], r[2]) } else { insn::alu64_reg(op, r[0], r[2]) },
                span,
            );
        }
        Kind::AluNumber(op, narrow, number) => {
            let insn =
                if narrow { insn::alu32_imm(op, r[0], number) } else { insn::alu64_imm(op, r[0], number) };
            out.push(insn, span);
        }
        Kind::Neg => out.push(insn::neg64(r[0]), span),
        Kind::SwapBytes(bits) => out.push(insn::be(r[0], bits), span),
        Kind::Call(helper, sock) => {
            if let Some(register) = sock {
                out.push(insn::mov64_imm(r[0], 0), span);
                out.push(insn::jmp_imm(JmpOp::Eq, register, 0, 1), span);
            }
            out.push(insn::call(helper.id), span);
        }
        Kind::CallKernel(kfunc) => {
            out.relocations.push((out.insns.len(), Target::Kfunc(kfunc)));
            out.push(insn::call_extern(), span);
        }
        Kind::Find { entries, words } => emit_find(out, r, entries, words, span),
        Kind::Branch(op, narrow, number) => {
            let compare = match (narrow, number) {
                (true, Some(number)) => insn::jmp32_imm(op, r[0], number, 0),
                (true, None) => insn::jmp32_reg(op, r[0], r[1], 0),
                (false, Some(number)) => insn::jmp_imm(op, r[0], number, 0),
                (false, None) => insn::jmp_reg(op, r[0], r[1], 0),
            };
            out.end = End::Branch(compare, op);
        }
        Kind::Jump => out.end = End::Jump,
        Kind::Exit => out.end = End::Exit,
    }
    out.end_span = span;
}

/// A binary search, written out: each step tries one more bit of the position.
///
/// The kernel's verifier must not follow each of the possible positions. The start is a number it does not
/// know, and in each step the way that leaves the position as it was is the one without a jump: it is
/// followed first, and covers the way that sets the bit.
fn emit_find(out: &mut EmittedBlock, r: &[u8], entries: u32, words: u8, span: Span) {
    let (position, base, next, addr, upper, key) = (r[0], r[2], r[3], r[4], r[5], &r[6..]);
    let shift = if words == 2 { 4 } else { 3 };
    let mut push = |insn| out.push(insn, span);
    push(insn::alu64_imm(AluOp::And, position, entries as i32 - 1));
    let mut step = entries / 2;
    while step > 0 {
        push(insn::mov64_reg(next, position));
        push(insn::alu64_imm(AluOp::Or, next, step as i32));
        push(insn::mov64_reg(addr, next));
        push(insn::alu64_imm(AluOp::Lsh, addr, shift));
        push(insn::alu64_reg(AluOp::Add, addr, base));
        if words == 2 {
            push(insn::ldx(Size::DW, upper, addr, 0));
            push(insn::jmp_reg(JmpOp::Lt, upper, key[0], 4));
            push(insn::jmp_reg(JmpOp::Gt, upper, key[0], 2));
            push(insn::ldx(Size::DW, addr, addr, 8));
            push(insn::jmp_reg(JmpOp::Le, addr, key[1], 1));
        } else {
            push(insn::ldx(Size::DW, addr, addr, 0));
            push(insn::jmp_reg(JmpOp::Le, addr, key[0], 1));
        }
        push(insn::mov64_reg(next, position));
        push(insn::mov64_reg(position, next));
        step /= 2;
    }
}

/// Lays the blocks out in their order, without those that only jump, and fills in the offsets.
fn assemble(mach: &MachFunc, blocks: &[EmittedBlock]) -> Result<Code, MachError> {
    let successor = |block: usize, which: usize| mach.blocks[block].successors[which].index();
    let destination = |mut block: usize| {
        while blocks[block].insns.is_empty() && matches!(blocks[block].end, End::Jump) {
            block = successor(block, 0);
        }
        block
    };
    let order = reachable(blocks, &|block, which| destination(successor(block, which)), destination(0));
    let large = order.iter().map(|&block| blocks[block].insns.len() + 1).sum::<usize>() > LARGE;
    let mut code = Code::default();
    let mut starts = vec![usize::MAX; blocks.len()];
    let mut jumps: Vec<(usize, usize)> = Vec::new();
    for (at, &block) in order.iter().enumerate() {
        starts[block] = code.insns.len();
        let emitted = &blocks[block];
        code.relocations.extend(
            emitted.relocations.iter().map(|(slot, target)| (slot + code.insns.len(), target.clone())),
        );
        code.insns.extend(&emitted.insns);
        code.spans.extend(&emitted.spans);
        let next = order.get(at + 1).copied();
        let mut push = |insn: Insn, target: Option<usize>| {
            if let Some(target) = target {
                jumps.push((code.insns.len(), target));
            }
            code.insns.push(insn);
            code.spans.push(emitted.end_span);
        };
        match emitted.end {
            End::Exit => {
                push(insn::mov64_imm(0, RETURN_OK), None);
                push(insn::exit(), None);
            }
            End::Jump => {
                let target = destination(successor(block, 0));
                if next != Some(target) {
                    push(insn::ja(0), Some(target));
                }
            }
            End::Branch(compare, op) => {
                let (yes, no) = (destination(successor(block, 0)), destination(successor(block, 1)));
                let inverted = op.negated().map(|negated| with_op(compare, op, negated));
                let (jump, target, rest) = match inverted {
                    Some(inverted) if jumps_to_no(op, large, next == Some(yes)) => (inverted, no, yes),
                    _ => (compare, yes, no),
                };
                push(jump, Some(target));
                if next != Some(rest) {
                    push(insn::ja(0), Some(rest));
                }
            }
        }
    }
    for (slot, target) in jumps {
        let distance = starts[target] as i64 - slot as i64 - 1;
        code.insns[slot].off = i16::try_from(distance).map_err(|_| {
            MachError::TooLarge(format!(
                "a jump would have to skip {distance} instructions, and BPF allows 32767"
            ))
        })?;
    }
    Ok(code)
}

/// Whether a branch jumps where its condition does not hold. In a large program the verifier is to follow the
/// way on which two numbers were found different first, and that is the one without a jump.
fn jumps_to_no(op: JmpOp, large: bool, yes_is_next: bool) -> bool {
    match op {
        JmpOp::Eq if large => false,
        JmpOp::Ne if large => true,
        _ => yes_is_next,
    }
}

/// The same comparison with another operator: it stands in the upper half of the operation byte.
fn with_op(compare: Insn, from: JmpOp, to: JmpOp) -> Insn {
    Insn { code: compare.code ^ from as u8 ^ to as u8, ..compare }
}

/// The blocks that remain, each before its successors, in the order in which control falls through.
fn reachable(blocks: &[EmittedBlock], successor: &dyn Fn(usize, usize) -> usize, entry: usize) -> Vec<usize> {
    let count = |block: usize| match blocks[block].end {
        End::Exit => 0,
        End::Jump => 1,
        End::Branch(..) => 2,
    };
    let mut seen = vec![false; blocks.len()];
    let mut order = Vec::new();
    let mut stack = vec![(entry, 0)];
    seen[entry] = true;
    while let Some((block, next)) = stack.pop() {
        if next == count(block) {
            order.push(block);
            continue;
        }
        stack.push((block, next + 1));
        let target = successor(block, next);
        if !seen[target] {
            seen[target] = true;
            stack.push((target, 0));
        }
    }
    order.reverse();
    order
}
