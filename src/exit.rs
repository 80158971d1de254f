//! Exit codes: what a script can rely on.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// It did what it was asked to.
    Done = 0,
    /// The policy or one of its tests is wrong.
    Policy = 1,
    /// The command line is wrong (the same number as the argument parser's).
    Usage = 2,
    /// The host refused: a file, a permission, the kernel.
    Host = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
