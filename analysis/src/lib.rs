//! What can be shown of a policy without running it.

#![forbid(unsafe_code)]
