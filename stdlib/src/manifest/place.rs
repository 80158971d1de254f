//! Where something stands in the source of a policy.

use std::fmt;
use std::string::String;

use serde::{Deserialize, Serialize};

/// A line of a policy, or of a module that it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The module's path from the policy's folder, `std/…` for the standard library; none for the policy itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl From<u32> for Place {
    /// A line of the policy itself.
    fn from(line: u32) -> Place {
        Place { line, file: None }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        match &self.file {
            Some(file) => write!(f, " of {file}"),
            None => Ok(()),
        }
    }
}
