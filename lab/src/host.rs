//! What is the same for all connections of this host, and what stands against making any.

use tcpc_loader::{Cgroup, LoaderError, cgroup2_mount, probe};
use tcpc_runtime::mock::MockKernel;
use tcpc_stdlib::kernel::KernelVersion;

/// The running kernel.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its version.
    pub version: KernelVersion,
    /// Ticks per second.
    pub hz: u32,
    /// `net.core.wmem_max`, in bytes.
    pub wmem_max: u64,
    /// `net.core.rmem_max`, in bytes.
    pub rmem_max: u64,
    /// `net.ipv4.tcp_rmem[2]` of a new network, in bytes.
    pub tcp_rmem_max: u64,
    /// The congestion controls that are there; `None` if the kernel does not say.
    pub congestion: Option<Vec<String>>,
}

impl Host {
    /// Asks the running kernel.
    ///
    /// # Errors
    /// This process may not do what a lab does, or there is no cgroup2, or no BPF.
    pub fn probe() -> Result<Host, LoaderError> {
        let missing = probe::missing_capabilities()?;
        if !missing.is_empty() {
            return Err(LoaderError::NotPermitted { missing });
        }
        let mount = cgroup2_mount()?.ok_or_else(|| LoaderError::System {
            doing: "make connections of our own".into(),
            error: std::io::Error::other("cgroup2 is not mounted"),
        })?;
        Cgroup::open(&mount)?.programs()?;
        let cap = |option| probe::buffer_cap(option).map_or(MockKernel::default().wmem_max, |(_, cap)| cap);
        Ok(Host {
            version: probe::kernel()?,
            hz: probe::host_hz()?,
            wmem_max: cap("sndbuf"),
            rmem_max: cap("rcvbuf"),
            tcp_rmem_max: tcp_rmem_max().unwrap_or(MockKernel::default().tcp_rmem_max),
            congestion: probe::congestion_controls(),
        })
    }

    /// Whether there is a congestion control of this name; none is loaded on demand.
    pub fn has_congestion(&self, name: &str) -> bool {
        self.congestion.as_ref().is_none_or(|known| known.iter().any(|one| one == name))
    }

    /// The model of it.
    pub fn model(&self) -> MockKernel {
        let mut kernel = MockKernel::default();
        (kernel.version, kernel.hz) = (self.version, self.hz);
        kernel.tcp_rmem_max = self.tcp_rmem_max;
        (kernel.wmem_max, kernel.rmem_max) = (self.wmem_max, self.rmem_max);
        kernel
    }
}

/// Networks begin with what the first one has.
fn tcp_rmem_max() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_rmem").ok()?;
    text.split_whitespace().nth(2)?.parse().ok()
}
