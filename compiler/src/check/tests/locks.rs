//! Locks of rows, by the rules of the kernel's `process_spin_lock` and `check_map_access`.

use super::*;

/// `bpf_spin_lock` and `bpf_spin_unlock`.
const LOCK: u32 = 93;
const UNLOCK: u32 = 94;

/// The row of a key in r7, whose map has locks; BODY if there is one.
fn with_row(body: Vec<Insn>) -> ObjectFile {
    let look_up = join([
        vec![st_imm(Size::DW, 10, -8, 1)],
        address(1, MAP),
        vec![mov64_reg(2, 10), alu64_imm(AluOp::Add, 2, -8), call(1)],
        vec![jmp_imm(JmpOp::Eq, 0, 0, 1 + body.len() as i16), mov64_reg(7, 0)],
        body,
    ]);
    let mut object = object(always(look_up));
    object.maps[0].locked = true;
    object
}

fn lock() -> Vec<Insn> {
    vec![mov64_reg(1, 7), call(LOCK)]
}

fn unlock() -> Vec<Insn> {
    vec![mov64_reg(1, 7), call(UNLOCK)]
}

fn verdict(body: Vec<Insn>) -> Result<(), String> {
    check(&with_row(body)).map_err(|error| error.message)
}

#[track_caller]
fn refused(body: Vec<Insn>, message: &str) {
    let said = verdict(body).unwrap_err();
    assert!(said.contains(message), "{said}");
}

#[test]
fn a_row_is_changed_while_it_is_locked() {
    let change = vec![
        ldx(Size::DW, 2, 7, 8),
        jmp_imm(JmpOp::Eq, 2, 0, 1),
        alu64_imm(AluOp::Sub, 2, 1),
        stx(Size::DW, 7, 2, 8),
    ];
    assert_eq!(verdict(join([lock(), change.clone(), unlock()])), Ok(()));
    let twice = join([lock(), change.clone(), unlock(), lock(), change, unlock()]);
    assert_eq!(verdict(twice), Ok(()));
}

#[test]
fn nothing_is_called_while_a_lock_is_held() {
    refused(join([lock(), vec![call(7)], unlock()]), "a call while a lock is held");
    refused(join([lock(), lock(), unlock()]), "a call while a lock is held");
    refused(unlock(), "a lock is given back that is not held");
}

#[test]
fn a_lock_is_given_back_on_every_path() {
    refused(lock(), "a lock is held on some paths only");
    let some = join([lock(), vec![ldx(Size::DW, 2, 7, 8), jmp_imm(JmpOp::Eq, 2, 0, 2)], unlock()]);
    refused(some, "a lock is held on some paths only");
    let ends = join([lock(), vec![mov64_imm(0, 1), exit()]]);
    let mut ended = with_row(ends);
    ended.code.retain(|insn| !insn.is_wide() || insn.imm == 0);
    assert!(check(&ended).unwrap_err().message.contains("a lock held"));
}

#[test]
fn a_lock_is_the_beginning_of_a_value_that_has_one() {
    let elsewhere = vec![mov64_reg(1, 7), alu64_imm(AluOp::Add, 1, 8), call(LOCK)];
    refused(join([elsewhere, unlock()]), "it is not the beginning of a map's value");
    refused(join([vec![mov64_reg(1, 10), call(LOCK)], unlock()]), "not a lock");
    let mut unlocked = with_row(join([lock(), unlock()]));
    unlocked.maps[0].locked = false;
    assert!(check(&unlocked).unwrap_err().message.contains("values of the map have no lock"));
}

#[test]
fn the_bytes_of_a_lock_are_left_alone() {
    refused(vec![ldx(Size::W, 2, 7, 0)], "the lock in a value of `ports` is accessed");
    refused(vec![st_imm(Size::DW, 7, 0, 0)], "the lock in a value of `ports` is accessed");
    assert_eq!(verdict(vec![ldx(Size::W, 2, 7, 4)]), Ok(()));
}
