//! What this host has: capabilities, kernel, timer frequency, congestion controls, limits.
//!
//! Each fact has a function that reads it from the system and, where there is text to understand, one that
//! works on text alone.

use std::fs;
use std::path::Path;

use tcpc_stdlib::kernel::KernelVersion;
use tcpc_stdlib::unit::NANOS_PER_SECOND;

use crate::error::LoaderError;
use crate::sys;

// Bits of `CapEff` (`include/uapi/linux/capability.h`).
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: u32 = 39;

/// The capabilities that this process lacks to load and attach a policy; empty if it may.
///
/// # Errors
/// `/proc` cannot be read.
pub fn missing_capabilities() -> Result<Vec<&'static str>, LoaderError> {
    Ok(missing_of(&read("/proc/self/status")?))
}

/// The same of the text of `/proc/PID/status`.
fn missing_of(status: &str) -> Vec<&'static str> {
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let has = |bit: u32| effective >> bit & 1 == 1;
    let mut missing = Vec::new();
    // The kernel takes CAP_SYS_ADMIN in the place of both (`bpf_capable`, `bpf_net_capable`).
    if !has(CAP_SYS_ADMIN) {
        if !has(CAP_BPF) {
            missing.push("CAP_BPF");
        }
        if !has(CAP_NET_ADMIN) {
            missing.push("CAP_NET_ADMIN");
        }
    }
    missing
}

/// The version of the running kernel.
///
/// # Errors
/// `/proc` cannot be read or says nothing that looks like a version.
pub fn kernel() -> Result<KernelVersion, LoaderError> {
    let release = read("/proc/sys/kernel/osrelease")?;
    KernelVersion::parse(&release).ok_or_else(|| LoaderError::System {
        doing: format!("understand the kernel's version `{}`", release.trim()),
        error: std::io::ErrorKind::InvalidData.into(),
    })
}

/// Timer ticks per second of the running kernel (`CONFIG_HZ`).
///
/// # Errors
/// The clock does not tell.
pub fn host_hz() -> Result<u32, LoaderError> {
    let nanos = sys::tick_nanos().map_err(LoaderError::system("read the length of a timer tick"))?;
    Ok(hz_of_tick(nanos))
}

/// Ticks per second when one lasts so long; HZ=300 has ticks of 3333333 ns.
fn hz_of_tick(nanos: u64) -> u32 {
    let nanos = nanos.max(1);
    ((NANOS_PER_SECOND + nanos / 2) / nanos) as u32
}

/// The congestion controls that are registered; `None` where the kernel does not say.
pub fn congestion_controls() -> Option<Vec<String>> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control").ok()?;
    Some(text.split_whitespace().map(str::to_owned).collect())
}

/// The sysctl that caps the buffer option `sndbuf` or `rcvbuf`, and its value in bytes; `None` where
/// there is none.
pub fn buffer_cap(option: &str) -> Option<(&'static str, u64)> {
    let (name, file) = match option {
        "sndbuf" => ("net.core.wmem_max", "/proc/sys/net/core/wmem_max"),
        "rcvbuf" => ("net.core.rmem_max", "/proc/sys/net/core/rmem_max"),
        _ => return None,
    };
    let bytes = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some((name, bytes))
}

/// Whether the kernel has IPv6 at all. Without it the IPv6 words of the context read 0.
pub fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists() || Path::new("/proc/sys/net/ipv6").exists()
}

fn read(path: &str) -> Result<String, LoaderError> {
    fs::read_to_string(path).map_err(LoaderError::system(format!("read `{path}`")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_effective_set() {
        let status = |mask: &str| format!("Name:\ttcpc\nCapPrm:\t000001ffffffffff\nCapEff:\t{mask}\n");
        assert!(missing_of(&status("000001ffffffffff")).is_empty());
        assert_eq!(missing_of(&status("0000000000000000")), ["CAP_BPF", "CAP_NET_ADMIN"]);
        // CAP_SYS_ADMIN alone is enough, CAP_BPF alone is not.
        assert!(missing_of(&status("0000000000200000")).is_empty());
        assert_eq!(missing_of(&status("0000008000000000")), ["CAP_NET_ADMIN"]);
        assert!(missing_of(&status("0000008000001000")).is_empty());
        assert_eq!(missing_of("no such line").len(), 2);
    }

    #[test]
    fn a_tick_gives_the_configured_frequency() {
        for (nanos, hz) in [(10_000_000, 100), (4_000_000, 250), (3_333_333, 300), (1_000_000, 1000)] {
            assert_eq!(hz_of_tick(nanos), hz);
        }
    }

    #[test]
    fn this_host_has_a_kernel_with_a_known_frequency() {
        assert!(kernel().unwrap().major >= 4);
        assert!((24..=10_000).contains(&host_hz().unwrap()));
    }

    #[test]
    fn only_buffers_have_a_cap() {
        assert_eq!(buffer_cap("mark"), None);
    }
}
