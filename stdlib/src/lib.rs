//! The vocabulary of tcpc: what the kernel's sock_ops interface offers, as data.
//!
//! Every kernel fact (a number, an offset, a width, a unit, a first kernel version) is written in this
//! crate and nowhere else. The lexer, the checker, the lowering, the mock socket, the disassembler
//! and the reference page read it. There is no logic beyond look-ups.
//!
//! | module | holds |
//! | --- | --- |
//! | [`event`] | the operations that the kernel calls a program for |
//! | [`field`] | the members of `struct bpf_sock_ops` |
//! | [`option`] | socket options that a policy can set or read |
//! | [`header`] | TCP header options |
//! | [`helper`] | helper functions |
//! | [`kfunc`] | kernel functions that are called by name |
//! | [`enable`] | what makes the kernel raise some events |
//! | [`signature`] | what helpers take and give |
//! | [`builtin`] | built-in names of the language |
//! | [`feature`] | what one kernel has and an older one has not |
//! | [`unit`] | types of the language, units of the kernel |
//! | [`kernel`] | versions and constants |
//! | [`manifest`] | what an object says of itself |
//! | [`policies`] | the standard library |

#![forbid(unsafe_code)]

pub mod builtin;
pub mod enable;
pub mod event;
pub mod feature;
pub mod field;
pub mod header;
pub mod helper;
pub mod kernel;
pub mod kfunc;
pub mod manifest;
pub mod option;
pub mod policies;
pub mod signature;
pub mod unit;
pub mod word;
