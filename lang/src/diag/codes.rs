//! The only list of diagnostic codes.
//!
//! Grouped by stage: 01 syntax, 02 names, 03 types and units, 04 events, 05 limits, 06 objects,
//! 07 hosts, 08 tests, 09 warnings. A number is never used again.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The policy cannot be used.
    Error,
    /// It can, but probably does not do what was meant.
    Warning,
}

macro_rules! codes {
    ($($code:ident $name:ident $severity:ident $summary:literal;)*) => {
        /// A diagnostic's stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $summary] $name,)*
        }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// `E0202`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => stringify!($code),)* }
            }

            /// Error or warning.
            pub const fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }

            /// What it means, in a few words.
            pub const fn summary(self) -> &'static str {
                match self { $(Code::$name => $summary,)* }
            }

            /// The page about it: what it means, an example that fails, one that passes.
            pub const fn explanation(self) -> &'static str {
                match self { $(Code::$name => include_str!(concat!("codes/", stringify!($code), ".md")),)* }
            }
        }
    };
}

codes! {
    // 01: syntax.
    E0101 UnexpectedToken   Error "a token that the grammar does not allow here";
    E0102 UnexpectedEnd     Error "an item that breaks off";
    E0103 UnclosedBrace     Error "a brace that is never closed";
    E0104 StrayCharacter    Error "a character that means nothing in a policy";
    E0105 NotText           Error "a file that is not a text";
    E0106 EmptyPolicy       Error "a file without any item";
    E0107 TooDeep           Error "a construct that nests too deep";
    E0108 UnfinishedText    Error "a text without its closing quote";
    E0110 MalformedNumber   Error "a number that is not written as numbers are";
    E0111 UnknownUnit       Error "a number with a unit that does not exist";
    E0112 NumberTooLarge    Error "a number that does not fit";
    E0114 MalformedAddress  Error "an address or a prefix that is not written as they are";
    E0120 ForeignSyntax     Error "a spelling of another language";
    E0121 ChainedComparison Error "a comparison of a comparison";
    E0122 AssignInCondition Error "`=` where values are compared";
    E0130 NotInThisVersion  Error "a construct that this version does not have";
    // 07: hosts.
    E0701 NoCgroup          Error "a path that is not a cgroup of version 2";
    E0702 CgroupRoot        Error "the root of the cgroup hierarchy, not asked for by name";
    E0703 NotPermitted      Error "a process that may not load programs";
    E0704 NoBpffs           Error "a host without a place to pin programs";
    E0705 KernelTooOld      Error "a kernel older than the policy needs";
    E0706 CongestionMissing Error "a congestion control that is not registered on the host";
    E0707 ObjectUnloadable  Error "an object that cannot be loaded";
    E0708 BadPolicyName     Error "a name that a policy cannot be attached under";
    E0709 AlreadyAttached   Error "a policy that is attached already";
    E0710 CgroupTaken       Error "a cgroup that takes no further program";
    E0711 VerifierRefused   Error "a program that the kernel refuses";
    E0712 NotAttached       Error "a policy that is not attached";
    E0713 WhichPolicy       Error "several policies where one is meant";
    E0714 PinsDamaged       Error "pins that cannot be understood";
    E0715 HostFailure       Error "a request that the system refuses";
    W0720 CongestionSkipped Warning "a congestion control that will be passed over on this host";
    W0721 BufferCapped      Warning "a buffer that this host makes smaller";
    W0722 NoIpv6            Warning "a kernel without IPv6";
}
