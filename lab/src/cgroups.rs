//! The cgroups of one test: one for each end of its connections.
//!
//! ```text
//! tcpc-lab-PID-N           the recorder's second program: it runs after the policy, and sees what that left
//!     end                  the recorder's first program, then the policy
//! tcpc-lab-PID-N-peer      the other end
//! ```
//!
//! A socket belongs to the cgroup that its maker was in when it was made, so this process goes there to make one
//! and comes back. Who uses this from several threads lets only one of them make sockets at a time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tcpc_loader::{LoaderError, cgroup2_mount, detach, list};

/// What the names begin with; then comes the process that made them.
const PREFIX: &str = "tcpc-lab-";
/// How often removing is tried, 10 ms apart: the kernel can take a moment to let go of a process.
const ATTEMPTS: u32 = 50;

/// The cgroups of one test. What is in them is detached, and they are removed, when this is dropped.
#[derive(Debug)]
pub struct Cgroups {
    top: PathBuf,
    /// Where the policy is attached.
    pub end: PathBuf,
    /// The other end.
    pub peer: PathBuf,
}

impl Cgroups {
    /// Makes them.
    ///
    /// # Errors
    /// There is no cgroup2, or the system refuses.
    pub fn make() -> Result<Cgroups, LoaderError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mount = cgroup2_mount()?.ok_or_else(|| LoaderError::System {
            doing: "make a cgroup".into(),
            error: io::Error::other("cgroup2 is not mounted"),
        })?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let top = mount.join(format!("{PREFIX}{}-{count}", std::process::id()));
        let peer = mount.join(format!("{PREFIX}{}-{count}-peer", std::process::id()));
        let cgroups = Cgroups { end: top.join("end"), top, peer };
        for path in [&cgroups.top, &cgroups.end, &cgroups.peer] {
            fs::create_dir(path).map_err(|error| LoaderError::System {
                doing: format!("make `{}`", path.display()),
                error,
            })?;
        }
        Ok(cgroups)
    }

    /// The one above [`Cgroups::end`].
    pub fn above(&self) -> &Path {
        &self.top
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for path in [&self.end, &self.top, &self.peer] {
            remove(path);
        }
    }
}

/// Removes what runs left that were killed.
pub fn sweep() {
    let Ok(Some(mount)) = cgroup2_mount() else { return };
    let mut tops: Vec<PathBuf> =
        fs::read_dir(&mount).into_iter().flatten().flatten().map(|e| e.path()).collect();
    // Policies may outlive their cgroup.
    let attached = list().unwrap_or_default().into_iter().filter_map(|policy| policy.cgroup);
    tops.extend(attached.filter_map(|cgroup| {
        cgroup.ancestors().find(|path| path.parent() == Some(&mount)).map(Path::to_owned)
    }));
    for top in tops {
        let name = top.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&top.join("end"));
            remove(&top);
        }
    }
}

/// Detaches what is attached to a cgroup and removes it; says nothing of what is gone already.
fn remove(cgroup: &Path) {
    for policy in list().unwrap_or_default() {
        if policy.cgroup.as_deref() == Some(cgroup) {
            let _ = detach(cgroup, Some(&policy.name));
        }
    }
    for _ in 0..ATTEMPTS {
        match fs::remove_dir(cgroup) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            _ => return,
        }
    }
}

/// Does something as a process of a cgroup: sockets that are made meanwhile belong to it.
///
/// # Errors
/// The cgroup cannot be joined; what `act` fails with.
pub fn inside<T>(cgroup: &Path, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let _home = Home::here()?;
    join(cgroup)?;
    act()
}

/// Goes back to where the process was, also when something fails.
struct Home(PathBuf);

impl Home {
    fn here() -> io::Result<Home> {
        let table = fs::read_to_string("/proc/self/cgroup")?;
        let path = table.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
        let mount = cgroup2_mount().map_err(io::Error::other)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Home(mount.join(path)))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nothing better can be done; cgroups that a process stays in are removed by the next run.
        let _ = join(&self.0);
    }
}

fn join(cgroup: &Path) -> io::Result<()> {
    fs::write(cgroup.join("cgroup.procs"), std::process::id().to_string())
}
