//! Socket options: what `bpf_setsockopt` stores and refuses, what `bpf_getsockopt` reads.
//!
//! Ranges, versions and families are the catalogue's; here is what the kernel does beyond them: doubling,
//! clamping, rounding, side effects (`net/core/filter.c`, `net/core/sock.c`, `net/ipv4/tcp.c`).

use tcpc_lang::hir::Value;
use tcpc_stdlib::event::Sock;
use tcpc_stdlib::kernel::{
    AF_INET, AF_INET6, ECN_CAPABLE, ECN_MASK, LOOPBACK_INDEX, NAME_MAX, NEEDS_ECN, RCVBUF_MIN, RECEIVE_SPACE,
    SAVE_SYN_LINK_SINCE, SNDBUF_MIN, TIMEOUT_MIN_JIFFIES, TOS_KEEPS_ECN_SINCE, TOS_ON_DUAL_STACK_SINCE,
    TOS_PRIORITY, errno_name,
};
use tcpc_stdlib::option::{INITIAL, INITIAL_CONGESTION, OptionFamily, OptionValue, Readback, SockOption};
use tcpc_stdlib::unit::{Type, jiffies, jiffies_to_nanos};

use super::{Errno, MockKernel, MockSock};

/// A value as the socket keeps it.
#[derive(Clone, Debug, PartialEq)]
pub enum Stored {
    /// A number in the option's raw unit.
    Number(i64),
    /// A name.
    Name(String),
}

/// `bpf_setsockopt`.
///
/// # Errors
/// The kernel's error number, or the one that a test asked for.
pub fn set(
    kernel: &MockKernel,
    sock: &mut MockSock,
    option: &'static SockOption,
    bytes: &[u8],
) -> Result<(), Errno> {
    check_socket(sock)?;
    if option.set_since.is_none_or(|since| since > kernel.version) {
        return Err("EINVAL");
    }
    let value = decode(option, bytes)?;
    if let Some(errno) = kernel.failure(option, &as_written(option, &value)) {
        return Err(errno_name(errno).unwrap_or("EINVAL"));
    }
    check_family(kernel, sock, option)?;
    store(kernel, sock, option, value)
}

/// `bpf_getsockopt` of an option that is a number or a name: `length` bytes.
///
/// # Errors
/// The kernel's error number.
pub fn get(
    kernel: &MockKernel,
    sock: &MockSock,
    option: &'static SockOption,
    length: usize,
) -> Result<Vec<u8>, Errno> {
    check_socket(sock)?;
    if option.get_since.is_none_or(|since| since > kernel.version) {
        return Err("EINVAL");
    }
    check_family(kernel, sock, option)?;
    match (option.value, read(sock, option)) {
        (OptionValue::Name, Stored::Name(name)) if length >= 2 => {
            let mut bytes = name.into_bytes();
            bytes.resize(length, 0);
            Ok(bytes)
        }
        (OptionValue::Int | OptionValue::Uint, Stored::Number(number)) if length == 4 => {
            Ok((number as u32).to_le_bytes().to_vec())
        }
        _ => Err("EINVAL"),
    }
}

/// An option's value as a policy would assign it, in the canonical unit of its type.
pub fn value(sock: &MockSock, option: &'static SockOption) -> Value {
    match read(sock, option) {
        Stored::Number(number) if option.readback == Readback::Doubled => {
            as_written(option, &Stored::Number(number / 2))
        }
        other => as_written(option, &other),
    }
}

/// What a program sees of an option, in the canonical unit of its type: the kernel leaves zeros where it refuses to tell,
/// and shows 32 bits, without a sign.
pub fn seen(kernel: &MockKernel, sock: &MockSock, option: &'static SockOption) -> Value {
    let named = option.value == OptionValue::Name;
    let bytes = get(kernel, sock, option, if named { NAME_MAX } else { 4 }).unwrap_or_default();
    if named {
        let name = bytes.into_iter().take_while(|&byte| byte != 0).collect();
        return Value::Name(String::from_utf8(name).unwrap_or_default());
    }
    let raw = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    let set = if option.readback == Readback::Doubled { raw / 2 } else { raw };
    Value::Number(set.wrapping_mul(option.unit.scale().unwrap_or(1)))
}

/// The value that a program passed, in the canonical unit of its type; `None` if it has the wrong length.
pub fn shown(option: &'static SockOption, bytes: &[u8]) -> Option<Value> {
    decode(option, bytes).ok().map(|stored| as_written(option, &stored))
}

/// Gives an option the value that a test says it has before the event, whatever the event and the kernel's
/// version.
///
/// # Errors
/// In words: the kernel would refuse the value.
pub fn give(
    kernel: &MockKernel,
    sock: &mut MockSock,
    option: &'static SockOption,
    value: &Value,
) -> Result<(), String> {
    let raw = match value {
        Value::Name(name) => Stored::Name(name.clone()),
        Value::Number(number) => Stored::Number((number / option.unit.scale().unwrap_or(1)) as i64),
        Value::Ip(_) => return Err(format!("`{}` is no address", option.name)),
    };
    store(kernel, sock, option, raw)
        .map_err(|errno| format!("`{}` refuses this value ({errno})", option.name))
}

/// Gives an option the value that a socket of a real kernel was read with, as it is: the kernel itself sets what no
/// program could.
pub fn give_as_read(sock: &mut MockSock, option: &'static SockOption, bytes: &[u8]) {
    if let Ok(stored) = decode(option, bytes) {
        sock.options.insert(option.name, stored);
    }
}

/// A request socket takes no options; a time-stamping event none either.
fn check_socket(sock: &MockSock) -> Result<(), Errno> {
    match sock.event() {
        Some(event) if event.sock == Sock::Unlocked => Err("EOPNOTSUPP"),
        _ if !sock.is_full() => Err("EINVAL"),
        _ => Ok(()),
    }
}

fn check_family(kernel: &MockKernel, sock: &MockSock, option: &SockOption) -> Result<(), Errno> {
    let family = sock.current_family();
    let fits = match option.family {
        OptionFamily::Any => true,
        // No socket here is for IPv6 only.
        OptionFamily::Inet => family == AF_INET || kernel.version >= TOS_ON_DUAL_STACK_SINCE,
        OptionFamily::Inet6 => family == AF_INET6,
    };
    if fits { Ok(()) } else { Err("EINVAL") }
}

/// Numbers are exactly four bytes; names end at a NUL or at the length.
fn decode(option: &SockOption, bytes: &[u8]) -> Result<Stored, Errno> {
    match option.value {
        OptionValue::Int | OptionValue::Uint => {
            let bytes: [u8; 4] = bytes.try_into().map_err(|_| "EINVAL")?;
            Ok(Stored::Number(match option.value {
                OptionValue::Int => i32::from_le_bytes(bytes).into(),
                _ => u32::from_le_bytes(bytes).into(),
            }))
        }
        OptionValue::Name if bytes.len() >= 2 || option.min == 0 => {
            let name = bytes.iter().take(NAME_MAX).take_while(|&&byte| byte != 0).copied().collect();
            Ok(Stored::Name(String::from_utf8(name).unwrap_or_default()))
        }
        OptionValue::Name | OptionValue::Bytes => Err("EINVAL"),
    }
}

/// A raw value in the canonical unit of its type.
fn as_written(option: &SockOption, stored: &Stored) -> Value {
    match stored {
        Stored::Name(name) => Value::Name(name.clone()),
        Stored::Number(number) => {
            Value::Number((*number as u64).wrapping_mul(option.unit.scale().unwrap_or(1)))
        }
    }
}

/// What the socket has now, in the raw unit.
fn read(sock: &MockSock, option: &SockOption) -> Stored {
    match option.name {
        // What is read is the segment size in use, not the one that was set, unless none can be in use.
        "maxseg" if !sock.is_in("tcp_listen") || !is_set(sock, "maxseg") => {
            return Stored::Number(sock.raw("mss_cache") as i64);
        }
        "sock_ops_cb_flags" => return Stored::Number(sock.raw("bpf_sock_ops_cb_flags") as i64),
        _ => {}
    }
    let initial = || INITIAL.iter().find(|(name, _)| *name == option.name).map_or(0, |(_, number)| *number);
    sock.options.get(option.name).cloned().unwrap_or_else(|| match option.name {
        "congestion" => Stored::Name(INITIAL_CONGESTION.into()),
        _ if option.value == OptionValue::Name => Stored::Name(String::new()),
        _ => Stored::Number(initial()),
    })
}

/// Whether an option is a number other than 0.
fn is_set(sock: &MockSock, name: &str) -> bool {
    matches!(sock.options.get(name), Some(Stored::Number(number)) if *number != 0)
}

/// What the socket has now of an option that is a number.
fn read_number(sock: &MockSock, name: &str) -> i64 {
    match tcpc_stdlib::option::option(name).map(|option| read(sock, option)) {
        Some(Stored::Number(number)) => number,
        _ => 0,
    }
}

/// Checks the value as the option does, keeps what the option keeps, and does what it does besides.
fn store(
    kernel: &MockKernel,
    sock: &mut MockSock,
    option: &'static SockOption,
    value: Stored,
) -> Result<(), Errno> {
    let stored = match value {
        Stored::Name(name) if option.name == "congestion" && name.is_empty() => return Err("ENOENT"),
        Stored::Name(name) => Stored::Name(name),
        Stored::Number(number) => Stored::Number(number_kept(kernel, sock, option, number)?),
    };
    match &stored {
        Stored::Number(number) => side_effects(kernel, sock, option, *number),
        Stored::Name(name) if option.name == "bindtodevice" => bind(sock, device_index(name)),
        Stored::Name(name) if option.name == "congestion" => mark(sock, name),
        Stored::Name(_) => {}
    }
    sock.options.insert(option.name, stored);
    Ok(())
}

/// The number that the socket keeps for one that it is given.
fn number_kept(kernel: &MockKernel, sock: &MockSock, option: &SockOption, number: i64) -> Result<i64, Errno> {
    let in_range = (option.min..=option.max).contains(&number);
    Ok(match option.name {
        "sndbuf" => doubled(number, kernel.wmem_max, SNDBUF_MIN),
        "rcvbuf" => doubled(number, kernel.rmem_max, RCVBUF_MIN),
        "rcvlowat" => readable_at(kernel, sock, number),
        "max_pacing_rate" => number,
        // -1 stands for the system's setting.
        "txrehash" if number == -1 => 1,
        // 0 stands for no limit.
        "maxseg" if number == 0 => 0,
        "thin_linear_timeouts" | "txrehash" if !in_range => return Err("EINVAL"),
        "save_syn" if number == 2 && kernel.version < SAVE_SYN_LINK_SINCE => return Err("EINVAL"),
        // 0 is for sockets that are closed; what is negative is small.
        "window_clamp" if number != 0 => number.max(RCVBUF_MIN as i64 / 2),
        "init_cwnd" if sock.raw("data_segs_out") > 0 => return Err("EINVAL"),
        "delack_max" | "rto_min" if in_range && ticks(kernel, option, number) < TIMEOUT_MIN_JIFFIES => {
            return Err("EINVAL");
        }
        _ if option.readback == Readback::Jiffies && in_range => {
            let nanos = jiffies_to_nanos(ticks(kernel, option, number), kernel.hz);
            (nanos / option.unit.scale().unwrap_or(1)) as i64
        }
        "tos" | "tclass" => service_class(kernel, sock, option, number)?,
        "sock_ops_cb_flags" if number & !i64::from(kernel.callback_flags()) != 0 => return Err("EINVAL"),
        _ if option.ty == Type::Bool => i64::from(number != 0),
        _ if !in_range => return Err("EINVAL"),
        _ => number,
    })
}

/// Buffers are capped by the system's limit, where a negative size counts as a huge one, then doubled.
fn doubled(number: i64, limit: u64, least: u64) -> i64 {
    let capped = u64::from(number as u32).min(limit).min(i32::MAX as u64 / 2);
    (capped * 2).max(least) as i64
}

/// A time in whole ticks, as a timer takes it.
fn ticks(kernel: &MockKernel, option: &SockOption, number: i64) -> u64 {
    jiffies((number as u64).saturating_mul(option.unit.scale().unwrap_or(1)), kernel.hz)
}

/// The event in which a connection belongs to no process yet, so that nobody could read from it.
const BEFORE_ACCEPT: &str = "passive_established";

/// How many bytes wake a reader: no more than half of the buffer, once there is a reader. What is negative is as much as
/// possible.
fn readable_at(kernel: &MockKernel, sock: &MockSock, number: i64) -> i64 {
    let most = match read_number(sock, "rcvbuf") {
        _ if sock.is_in(BEFORE_ACCEPT) => i64::MAX,
        bytes if sock.has_fixed_rcvbuf => bytes / 2,
        _ => kernel.tcp_rmem_max as i64 / 2,
    };
    let wanted = if number < 0 { i64::from(i32::MAX) } else { number };
    wanted.min(most).max(1)
}

/// Newer kernels take the lowest eight bits and leave the two of ECN alone; older ones take what they get.
fn service_class(
    kernel: &MockKernel,
    sock: &MockSock,
    option: &SockOption,
    number: i64,
) -> Result<i64, Errno> {
    let before = match sock.options.get(option.name) {
        Some(Stored::Number(before)) => *before,
        _ => 0,
    };
    let ecn = ECN_MASK as i64;
    let keeps_ecn = kernel.version >= TOS_KEEPS_ECN_SINCE;
    match number {
        _ if option.name == "tos" && keeps_ecn => Ok(number & 0xff & !ecn | before & ecn),
        -1 => Ok(0),
        0..=255 if keeps_ecn => Ok(number & !ecn | before & ecn),
        0..=255 => Ok(number),
        _ => Err("EINVAL"),
    }
}

/// Marks the packets as the congestion control wants it, unless it is the one that the socket has already.
fn mark(sock: &mut MockSock, congestion: &str) {
    let before = tcpc_stdlib::option::option("congestion").map(|option| read(sock, option));
    if before == Some(Stored::Name(congestion.to_owned())) {
        return;
    }
    let bits = if NEEDS_ECN.contains(&congestion) { ECN_CAPABLE as i64 } else { 0 };
    // An IPv6 socket has both, whoever its peer is.
    let classes: &[&'static str] =
        if sock.current_family() == AF_INET6 { &["tos", "tclass"] } else { &["tos"] };
    for name in classes {
        let class = read_number(sock, name);
        sock.options.insert(name, Stored::Number(class & !(ECN_MASK as i64) | bits));
    }
}

/// The number of a device. Of those but the loopback device a model knows only that they have others.
fn device_index(name: &str) -> u64 {
    match name {
        "" => 0,
        "lo" => LOOPBACK_INDEX,
        _ => LOOPBACK_INDEX + 1,
    }
}

/// Binds a socket to a device: the options for it and the field show one thing.
fn bind(sock: &mut MockSock, index: u64) {
    sock.set_raw("bound_dev_if", index);
    sock.options.insert("bindtoifindex", Stored::Number(index as i64));
}

/// What an option changes beside itself.
fn side_effects(kernel: &MockKernel, sock: &mut MockSock, option: &SockOption, number: i64) {
    let raw = number as u64;
    match option.name {
        "init_cwnd" => sock.set_raw("snd_cwnd", raw),
        "cwnd_clamp" => sock.set_raw("snd_ssthresh", raw),
        "bindtoifindex" => bind(sock, raw),
        "sock_ops_cb_flags" => sock.set_raw("bpf_sock_ops_cb_flags", raw),
        "rcvbuf" => sock.has_fixed_rcvbuf = true,
        "rcvlowat" if !sock.has_fixed_rcvbuf && !sock.is_in(BEFORE_ACCEPT) => {
            let room = RECEIVE_SPACE as i64 * number;
            if room > read_number(sock, "rcvbuf") {
                sock.options.insert("rcvbuf", Stored::Number(room));
                let clamp = read_number(sock, "window_clamp");
                if clamp != 0 && clamp < number {
                    sock.options.insert("window_clamp", Stored::Number(number));
                }
            }
        }
        "tos" if kernel.version >= TOS_KEEPS_ECN_SINCE => {
            let priority = TOS_PRIORITY[(raw as usize >> 1) & 15];
            sock.options.insert("priority", Stored::Number(priority as i64));
        }
        _ => {}
    }
}
