//! Which kernels a policy asks for.

use tcpc_stdlib::feature::{Feature, FeatureKind};
use tcpc_stdlib::kernel::KernelVersion;

use crate::source::Span;

/// A construct that needs a certain kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// The construct as the policy names it.
    pub construct: String,
    /// What kind of thing it is.
    pub kind: FeatureKind,
    /// First kernel that has it.
    pub since: KernelVersion,
    /// Its place.
    pub span: Span,
}

/// A construct behind `kernel has FEATURE` that is no newer than the feature: the answer stands for both, as a
/// distribution's kernel can have one without the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Reliance {
    /// What is asked for.
    pub asked: Feature,
    /// What is used.
    pub needed: Requirement,
}
