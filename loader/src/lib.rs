//! Loading, attaching, detaching and listing policies on a Linux host.
//!
//! ```text
//! object bytes ── image ──▶ manifest, symbols ── features, preflight ──▶ constants, warnings or an error
//!              ── kfuncs ─▶ bytes with this kernel's functions in the calls
//!              ── aya ────▶ maps, program, link ── pins ─────▶ <bpffs>/tcpc/<cgroup id>/<policy>/
//! ```
//!
//! This crate knows object files, never policies: what it needs to know of one is in the object's own
//! manifest ([`tcpc_stdlib::manifest`]). Everything that another process needs later (`detach`,
//! `list`, counters) is in the pin directory of the policy; no file outside of bpffs is written.
//!
//! Invariants:
//! - an attach that fails leaves no pin, no program and no link behind;
//! - everything that changes pins holds the lock of [`pins::Store`], so two commands at once
//!   cannot see each other's half-done work;
//! - `unsafe` is in `sys` only.

mod attach;
mod btf;
mod cgroup;
mod counters;
mod detach;
mod error;
mod experiments;
mod features;
mod find;
mod form;
mod image;
mod kfuncs;
mod list;
mod maps;
mod mounts;
pub mod observe;
mod params;
pub mod pins;
mod preflight;
pub mod probe;
pub mod record;
mod refusal;
mod rows;
mod sets;
mod sys;
pub mod tables;
mod trial;
mod verify;
mod watch;

pub use attach::{AttachRequest, Attached, Rounding, attach, attach_as};
pub use cgroup::{Cgroup, cgroup2_mount};
pub use counters::{Counters, Failure, Histogram, RuleHits, counters};
pub use detach::{Detached, detach};
pub use error::{LoaderError, NoKernelFunction};
pub use experiments::{Experiment, experiments};
pub use features::{Answer, Found, Prober, Question};
pub use find::{Policy, find, find_one};
pub use form::check_form;
pub use image::Image;
pub use kfuncs::{resolve, without_calls};
pub use list::{Listed, OtherProgram, list};
pub use params::{Parameter, parameters, set_parameters, start_values};
pub use preflight::{Host, Warning};
pub use refusal::{PolicyLine, Refusal};
pub use rows::{Key, Keyed};
pub use sets::{Element, Set};
pub use trial::Trial;
pub use verify::verify;
pub use watch::{Emitted, Watcher, Woken};
