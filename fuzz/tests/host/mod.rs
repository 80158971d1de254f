//! The host, where tests on the running kernel can be.

use std::io::Write;

use tcpc_lab::Host;

/// The host; `None`, with the reason printed, where there can be no such test.
pub fn host(test: &str) -> Option<Host> {
    match Host::probe() {
        Ok(host) => Some(host),
        Err(error) => {
            let required = std::env::var_os("TCPC_REQUIRE_KERNEL").is_some_and(|value| value == "1");
            assert!(!required, "no kernel test: {error}");
            // `eprintln!` would be captured with the output of a test that passes.
            std::io::stderr().write_all(format!("{test}: skipped: {error}\n").as_bytes()).unwrap();
            None
        }
    }
}
