//! Two network namespaces joined by a veth pair, each with a cgroup of its own.
//!
//! One process drives both ends: a socket belongs for life to the namespace and the cgroup that its
//! maker was in when it was made, so a socket made in [`Side::inside`] is a real TCP end of that side.
//! Moving a process moves all its threads, so labs are made one at a time ([`lab`] waits).

use std::fs::{self, File};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use tcpc_loader::{AttachRequest, Attached, Cgroup, LoaderError, attach, cgroup2_mount, detach, list, probe};

use super::sys;

/// The device in each namespace.
pub const DEVICE: &str = "tcpc0";
/// The server's port: the one that the kernel's sample programs look for.
pub const PORT: u16 = 55601;
/// All names of this module begin so, then comes the process that made them.
const PREFIX: &str = "tcpc-test-";

/// No measurement learns from an earlier one, and nothing but what is measured is on the wire.
const SYSCTLS: &[(&str, &str)] = &[
    ("net/ipv4/tcp_no_metrics_save", "1"),
    ("net/ipv4/tcp_early_retrans", "0"),
    ("net/ipv4/tcp_congestion_control", "reno"),
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv6/conf/all/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/accept_ra", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
];

/// The pair of addresses that an experiment uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pair {
    V4,
    /// Two addresses that share their first 44 bits and more.
    V6,
    /// Two addresses that do not.
    V6Far,
}

impl Pair {
    pub const NEAR: [Pair; 2] = [Pair::V4, Pair::V6];
    const ALL: [Pair; 3] = [Pair::V4, Pair::V6, Pair::V6Far];
}

/// One end.
pub struct Side {
    pub name: String,
    pub cgroup: PathBuf,
    namespace: File,
    /// Last byte of its addresses: 1 for the client.
    last: u8,
    pub mac: [u8; 6],
}

/// The two ends.
pub struct Lab {
    pub client: Side,
    pub server: Side,
    _alone: MutexGuard<'static, ()>,
}

/// Makes a lab, or prints why there can be none. The caller returns then.
///
/// With `TCPC_REQUIRE_KERNEL=1` in the environment the lack of a lab is a failure.
pub fn lab() -> Option<Lab> {
    static ALONE: Mutex<()> = Mutex::new(());
    static SWEEP: Once = Once::new();
    if let Some(reason) = obstacle() {
        skip(&reason);
        return None;
    }
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    SWEEP.call_once(sweep);
    Some(Lab::make(alone))
}

/// Says, past the capture of test output, that a test did not run.
pub fn skip(reason: &str) {
    assert!(
        std::env::var_os("TCPC_REQUIRE_KERNEL").is_none_or(|value| value != "1"),
        "no kernel test: {reason}"
    );
    let test = std::thread::current();
    let name = test.name().unwrap_or("kernel test");
    say(&format!("{name}: skipped: {reason}"));
}

/// Says something also where a test passes: what `eprintln!` prints is captured then.
pub fn say(text: &str) {
    std::io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// What stands against tests on this kernel.
fn obstacle() -> Option<String> {
    let missing = probe::missing_capabilities().unwrap();
    if !missing.is_empty() {
        return Some(format!("not permitted: {} is missing", missing.join(", ")));
    }
    let Some(mount) = cgroup2_mount().unwrap() else { return Some("cgroup2 is not mounted".into()) };
    if let Err(error) = Cgroup::open(&mount).and_then(|root| root.programs()) {
        return Some(format!("no BPF: {error}"));
    }
    if Command::new("ip").arg("-V").stdout(Stdio::null()).status().is_err() {
        return Some("the command `ip` (iproute2) is not installed".into());
    }
    None
}

impl Lab {
    fn make(alone: MutexGuard<'static, ()>) -> Lab {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let tag = format!("{PREFIX}{}-{count}", std::process::id());
        let client = Side::make(format!("{tag}-c"), 1);
        let server = Side::make(format!("{tag}-s"), 2);
        let mut lab = Lab { client, server, _alone: alone };
        ip(&format!(
            "link add {DEVICE} netns {} type veth peer name {DEVICE} netns {}",
            lab.client.name, lab.server.name
        ));
        lab.client.finish();
        lab.server.finish();
        for pair in Pair::ALL {
            lab.client.route(lab.server.address(pair), lab.server.mac);
            lab.server.route(lab.client.address(pair), lab.client.mac);
        }
        lab
    }

    /// From now on the client's connections come from this address, which becomes one of its own.
    pub fn client_speaks_as(&self, pair: Pair, address: IpAddr) {
        let server = self.server.address(pair);
        self.client.ip(&format!("addr replace {address} dev {DEVICE}"));
        self.client.ip(&format!("route replace {server} dev {DEVICE} src {address}"));
        self.server.route(address, self.client.mac);
    }

    /// The other end.
    pub fn peer(&self, side: &Side) -> &Side {
        if side.name == self.client.name { &self.server } else { &self.client }
    }
}

impl Side {
    fn make(name: String, last: u8) -> Side {
        let cgroup = cgroup2_mount().unwrap().unwrap().join(&name);
        ip(&format!("netns add {name}"));
        let namespace = File::open(Path::new("/run/netns").join(&name)).unwrap();
        let side = Side { name, cgroup, namespace, last, mac: [0; 6] };
        fs::create_dir(&side.cgroup).unwrap();
        side.network(|| {
            for (key, value) in SYSCTLS {
                fs::write(Path::new("/proc/sys").join(key), value).unwrap();
            }
        });
        side
    }

    fn finish(&mut self) {
        self.ip(&format!("link set {DEVICE} up"));
        self.ip("link set lo up");
        for pair in Pair::ALL {
            let (width, rest) = if pair == Pair::V4 { (32, "") } else { (128, " nodad") };
            self.ip(&format!("addr replace {}/{width} dev {DEVICE}{rest}", self.address(pair)));
        }
        let shown = self.ip(&format!("-o link show {DEVICE}"));
        let text = shown.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap();
        for (byte, hex) in self.mac.iter_mut().zip(text.split(':')) {
            *byte = u8::from_str_radix(hex, 16).unwrap();
        }
    }

    /// The index of its device.
    pub fn device_index(&self) -> u32 {
        self.ip(&format!("-o link show {DEVICE}")).split(':').next().unwrap().parse().unwrap()
    }

    /// This side's address.
    pub fn address(&self, pair: Pair) -> IpAddr {
        let last = u16::from(self.last);
        match pair {
            Pair::V4 => [10, 66, 1, self.last].into(),
            Pair::V6Far if self.last == 2 => [0xfd99, 0, 0x11, 2, 0, 0, 0, last].into(),
            Pair::V6 | Pair::V6Far => [0xfd66, 0, 0x10, 1, 0, 0, 0, last].into(),
        }
    }

    /// Its address with [`PORT`].
    pub fn socket_address(&self, pair: Pair) -> SocketAddr {
        SocketAddr::new(self.address(pair), PORT)
    }

    /// Sends frames for an address to a hardware address, whoever that is.
    pub fn neighbour(&self, address: IpAddr, mac: [u8; 6]) {
        let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
        self.ip(&format!("neigh replace {address} lladdr {mac} dev {DEVICE} nud permanent"));
    }

    fn route(&self, address: IpAddr, mac: [u8; 6]) {
        self.ip(&format!("route replace {address} dev {DEVICE}"));
        self.neighbour(address, mac);
    }

    /// `ip` inside the namespace.
    fn ip(&self, arguments: &str) -> String {
        ip(&format!("-n {} {arguments}", self.name))
    }

    /// This thread acts in the side's network namespace.
    pub fn network<T>(&self, act: impl FnOnce() -> T) -> T {
        let _back = Restore::namespace();
        sys::enter_namespace(&self.namespace).unwrap();
        act()
    }

    /// This thread acts in the side's network namespace, and the whole process in its cgroup.
    pub fn inside<T>(&self, act: impl FnOnce() -> T) -> T {
        let _back = Restore::cgroup();
        join_cgroup(&self.cgroup);
        self.network(act)
    }

    /// Attaches a policy to the side's cgroup.
    pub fn attach(&self, object: &[u8]) -> Result<Attached, LoaderError> {
        self.attach_as(object, None)
    }

    /// The same under another name.
    pub fn attach_as(&self, object: &[u8], name: Option<&str>) -> Result<Attached, LoaderError> {
        attach(AttachRequest {
            cgroup: self.cgroup.clone(),
            object: object.into(),
            name: name.map(str::to_owned),
            allow_root: false,
            parameters: Vec::new(),
            ring_bytes: None,
        })
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Detaches what is left and removes cgroup and namespace; says nothing of what is gone already, as it also
/// runs while a failed test unwinds.
fn remove(name: &str) {
    if let Ok(Some(mount)) = cgroup2_mount() {
        let cgroup = mount.join(name);
        for policy in list().unwrap_or_default() {
            if policy.cgroup.as_ref() == Some(&cgroup) {
                let _ = detach(&cgroup, Some(&policy.name));
            }
        }
        // The last process may still be on its way out.
        for _ in 0..50 {
            if !cgroup.exists() || fs::remove_dir(&cgroup).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
}

/// Removes what killed runs left.
fn sweep() {
    let mut names: Vec<String> = Vec::new();
    let folders = [cgroup2_mount().unwrap().unwrap(), "/run/netns".into()];
    for entry in folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten() {
        names.extend(entry.file_name().into_string());
    }
    // Policies may outlive their cgroup.
    let cgroups = list().unwrap_or_default().into_iter().filter_map(|policy| policy.cgroup);
    names.extend(cgroups.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())));
    for name in names {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&name);
        }
    }
}

/// Goes back to where the process was, also when the test fails.
enum Restore {
    Namespace(File),
    Cgroup(PathBuf),
}

impl Restore {
    fn namespace() -> Restore {
        Restore::Namespace(File::open("/proc/thread-self/ns/net").unwrap())
    }

    fn cgroup() -> Restore {
        let table = fs::read_to_string("/proc/self/cgroup").unwrap();
        let path = table.lines().find_map(|line| line.strip_prefix("0::/")).unwrap();
        Restore::Cgroup(cgroup2_mount().unwrap().unwrap().join(path))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        match self {
            Restore::Namespace(home) => sys::enter_namespace(home).unwrap(),
            Restore::Cgroup(home) => join_cgroup(home),
        }
    }
}

fn join_cgroup(cgroup: &Path) {
    fs::write(cgroup.join("cgroup.procs"), std::process::id().to_string()).unwrap();
}

/// Runs `ip`; its complaint fails the test.
fn ip(arguments: &str) -> String {
    let done = Command::new("ip").args(arguments.split(' ')).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
