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
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tcpc_stdlib::kernel::{ATTACH_TYPE_SOCK_OPS, CGROUP_PROGRAMS_MAX, MAP_TYPE_RINGBUF, PROG_TYPE_SOCK_OPS};

// `enum bpf_cmd`.
const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_int = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_int = 2;
const BPF_MAP_DELETE_ELEM: libc::c_int = 3;
const BPF_MAP_GET_NEXT_KEY: libc::c_int = 4;
const BPF_PROG_LOAD: libc::c_int = 5;
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_PROG_TEST_RUN: libc::c_int = 10;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_PROG_QUERY: libc::c_int = 16;
const BPF_MAP_UPDATE_BATCH: libc::c_int = 26;
const BPF_LINK_CREATE: libc::c_int = 28;
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

/// Makes an array map with one value.
pub fn make_array(value_size: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attribute {
        map_type: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    }
    const BPF_MAP_TYPE_ARRAY: u32 = 2;
    let mut attribute = Attribute { map_type: BPF_MAP_TYPE_ARRAY, key_size: 4, value_size, max_entries: 1 };
    let fd = bpf(BPF_MAP_CREATE, &mut attribute)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Makes a ring buffer; `bytes` is a power of two and a multiple of the page size.
pub fn make_ring(bytes: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attribute {
        map_type: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
    }
    let mut attribute =
        Attribute { map_type: MAP_TYPE_RINGBUF, key_size: 0, value_size: 0, max_entries: bytes };
    let fd = bpf(BPF_MAP_CREATE, &mut attribute)?;
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Loads a sock_ops program of these instruction slots.
pub fn load_program(code: &[u64]) -> io::Result<OwnedFd> {
    load_program_of(PROG_TYPE_SOCK_OPS, code)
}

/// Runs a program of these instruction slots once, here and now: a socket filter, on an empty packet of its own.
pub fn run_once(code: &[u64]) -> io::Result<()> {
    const BPF_PROG_TYPE_SOCKET_FILTER: u32 = 1;
    /// The least that the kernel takes: an Ethernet header.
    const PACKET: usize = 14;
    #[repr(C)]
    struct Attribute {
        program: u32,
        result: u32,
        size_in: u32,
        size_out: u32,
        data_in: u64,
        data_out: u64,
        repeat: u32,
        duration: u32,
    }
    let program = load_program_of(BPF_PROG_TYPE_SOCKET_FILTER, code)?;
    let packet = [0u8; PACKET];
    let mut attribute = Attribute {
        program: program.as_raw_fd() as u32,
        result: 0,
        size_in: PACKET as u32,
        size_out: 0,
        data_in: packet.as_ptr() as u64,
        data_out: 0,
        repeat: 1,
        duration: 0,
    };
    bpf(BPF_PROG_TEST_RUN, &mut attribute).map(drop)
}

fn load_program_of(program_type: u32, code: &[u64]) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attribute {
        program_type: u32,
        slots: u32,
        code: u64,
        license: u64,
    }
    let mut attribute = Attribute {
        program_type,
        slots: code.len() as u32,
        code: code.as_ptr() as u64,
        license: c"".as_ptr() as u64,
    };
    let fd = bpf(BPF_PROG_LOAD, &mut attribute)?;
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Attaches a sock_ops program to a cgroup for as long as what is returned is kept.
pub fn link_program(program: BorrowedFd<'_>, cgroup: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    link(program, cgroup, ATTACH_TYPE_SOCK_OPS)
}

/// Lets no packet reach the sockets of a cgroup for as long as what is returned is kept. `code` is a program that
/// lets none pass.
pub fn link_ingress(code: &[u64], cgroup: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    const BPF_PROG_TYPE_CGROUP_SKB: u32 = 8;
    const BPF_CGROUP_INET_INGRESS: u32 = 0;
    let program = load_program_of(BPF_PROG_TYPE_CGROUP_SKB, code)?;
    link(program.as_fd(), cgroup, BPF_CGROUP_INET_INGRESS)
}

fn link(program: BorrowedFd<'_>, cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attribute {
        program: u32,
        target: u32,
        attach_type: u32,
        flags: u32,
    }
    let mut attribute = Attribute {
        program: program.as_raw_fd() as u32,
        target: cgroup.as_raw_fd() as u32,
        attach_type,
        flags: 0,
    };
    let fd = bpf(BPF_LINK_CREATE, &mut attribute)?;
    // SAFETY: as above.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// In a child process that joins a cgroup by its open file `cgroup.procs`: begins to connect to these ports of the
/// loopback addresses of each family. Whether a connection comes about is not waited for; the child is.
pub fn connect_in_cgroup(procs: BorrowedFd<'_>, v4: Option<u16>, v6: Option<u16>) -> io::Result<()> {
    // SAFETY: the child calls only what POSIX allows between `fork` and `_exit` in a process that may have threads:
    // write, socket, connect and _exit. It allocates nothing and returns to nobody.
    let child = unsafe { libc::fork() };
    match child {
        -1 => return Err(io::Error::last_os_error()),
        0 => {
            let status = in_child(procs.as_raw_fd(), v4, v6);
            // SAFETY: ends the child without running what the parent registered.
            unsafe { libc::_exit(status) }
        }
        _ => {}
    }
    let mut status = 0;
    // SAFETY: waits for the child that was just made; `status` is a live number.
    while unsafe { libc::waitpid(child, &mut status, 0) } < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    match libc::WIFEXITED(status) {
        true if libc::WEXITSTATUS(status) == 0 => Ok(()),
        true => Err(io::Error::from_raw_os_error(libc::WEXITSTATUS(status))),
        false => Err(io::ErrorKind::Other.into()),
    }
}

/// What the child of [`connect_in_cgroup`] does; the result is its exit status, an error number.
fn in_child(procs: libc::c_int, v4: Option<u16>, v6: Option<u16>) -> libc::c_int {
    // SAFETY: writes one byte of a constant. `0` stands for the process that writes.
    if unsafe { libc::write(procs, c"0".as_ptr().cast(), 1) } != 1 {
        // SAFETY: reads this thread's own number.
        return unsafe { *libc::__errno_location() };
    }
    let v4 = v4.map(|port| libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: libc::INADDR_LOOPBACK.to_be() },
        sin_zero: [0; 8],
    });
    let v6 = v6.map(|port| libc::sockaddr_in6 {
        sin6_family: libc::AF_INET6 as u16,
        sin6_port: port.to_be(),
        sin6_flowinfo: 0,
        sin6_addr: libc::in6_addr { s6_addr: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] },
        sin6_scope_id: 0,
    });
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK;
    if let Some(address) = &v4 {
        // SAFETY: `address` is a live struct of the size that is passed; the socket ends with the process.
        unsafe {
            let socket = libc::socket(libc::AF_INET, kind, 0);
            libc::connect(socket, std::ptr::from_ref(address).cast(), mem::size_of_val(address) as u32);
        }
    }
    if let Some(address) = &v6 {
        // SAFETY: as above.
        unsafe {
            let socket = libc::socket(libc::AF_INET6, kind, 0);
            libc::connect(socket, std::ptr::from_ref(address).cast(), mem::size_of_val(address) as u32);
        }
    }
    0
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

/// Reads the value of a key; whether it is there. `key` and `value` must be exactly as long as the map's are (for a map
/// of one value per processor: all of them). `flags` is 0, or `BPF_F_LOCK` for a value with a lock.
pub fn read_row(map: BorrowedFd<'_>, key: &[u8], value: &mut [u8], flags: u64) -> io::Result<bool> {
    let mut attribute = ElementAttribute {
        map: map.as_raw_fd() as u32,
        hole: 0,
        key: key.as_ptr() as u64,
        value: value.as_mut_ptr() as u64,
        flags,
    };
    found(bpf(BPF_MAP_LOOKUP_ELEM, &mut attribute))
}

/// Writes the key after `key`, or the first one, to `next`; whether there is one. Both must be exactly as long as the
/// map's keys are.
pub fn next_key(map: BorrowedFd<'_>, key: Option<&[u8]>, next: &mut [u8]) -> io::Result<bool> {
    let mut attribute = ElementAttribute {
        map: map.as_raw_fd() as u32,
        hole: 0,
        key: key.map_or(0, |key| key.as_ptr() as u64),
        value: next.as_mut_ptr() as u64,
        flags: 0,
    };
    found(bpf(BPF_MAP_GET_NEXT_KEY, &mut attribute))
}

/// Removes a key; whether it was there. `key` must be exactly as long as the map's keys are.
pub fn delete_row(map: BorrowedFd<'_>, key: &[u8]) -> io::Result<bool> {
    let mut attribute = ElementAttribute {
        map: map.as_raw_fd() as u32,
        hole: 0,
        key: key.as_ptr() as u64,
        value: 0,
        flags: 0,
    };
    found(bpf(BPF_MAP_DELETE_ELEM, &mut attribute))
}

/// Writes the value of a key, which must be exactly as long as the map's are.
pub fn write_row(map: BorrowedFd<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    let mut attribute = ElementAttribute {
        map: map.as_raw_fd() as u32,
        hole: 0,
        key: key.as_ptr() as u64,
        value: value.as_ptr() as u64,
        flags: 0,
    };
    bpf(BPF_MAP_UPDATE_ELEM, &mut attribute).map(drop)
}

/// Writes many keys and their values in one call, each as long as the map's are, one after another. An error leaves
/// some of them written.
pub fn write_rows(map: BorrowedFd<'_>, count: u32, keys: &[u8], values: &[u8]) -> io::Result<()> {
    #[repr(C)]
    struct Attribute {
        in_batch: u64,
        out_batch: u64,
        keys: u64,
        values: u64,
        count: u32,
        map: u32,
        element_flags: u64,
        flags: u64,
    }
    let mut attribute = Attribute {
        in_batch: 0,
        out_batch: 0,
        keys: keys.as_ptr() as u64,
        values: values.as_ptr() as u64,
        count,
        map: map.as_raw_fd() as u32,
        element_flags: 0,
        flags: 0,
    };
    bpf(BPF_MAP_UPDATE_BATCH, &mut attribute).map(drop)
}

/// Waits until every program that runs now has ended, and memory is seen the same everywhere
/// (`MEMBARRIER_CMD_GLOBAL`: an RCU grace period).
pub fn wait_for_programs() -> io::Result<()> {
    // SAFETY: takes numbers only.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether a key was there.
fn found(result: io::Result<libc::c_long>) -> io::Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(error) => Err(error),
    }
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

/// What is to be added to nanoseconds since boot to get those since 1970.
pub fn boot_to_wall_nanos() -> io::Result<u64> {
    let now = |clock| -> io::Result<u64> {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a live struct of the type that the call fills.
        if unsafe { libc::clock_gettime(clock, &mut time) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
    };
    Ok(now(libc::CLOCK_REALTIME)?.saturating_sub(now(libc::CLOCK_BOOTTIME)?))
}

/// A descriptor that can be read once the process is asked to end; this thread is no longer ended by that.
pub fn ending_signals() -> io::Result<OwnedFd> {
    // SAFETY: all-zero bytes are a valid `sigset_t`, which the next calls make empty and fill.
    let mut signals: libc::sigset_t = unsafe { mem::zeroed() };
    // SAFETY: `signals` is a live set; the old mask is not asked for. The new descriptor is nobody else's.
    unsafe {
        libc::sigemptyset(&mut signals);
        libc::sigaddset(&mut signals, libc::SIGINT);
        libc::sigaddset(&mut signals, libc::SIGTERM);
        if libc::pthread_sigmask(libc::SIG_BLOCK, &signals, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        match libc::signalfd(-1, &signals, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

/// Waits until one of these can be read, but not longer than this: which of them can.
pub fn wait_for(readers: &[BorrowedFd<'_>], at_most: std::time::Duration) -> io::Result<Vec<bool>> {
    let wait =
        |reader: &BorrowedFd<'_>| libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut waits: Vec<libc::pollfd> = readers.iter().map(wait).collect();
    let milliseconds = i32::try_from(at_most.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: `waits` is a live array of so many structs, which the call fills.
    let result = unsafe { libc::poll(waits.as_mut_ptr(), waits.len() as libc::nfds_t, milliseconds) };
    match result {
        -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => Ok(vec![false; waits.len()]),
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(waits.iter().map(|wait| wait.revents != 0).collect()),
    }
}
