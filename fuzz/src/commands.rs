//! One file for each subcommand.

pub mod agree;
pub mod churn;
pub mod inputs;
pub mod judged;
pub mod load;
pub mod report;
mod trials;
