//! Where the file systems that matter are mounted (`/proc/self/mounts`).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::error::LoaderError;

/// The table of mounts, as text.
pub fn table() -> Result<String, LoaderError> {
    fs::read_to_string("/proc/self/mounts").map_err(LoaderError::system("read `/proc/self/mounts`"))
}

/// Where file systems of a kind are mounted, in the order of mounting.
pub fn points(table: &str, kind: &str) -> Vec<PathBuf> {
    table
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let point = words.next()?;
            (words.next()? == kind).then(|| unescape(point))
        })
        .collect()
}

/// Undoes the kernel's `\040` for a space and the like.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = match rest {
            [b'\\', code @ ..] => code.get(..3).and_then(octal),
            _ => None,
        };
        match code {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

/// The byte that three octal digits stand for.
fn octal(digits: &[u8]) -> Option<u8> {
    std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 8).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
bpf /mnt/with\\040space\\134x bpf rw 0 0
";

    #[test]
    fn finds_mounts_by_their_kind_alone() {
        assert_eq!(points(TABLE, "cgroup2"), [PathBuf::from("/sys/fs/cgroup/unified")]);
        assert_eq!(points(TABLE, "cgroup"), [PathBuf::from("/sys/fs/cgroup/cpu")]);
        assert!(points(TABLE, "ext4").is_empty());
    }

    #[test]
    fn undoes_the_escapes_of_the_kernel() {
        assert_eq!(points(TABLE, "bpf"), [PathBuf::from("/mnt/with space\\x")]);
        assert_eq!(unescape("end\\04"), PathBuf::from("end\\04"));
    }
}
