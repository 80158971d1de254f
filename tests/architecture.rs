//! What ARCHITECTURE.md promises of the source and no compiler checks.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

/// Crates that are to be built for WebAssembly one day.
const CORE: &[&str] = &["stdlib", "lang", "analysis", "compiler", "runtime"];

/// What a core crate must not use: files, threads, processes, sockets, the clock, system calls.
const SYSTEM: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process",
    "TcpStream",
    "UdpSocket",
    "std::env",
    "std::os",
    "std::time",
    "libc::",
    "aya::",
];

/// The only files in which `unsafe` may stand, as the kernel's interface has no safe one.
const UNSAFE: &[&str] = &["lab/src/sys.rs", "loader/src/sys.rs", "tests/kernel/sys.rs"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// Lines of code without comments, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("")))
}

#[test]
fn the_core_asks_nothing_of_a_system() {
    for file in CORE.iter().flat_map(|name| rust_files(&root().join(name).join("src"))) {
        let text = std::fs::read_to_string(&file).unwrap();
        // Tests within the crates run on a system.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for (line, code) in code(text) {
            let used = SYSTEM.iter().find(|name| code.contains(**name));
            assert_eq!(used, None, "{}:{line}", file.display());
        }
    }
}

#[test]
fn the_core_depends_on_nothing_that_asks_a_system() {
    for name in CORE {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or("");
        let dependencies = dependencies.split("\n[").next().unwrap_or("");
        for heavy in ["aya.", "libc", "clap", "tcpc-loader", "tokio"] {
            assert!(!dependencies.contains(heavy), "{name} depends on {heavy}");
        }
    }
}

#[test]
fn unsafe_code_is_where_it_is_said_to_be() {
    let folders = [
        "src",
        "stdlib/src",
        "lang/src",
        "analysis/src",
        "compiler/src",
        "runtime/src",
        "loader/src",
        "lab/src",
        "tests",
    ];
    for file in folders.iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let shown = file.strip_prefix(root()).unwrap().display().to_string();
        if UNSAFE.contains(&shown.as_str()) || shown == "tests/architecture.rs" {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for (line, code) in code(&text) {
            assert!(!code.contains("unsafe {") && !code.contains("unsafe fn"), "{shown}:{line}");
        }
    }
}

#[test]
fn all_of_the_standard_library_is_embedded() {
    use tcpc_stdlib::policies::{MODULES, POLICIES};
    for (folder, embedded) in [("policies", POLICIES), ("modules", MODULES)] {
        let mut files: Vec<String> = std::fs::read_dir(root().join("stdlib").join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let embedded: Vec<_> = embedded.iter().map(|policy| policy.name).collect();
        assert_eq!(files, embedded);
    }
}
