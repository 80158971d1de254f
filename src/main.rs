//! The command line of tcpc.

#[allow(dead_code, reason = "the commands are not written yet")]
mod render;

fn main() {}
