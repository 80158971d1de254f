//! System calls that neither the standard library nor aya offers: the only `unsafe` of this crate.
//!
//! Contract: each function passes the kernel only pointers to memory that it borrows for the whole
//! call and whose length it passes along; descriptors come in borrowed and go out owned. The structs are
//! prefixes of `union bpf_attr` and `struct bpf_link_info` (`include/uapi/linux/bpf.h`), `repr(C)`,
//! without padding; the kernel takes a shorter attribute than its own as followed by zeros.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tcpc_stdlib::kernel::{ATTACH_TYPE_SOCK_OPS, CGROUP_PROGRAMS_MAX};

// `enum bpf_cmd`.
const BPF_MAP_LOOKUP_ELEM: libc::c_int = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_LINK_DETACH: libc::c_int = 34;

/// One `bpf(2)` call. `A` is one of the attribute structs below.
fn bpf<A>(command: libc::c_int, attribute: &mut A) -> io::Result<libc::c_long> {
    // SAFETY: `attribute` is a live, initialised repr(C) struct without padding, and its size is passed;
    // what it points to is borrowed by the caller in this file for the whole call.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attribute), mem::size_of::<A>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Opens a pinned program, map or link.
pub fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attribute {
        path: u64,
        fd: u32,
        flags: u32,
    }
    let path = c_path(path)?;
    let fd = bpf(BPF_OBJ_GET, &mut Attribute { path: path.as_ptr() as u64, fd: 0, flags: 0 })?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// What the kernel says of a link between a program and a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Number of the link.
    pub id: u32,
    /// Number of its program.
    pub program_id: u32,
    /// Number of its cgroup (inode of the directory); 0 once it is detached or the cgroup is gone.
    pub cgroup_id: u64,
}

/// Asks the kernel about a link.
pub fn link_state(link: BorrowedFd<'_>) -> io::Result<LinkState> {
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        kind: u32,
        id: u32,
        program_id: u32,
        hole: u32,
        cgroup_id: u64,
        attach_type: u32,
        tail: u32,
    }
    #[repr(C)]
    struct Attribute {
        fd: u32,
        length: u32,
        info: u64,
    }
    let mut info = Info::default();
    bpf(
        BPF_OBJ_GET_INFO_BY_FD,
        &mut Attribute {
            fd: link.as_raw_fd() as u32,
            length: mem::size_of::<Info>() as u32,
            info: std::ptr::from_mut(&mut info) as u64,
        },
    )?;
    Ok(LinkState { id: info.id, program_id: info.program_id, cgroup_id: info.cgroup_id })
}

/// Detaches a link at once, whoever else holds it.
pub fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attribute {
        link: u32,
    }
    bpf(BPF_LINK_DETACH, &mut Attribute { link: link.as_raw_fd() as u32 }).map(drop)
}

/// Numbers of the sock_ops programs that are attached to this very cgroup, in their order.
pub fn attached_programs(cgroup: BorrowedFd<'_>) -> io::Result<Vec<u32>> {
    #[repr(C)]
    struct Attribute {
        target: u32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        ids: u64,
        count: u32,
        hole: u32,
    }
    let mut ids = vec![0u32; CGROUP_PROGRAMS_MAX];
    let mut attribute = Attribute {
        target: cgroup.as_raw_fd() as u32,
        attach_type: ATTACH_TYPE_SOCK_OPS,
        query_flags: 0,
        attach_flags: 0,
        ids: ids.as_mut_ptr() as u64,
        count: ids.len() as u32,
        hole: 0,
    };
    bpf(BPF_PROG_QUERY, &mut attribute)?;
    ids.truncate(attribute.count as usize);
    Ok(ids)
}

#[repr(C)]
struct ElementAttribute {
    map: u32,
    hole: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Reads the value of an array map at `index`. `value` must be exactly as long as the map's values are
/// (for a map of one value per processor: all of them).
pub fn read_element(map: BorrowedFd<'_>, index: u32, value: &mut [u8]) -> io::Result<()> {
    let mut attribute = ElementAttribute {
        map: map.as_raw_fd() as u32,
        hole: 0,
        key: std::ptr::from_ref(&index) as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    bpf(BPF_MAP_LOOKUP_ELEM, &mut attribute).map(drop)
}

/// Writes the value of an array map at `index`. `value` must be exactly as long as the map's values are.
pub fn write_element(map: BorrowedFd<'_>, index: u32, value: &[u8]) -> io::Result<()> {
    let mut attribute = ElementAttribute {
        map: map.as_raw_fd() as u32,
        hole: 0,
        key: std::ptr::from_ref(&index) as u64,
        value: value.as_ptr() as u64,
        flags: 0,
    };
    bpf(BPF_MAP_UPDATE_ELEM, &mut attribute).map(drop)
}

/// The kind of the file system that holds `path`: its `*_SUPER_MAGIC`.
pub fn file_system(path: &Path) -> io::Result<i64> {
    let path = c_path(path)?;
    // SAFETY: all-zero bytes are a valid `statfs`, which is plain numbers.
    let mut facts: libc::statfs = unsafe { mem::zeroed() };
    // SAFETY: `path` ends in NUL and `facts` is a live struct of the type that the call fills.
    if unsafe { libc::statfs(path.as_ptr(), &mut facts) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(facts.f_type as i64)
}

/// Mounts a bpffs at a directory.
pub fn mount_bpffs(path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    // SAFETY: all strings end in NUL; no data is passed.
    let result = unsafe {
        libc::mount(c"bpf".as_ptr(), path.as_ptr(), c"bpf".as_ptr(), 0, c"mode=0700".as_ptr().cast())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Length of a timer tick in nanoseconds: the resolution of the clock that ticks advance.
pub fn tick_nanos() -> io::Result<u64> {
    let mut resolution = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `resolution` is a live struct of the type that the call fills.
    if unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, &mut resolution) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(resolution.tv_sec as u64 * 1_000_000_000 + resolution.tv_nsec as u64)
}
