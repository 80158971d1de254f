//! A cgroup for as long as a trial takes.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What the names begin with; then comes the process that made it.
const PREFIX: &str = "tcpc-probe-";
/// How often removing is tried, 10 ms apart: the kernel can take a moment to let go of a process that has ended.
const ATTEMPTS: u32 = 50;

/// A cgroup that is removed when it is dropped.
pub struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// Makes one below the mount, after removing those of processes that are gone.
    pub fn make(mount: &Path) -> io::Result<Temporary> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep(mount);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = mount.join(format!("{PREFIX}{}-{count}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Temporary { path })
    }

    /// Its directory, to attach to.
    pub fn directory(&self) -> io::Result<File> {
        File::open(&self.path)
    }

    /// The file that processes join it by.
    pub fn processes(&self) -> io::Result<File> {
        File::options().write(true).open(self.path.join("cgroup.procs"))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        for _ in 0..ATTEMPTS {
            match fs::remove_dir(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => return,
            }
        }
    }
}

/// Removes what trials left that were killed. A program goes with its cgroup.
fn sweep(mount: &Path) {
    let Ok(entries) = fs::read_dir(mount) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let maker =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
        if maker.and_then(|pid| pid.parse::<u32>().ok()).is_some_and(|pid| !is_alive(pid)) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_dead_processes_left_is_removed_and_nothing_else() {
        let mount = tempfile::tempdir().unwrap();
        let dead = mount.path().join(format!("{PREFIX}4294967295-0"));
        let others = [format!("{PREFIX}{}-9", std::process::id()), format!("{PREFIX}x-0"), "web".to_owned()];
        fs::create_dir(&dead).unwrap();
        others.iter().for_each(|name| fs::create_dir(mount.path().join(name)).unwrap());
        let made = Temporary::make(mount.path()).unwrap();
        assert!(!dead.exists() && made.path.exists());
        let path = made.path.clone();
        drop(made);
        assert!(!path.exists());
        assert!(others.iter().all(|name| mount.path().join(name).exists()));
    }
}
