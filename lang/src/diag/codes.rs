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
    E0101 UnexpectedToken   Error   "a token that the grammar does not allow here";
    E0102 UnexpectedEnd     Error   "an item that breaks off";
    E0103 UnclosedBrace     Error   "a brace that is never closed";
    E0104 StrayCharacter    Error   "a character that means nothing in a policy";
    E0105 NotText           Error   "a file that is not a text";
    E0106 EmptyPolicy       Error   "a file without any item";
    E0107 TooDeep           Error   "a construct that nests too deep";
    E0108 UnfinishedText    Error   "a text without its closing quote";
    E0109 TokenTooLong      Error   "a word or a text that is too long";
    E0110 MalformedNumber   Error   "a number that is not written as numbers are";
    E0111 UnknownUnit       Error   "a number with a unit that does not exist";
    E0112 NumberTooLarge    Error   "a number that does not fit";
    E0114 MalformedAddress  Error   "an address or a prefix that is not written as they are";
    E0120 ForeignSyntax     Error   "a spelling of another language";
    E0121 ChainedComparison Error   "a comparison of a comparison";
    E0122 AssignInCondition Error   "`=` where values are compared";
    E0130 NotInThisVersion  Error   "a construct that this version does not have";
    // 02: names.
    E0201 UnknownName       Error   "a name that means nothing at this place";
    E0202 UnknownEvent      Error   "a name that is no event of the kernel";
    E0203 UnknownOption     Error   "an assignment to a name that is no socket option";
    E0204 UnknownFunction   Error   "a call of a name that is no function";
    E0205 DuplicateName     Error   "one name given to two things";
    E0206 ReservedName      Error   "a declaration with a name that the language uses";
    E0207 RecursiveName     Error   "a name that is defined by itself";
    E0208 NotAssignable     Error   "an assignment to something that is not a socket option";
    E0209 WrongUseOfName    Error   "a name used as something that it is not";
    E0210 UnknownHeader     Error   "a name that is no TCP header option of the policy";
    E0211 UnknownHeaderField Error  "a field that the header option does not have";
    E0212 UnknownSegment    Error   "a name that is no kind of segment";
    E0215 UnknownFeature    Error   "a name after `kernel has` that kernels do not differ in";
    E0216 UnknownTable      Error   "a name that is no table of the policy";
    E0217 UnknownCell       Error   "a cell that the table or the connection's memory does not have";
    E0221 UnknownModule     Error   "a module that does not exist";
    E0222 UnreadableModule  Error   "a file that a policy uses and that cannot be read";
    E0223 BadPath           Error   "a path that does not lead to a file of the policy";
    E0224 ModuleCycle       Error   "files that use one another in a circle";
    E0225 NotInModule       Error   "a name that the module does not have";
    E0230 UnknownRecord     Error   "a name that is no event of the policy";
    E0231 UnknownRecordField Error  "a field that the event of the policy does not have";
    E0232 MissingFields     Error   "a record without all its fields";
    // 03: types and units.
    E0301 TypeMismatch      Error   "a value of another type than the place needs";
    E0302 UnitMismatch      Error   "two quantities whose units differ";
    E0303 MissingUnit       Error   "a bare number where a quantity is needed";
    E0304 OperatorType      Error   "an operator that these values do not have";
    E0305 WrongArguments    Error   "a call with arguments that the function does not take";
    E0306 NotConstant       Error   "a value of the connection where a constant is needed";
    E0307 ConstantOverflow  Error   "a constant that does not fit into 64 bits";
    E0308 DivisionByZero    Error   "a division by the constant zero";
    E0309 PortRange         Error   "a port above 65535";
    E0310 MixedSet          Error   "a set with elements of several kinds";
    E0311 NotASet           Error   "something on the right of `in` that has no elements";
    E0312 InvalidName       Error   "a name that the kernel cannot have";
    E0313 PrefixLength      Error   "more bits than an address has";
    E0314 EmptyRange        Error   "a range that ends before it begins";
    E0315 CounterKey        Error   "one counter with keys of several types";
    E0316 HeaderShape       Error   "a header option whose fields cannot be laid out";
    E0317 CellType          Error   "a type that cannot be kept, or be a part of a key";
    E0318 KeyCount          Error   "a key with more or fewer parts than the table's";
    E0320 ParameterType     Error   "a parameter of a type that parameters cannot have";
    E0321 ParameterRange    Error   "a value outside of the parameter's range";
    E0322 MutableElement    Error   "a set that can be changed, of things that cannot be in one";
    E0323 MutableLimit      Error   "a set that can be changed, without a limit that can be";
    E0324 HistogramType     Error   "a value that the histogram cannot take";
    E0325 RecordFieldType   Error   "a type that a record cannot have";
    E0330 ExperimentShape   Error   "an experiment whose parts do not fit together";
    // 04: events.
    E0401 UnsupportedEvent  Error   "an event that policies cannot have rules for";
    E0402 FieldNotHere      Error   "a field that reads zero in the event";
    E0403 FieldUnsafeHere   Error   "a field that must not be read in the event";
    E0404 NoPeer            Error   "the other end of a connection where there is none";
    E0405 RoleUnknown       Error   "the role in an event that does not tell it";
    E0406 NoReplyHere       Error   "a reply in an event that asks nothing";
    E0407 NoSocketHere      Error   "a socket option in an event that may have no full socket";
    E0408 NoEffectHere      Error   "an assignment that the kernel ignores or refuses in the event";
    E0409 OptionReserved    Error   "a socket option that a policy cannot assign";
    E0410 OptionUnreadable  Error   "a socket option that no program can read";
    E0411 BuiltinNotHere    Error   "a built-in name that the event does not offer";
    E0412 ZeroReply         Error   "a reply of zero, which means the kernel's default";
    E0413 HeaderKind        Error   "a kind of header option that a policy cannot use";
    E0414 SameHeader        Error   "two header options that a segment could not tell apart";
    E0415 HeaderNotHere     Error   "a header option where no segment came in";
    E0416 UnsteadySend      Error   "a condition of a `send` that can change between two calls";
    E0418 SharedState       Error   "a use of a table that would give wrong numbers";
    // 05: limits.
    E0501 ValueOutOfRange   Error   "a value that the kernel does not take";
    E0502 ReplyOutOfRange   Error   "a reply that the kernel misreads";
    E0503 TooComplex        Error   "an expression that is too deep or too large";
    E0504 HeaderSpace       Error   "header options that do not fit into a segment";
    E0505 TableShape        Error   "a table that cannot be made";
    E0506 RecordTooLarge    Error   "a record that is too large";
    E0590 PolicyTooLarge    Error   "a policy that is larger than a BPF program can be";
    E0591 NewerThanKernel   Error   "a construct that is newer than the kernel that was asked for";
    // 06: objects.
    E0601 CompilerBug       Error   "a program that the compiler should not have made";
    E0602 BadObject         Error   "a file that is no sock_ops object";
    E0603 Disagreement      Error   "a program that does something else than its policy means";
    // 07: hosts.
    E0701 NoCgroup          Error   "a path that is not a cgroup of version 2";
    E0702 CgroupRoot        Error   "the root of the cgroup hierarchy, not asked for by name";
    E0703 NotPermitted      Error   "a process that may not load programs";
    E0704 NoBpffs           Error   "a host without a place to pin programs";
    E0705 KernelLacks       Error   "a kernel without something that the policy uses";
    E0706 CongestionMissing Error   "a congestion control that is not registered on the host";
    E0707 ObjectUnloadable  Error   "an object that cannot be loaded";
    E0708 BadPolicyName     Error   "a name that a policy cannot be attached under";
    E0709 AlreadyAttached   Error   "a policy that is attached already";
    E0710 CgroupTaken       Error   "a cgroup that takes no further program";
    E0711 VerifierRefused   Error   "a program that the kernel refuses";
    E0712 NotAttached       Error   "a policy that is not attached";
    E0713 WhichPolicy       Error   "several policies where one is meant";
    E0714 PinsDamaged       Error   "pins that cannot be understood";
    E0715 HostFailure       Error   "a request that the system refuses";
    E0716 KernelFunctionMissing Error "a kernel function that programs cannot call on the host";
    E0718 NoExperiment      Error   "an experiment that the attached policy does not have";
    W0720 CongestionSkipped Warning "a congestion control that will be passed over on this host";
    W0721 BufferCapped      Warning "a buffer that this host makes smaller";
    W0722 NoIpv6            Warning "a kernel without IPv6";
    W0723 NotTried          Warning "a host on which it cannot be tried what its kernel has";
    E0730 UnreadableFile    Error   "a file that cannot be read";
    E0731 UnwritableFile    Error   "a file that cannot be written";
    E0732 UnknownCode       Error   "a diagnostic code that does not exist";
    E0733 UnknownEntry      Error   "a name that the reference does not have";
    E0740 NoParameter       Error   "a parameter that the policy does not have";
    E0741 ParameterValue    Error   "a value that the parameter cannot have";
    E0742 NoMutableSet      Error   "a set that the policy does not have, or that cannot be changed";
    E0743 BadElement        Error   "an element that cannot be in the set";
    E0744 SetFull           Error   "more elements than the set can have";
    E0750 NoTable           Error   "a table that no attached policy has";
    E0753 NotWatchable      Error   "records that the policy does not give";
    E0754 WatchedAlready    Error   "a policy whose records are read already";
    E0755 BadFilter         Error   "a filter that no record can be compared with";
    E0756 UnmatchedFilter   Error   "a filter that the name of no test contains";
    E0757 NothingToWatch    Error   "tests of no file that could change";
    E0758 BadFlow           Error   "a flow that is not the two ends of a connection";
    E0759 NotExplainable    Error   "a question about a policy that has no answer";
    E0760 LittleCoverage    Error   "tests that reach less of the policies than is asked for";
    // 08: tests.
    E0801 UnknownSetting    Error   "a setting that a test does not have";
    E0802 UnknownSubject    Error   "a rule, counter or error number that is not there";
    E0803 NoReplyYet        Error   "the reply where no event asked for one";
    E0804 ImpossibleSocket  Error   "settings of a test that no socket can have";
    E0805 UnknownArgument   Error   "an argument that the event does not have";
    E0806 OnlyInTests       Error   "an expression that only a test can have";
    E0807 NotInTests        Error   "an expression that a test cannot have";
    // 09: warnings.
    W0901 UnreachableRule   Warning "a rule that earlier rules always hide";
    W0902 UnreachableCode   Warning "a statement after the end of the event";
    W0903 ConstantTest      Warning "a condition that always or never holds";
    W0904 UnusedName        Warning "a name that is never used";
    W0905 RawReply          Warning "a reply in the kernel's raw unit";
    W0906 ZeroDivisor       Warning "a divisor that can be zero";
    W0907 ReadsZero         Warning "a field that reads zero on the server in the event";
    W0908 PartialEffect     Warning "an assignment that loses a part of its effect in the event";
    W0909 RoundedValue      Warning "a value that is rounded to the kernel's unit";
    W0910 LostAssignment    Warning "an assignment that the next one undoes";
    W0911 OverlappingSet    Warning "elements of a set that overlap";
    W0912 EmptySet          Warning "a set without elements";
    W0913 HostBits          Warning "a prefix with bits set behind its length";
    W0914 DefaultReply      Warning "a reply that leaves the decision to the kernel";
    W0915 CappedReply       Warning "a reply above the kernel's ceiling";
    W0916 RepeatedEvent     Warning "an event named twice in one rule";
    W0917 NothingExpected   Warning "a test that expects nothing";
    W0918 EmptyRule         Warning "a rule that does nothing";
    W0919 SynNotSaved       Warning "the SYN's service class where no rule makes listeners save it";
    W0920 NoRules           Warning "a policy without any rule";
    W0921 OtherFamily       Warning "an option of one address family where the other comes by";
    W0922 HeaderMayNotFit   Warning "header options that may not fit into a segment together";
    W0930 LooseParameter    Warning "a parameter that can be set to what the kernel does not take";
    W0931 UnusedModule      Warning "a module of which no name is used";
    W0932 IncludedTwice     Warning "a module whose rules are part of the policy already";
    W0940 ImpossibleRule    Warning "a rule whose condition never holds";
    W0941 RepeatedRule      Warning "a rule that does nothing that another one does not do";
    W0942 LostToLaterRule   Warning "an assignment that a later rule always undoes";
    W0943 DecidedPart       Warning "a part of a condition that the rest of it decides";
}
