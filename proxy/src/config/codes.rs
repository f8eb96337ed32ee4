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
        AuthKind = "auth-kind",
        BadClaim = "bad-claim",
        BadCollector = "bad-collector",
        BadDigest = "bad-digest",
        BadDuration = "bad-duration",
        BadFieldName = "bad-field-name",
        BadHost = "bad-host",
        BadInclude = "bad-include",
        BadKey = "bad-key",
        BadListen = "bad-listen",
        BadLogFile = "bad-log-file",
        BadLogName = "bad-log-name",
        BadMethod = "bad-method",
        BadName = "bad-name",
        BadNetwork = "bad-network",
        BadNodeId = "bad-node-id",
        BadOrigin = "bad-origin",
        BadPasswordHash = "bad-password-hash",
        BadRate = "bad-rate",
        BadResolver = "bad-resolver",
        BadSample = "bad-sample",
        BadServer = "bad-server",
        BadService = "bad-service",
        BadSize = "bad-size",
        BadSocket = "bad-socket",
        BadTemplate = "bad-template",
        BadToken = "bad-token",
        BadUpgrade = "bad-upgrade",
        BadUrl = "bad-url",
        BadVariable = "bad-variable",
        ConflictingRoutes = "conflicting-routes",
        ConnectionField = "connection-field",
        ConnectionsOutOfBounds = "connections-out-of-bounds",
        CostAboveLimit = "cost-above-limit",
        CountOutOfBounds = "count-out-of-bounds",
        DuplicateField = "duplicate-field",
        DuplicateKey = "duplicate-key",
        DuplicatePool = "duplicate-pool",
        DuplicateServer = "duplicate-server",
        EmptyPool = "empty-pool",
        ExpectField = "expect-field",
        HostField = "host-field",
        HostWithPort = "host-with-port",
        HostWithWildcard = "host-with-wildcard",
        ImpossibleValue = "impossible-value",
        IncludeWithoutFile = "include-without-file",
        KeysFrom = "keys-from",
        LowerCaseMethod = "lower-case-method",
        MisplacedKey = "misplaced-key",
        MisplacedSetting = "misplaced-setting",
        NestedVariable = "nested-variable",
        NoCollector = "no-collector",
        NoMethods = "no-methods",
        NoOrigins = "no-origins",
        NoPath = "no-path",
        NoRate = "no-rate",
        NoRoutes = "no-routes",
        NoServers = "no-servers",
        NobodyKnown = "nobody-known",
        NotToml = "not-toml",
        NotUtf8 = "not-utf8",
        OpenAdmin = "open-admin",
        OpenCors = "open-cors",
        OpenVariable = "open-variable",
        PathBraces = "path-braces",
        PathNotNormal = "path-not-normal",
        PathParameterTwice = "path-parameter-twice",
        PathTooLarge = "path-too-large",
        PathWithQuery = "path-with-query",
        PathWithWildcard = "path-with-wildcard",
        PathWithoutSlash = "path-without-slash",
        PoolAndServers = "pool-and-servers",
        PoolWithTwoSources = "pool-with-two-sources",
        PoolWithoutServers = "pool-without-servers",
        PrefixAndPath = "prefix-and-path",
        QuotaWithBurst = "quota-with-burst",
        RateAndQuota = "rate-and-quota",
        RateOutOfBounds = "rate-out-of-bounds",
        RateWithWindow = "rate-with-window",
        RequirementWithoutAuth = "requirement-without-auth",
        ReservedName = "reserved-name",
        SecretInLog = "secret-in-log",
        SizeOutOfBounds = "size-out-of-bounds",
        TimeoutOutOfBounds = "timeout-out-of-bounds",
        TooManyFields = "too-many-fields",
        TooManyFiles = "too-many-files",
        TooManyLimits = "too-many-limits",
        TooManyLogNames = "too-many-log-names",
        TooManyMethods = "too-many-methods",
        TooManyUpgrades = "too-many-upgrades",
        TtlBounds = "ttl-bounds",
        UnboundedVariables = "unbounded-variables",
        UncheckedUpgrade = "unchecked-upgrade",
        UnforwardedMethod = "unforwarded-method",
        UnknownAlgorithm = "unknown-algorithm",
        UnknownAuth = "unknown-auth",
        UnknownChoice = "unknown-choice",
        UnknownDriver = "unknown-driver",
        UnknownFact = "unknown-fact",
        UnknownHost = "unknown-host",
        UnknownKey = "unknown-key",
        UnknownLimitKey = "unknown-limit-key",
        UnknownLint = "unknown-lint",
        UnknownLog = "unknown-log",
        UnknownParameter = "unknown-parameter",
        UnknownPolicy = "unknown-policy",
        UnknownPool = "unknown-pool",
        UnknownRateLimit = "unknown-rate-limit",
        UnknownService = "unknown-service",
        UnknownTolerance = "unknown-tolerance",
        UnreadableFile = "unreadable-file",
        UnreadableFolder = "unreadable-folder",
        UnreadableKey = "unreadable-key",
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
        /// Keys of an issuer that are fetched without TLS from another machine: who can bend that connection chooses them.
        OpenKeys = "open-keys",
        /// Two routes that some requests fit equally well, so that the order of the file decides.
        OverlappingRoutes = "overlapping-routes",
        /// A route of which others take all requests, since they are more specific.
        ShadowedRoute = "shadowed-route",
        /// Tokens of an issuer whose `audience` does not matter: one that was meant for another service is taken here.
        MissingAudience = "missing-audience",
        /// A route that anybody may use as often as they like, on an address that other machines can reach or in a file that declares
        /// `[auth]` or `[rate_limits]`. `policy = "none"` says that it is meant.
        PublicRoute = "public-route",
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
