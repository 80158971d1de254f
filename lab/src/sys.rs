//! System calls that neither the standard library nor rustix offers: the only `unsafe` of this crate.
//!
//! Contract: the kernel gets pointers only to live values that are borrowed for the whole call, with their sizes;
//! descriptors come in borrowed.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Moves this thread into a new network namespace, which lives as long as the thread and what it opens there.
pub fn enter_new_network() -> io::Result<()> {
    // SAFETY: takes a number only; the thread keeps its descriptors and its memory.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

/// Sets a socket option to these bytes.
pub fn set_option(socket: impl AsFd, level: u32, number: u32, value: &[u8]) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `value` is live, and its length is passed.
    check(unsafe {
        libc::setsockopt(
            fd,
            level as libc::c_int,
            number as libc::c_int,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    })
}
