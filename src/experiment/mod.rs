//! Reports of experiments: what the numbers of an attached policy say of its arms.

mod page;
mod report;
mod statistics;

pub use page::page;
pub use report::{Report, text};
