//! The names of all messages: one for each thing that can be said of a configuration.
//!
//! A name is shown with its message, is what `allow` takes, and never changes its meaning. A message cannot be built
//! without one, and a test holds that each has a case in the table of messages.

macro_rules! codes {
    ($(#[doc = $doc:literal])* $kind:ident { $($(#[doc = $meaning:literal])* $code:ident = $name:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $kind { $($(#[doc = $meaning])* $code,)* }

        impl $kind {
            /// All of them.
            pub(super) const ALL: &[$kind] = &[$($kind::$code),*];

            /// What it is called.
            pub(super) const fn name(self) -> &'static str {
                match self { $($kind::$code => $name,)* }
            }
        }
    };
}

/// The same, with what the reference page says of each.
macro_rules! lints {
    ($kind:ident { $($(#[doc = $meaning:literal])+ $code:ident = $name:literal,)* }) => {
        codes! {
            /// What can be run, and is probably not meant.
            $kind { $($(#[doc = $meaning])+ $code = $name,)* }
        }

        impl $kind {
            /// What it warns of.
            pub(super) fn meaning(self) -> &'static str {
                match self { $($kind::$code => concat!($($meaning),+).trim(),)* }
            }
        }
    };
}

codes! {
    /// What cannot be run.
    Mistake {
        AddressInNetwork = "address-in-network",
        BadCollector = "bad-collector",
        BadDuration = "bad-duration",
        BadFieldName = "bad-field-name",
        BadHost = "bad-host",
        BadInclude = "bad-include",
        BadListen = "bad-listen",
        BadLogFile = "bad-log-file",
        BadLogName = "bad-log-name",
        BadMethod = "bad-method",
        BadName = "bad-name",
        BadNetwork = "bad-network",
        BadNodeId = "bad-node-id",
        BadResolver = "bad-resolver",
        BadServer = "bad-server",
        BadService = "bad-service",
        BadSample = "bad-sample",
        BadSize = "bad-size",
        BadSocket = "bad-socket",
        BadToken = "bad-token",
        BadUpgrade = "bad-upgrade",
        BadVariable = "bad-variable",
        ConflictingRoutes = "conflicting-routes",
        ConnectionField = "connection-field",
        ConnectionsOutOfBounds = "connections-out-of-bounds",
        DuplicateField = "duplicate-field",
        DuplicatePool = "duplicate-pool",
        DuplicateServer = "duplicate-server",
        EmptyPool = "empty-pool",
        ExpectField = "expect-field",
        HostField = "host-field",
        HostWithPort = "host-with-port",
        HostWithWildcard = "host-with-wildcard",
        ImpossibleValue = "impossible-value",
        IncludeWithoutFile = "include-without-file",
        LowerCaseMethod = "lower-case-method",
        MisplacedKey = "misplaced-key",
        MisplacedSetting = "misplaced-setting",
        NestedVariable = "nested-variable",
        NoMethods = "no-methods",
        NoPath = "no-path",
        NoCollector = "no-collector",
        NoRoutes = "no-routes",
        NoServers = "no-servers",
        NotToml = "not-toml",
        NotUtf8 = "not-utf8",
        OpenAdmin = "open-admin",
        OpenVariable = "open-variable",
        PathBraces = "path-braces",
        PathNotNormal = "path-not-normal",
        PathParameterTwice = "path-parameter-twice",
        PathTooLarge = "path-too-large",
        PathWithoutSlash = "path-without-slash",
        PathWithQuery = "path-with-query",
        PathWithWildcard = "path-with-wildcard",
        PoolAndServers = "pool-and-servers",
        PoolWithTwoSources = "pool-with-two-sources",
        PoolWithoutServers = "pool-without-servers",
        PrefixAndPath = "prefix-and-path",
        SecretInLog = "secret-in-log",
        SizeOutOfBounds = "size-out-of-bounds",
        TimeoutOutOfBounds = "timeout-out-of-bounds",
        TooManyFields = "too-many-fields",
        TooManyFiles = "too-many-files",
        TooManyLogNames = "too-many-log-names",
        TooManyMethods = "too-many-methods",
        TooManyUpgrades = "too-many-upgrades",
        TtlBounds = "ttl-bounds",
        UnboundedVariables = "unbounded-variables",
        UncheckedUpgrade = "unchecked-upgrade",
        UnforwardedMethod = "unforwarded-method",
        UnknownDriver = "unknown-driver",
        UnknownHost = "unknown-host",
        UnknownKey = "unknown-key",
        UnknownLint = "unknown-lint",
        UnknownLog = "unknown-log",
        UnknownParameter = "unknown-parameter",
        UnknownPool = "unknown-pool",
        UnknownService = "unknown-service",
        UnknownTolerance = "unknown-tolerance",
        UnreadableFile = "unreadable-file",
        UnreadableFolder = "unreadable-folder",
        UnreadableServers = "unreadable-servers",
        UnsetVariable = "unset-variable",
        UnusableTable = "unusable-table",
        VariableNotUtf8 = "variable-not-utf8",
        WorkersOutOfBounds = "workers-out-of-bounds",
        WrongType = "wrong-type",
    }
}

lints! {
    Lint {
        /// A pattern in `include` that no file matches.
        EmptyInclude = "empty-include",
        /// A timeout that never comes to bear, since `total` beside it is shorter.
        IneffectiveTimeout = "ineffective-timeout",
        /// A route whose requests may wait for a server for an hour or longer: `response` or `connect` is that long, and
        /// there is no `total`.
        MissingDeadline = "missing-deadline",
        /// Two routes that some requests fit equally well, so that the order of the file decides.
        OverlappingRoutes = "overlapping-routes",
        /// A route of which others take all requests, since they are more specific.
        ShadowedRoute = "shadowed-route",
        /// A server in two pools: its `connections` are counted for each of them.
        SharedServer = "shared-server",
        /// A declared pool of one server: when that is down, nobody else is asked.
        SingleServer = "single-server",
        /// `trusted_proxies` that trust every address there is: any client can say that it is another.
        TrustedInternet = "trusted-internet",
        /// A route that asks for what the gateway itself refuses.
        UnreachableRoute = "unreachable-route",
        /// A pool that no route names.
        UnusedPool = "unused-pool",
    }
}

/// A message by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Mistake(Mistake),
    Lint(Lint),
}

impl Code {
    pub(super) fn name(self) -> &'static str {
        match self {
            Code::Mistake(mistake) => mistake.name(),
            Code::Lint(lint) => lint.name(),
        }
    }
}

impl From<Mistake> for Code {
    fn from(mistake: Mistake) -> Code {
        Code::Mistake(mistake)
    }
}

impl From<Lint> for Code {
    fn from(lint: Lint) -> Code {
        Code::Lint(lint)
    }
}

/// The names of all lints.
pub(super) fn lints() -> Vec<&'static str> {
    Lint::ALL.iter().map(|lint| lint.name()).collect()
}

/// The names of all messages, for the table of them.
pub fn messages() -> Vec<&'static str> {
    let mistakes = Mistake::ALL.iter().map(|mistake| mistake.name());
    mistakes.chain(lints()).collect()
}
