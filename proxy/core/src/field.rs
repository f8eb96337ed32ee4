//! Field names that mean something to a gateway, told apart once while a head is parsed.

/// What a field name means to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the field of that name")]
pub enum Name {
    Authorization,
    Connection,
    ContentLength,
    ContentLocation,
    Date,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    Location,
    MaxForwards,
    ProxyAuthenticate,
    ProxyAuthenticationInfo,
    ProxyAuthorization,
    ProxyConnection,
    Te,
    Traceparent,
    Tracestate,
    Trailer,
    TransferEncoding,
    Upgrade,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XRequestId,
    /// A name by which some proxy tells a service who the client is or what it asked for (`True-Client-IP`,
    /// `X-Forwarded-` with anything behind it): whoever believes it must not hear it from the client.
    Claim,
    /// A name by which a gateway tells a service who asks (`X-User-Id`): only this one may say it.
    Identity,
    /// What a browser may do with an answer (`Access-Control-`).
    AccessControl,
    /// How often a client may ask (`RateLimit`, `X-RateLimit-`).
    RateLimit,
    /// A name with `_` or `.` that a service may read as one of the guarded names above (`Content_Length`).
    Alias,
    /// Any other name.
    Other,
}

/// Which names there are among the fields of a head: most are asked for in vain.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NameSet(u64);

const _: () =
    assert!((Name::Other as u32) < u64::BITS, "there is a bit for each name, of which this is the last");

impl NameSet {
    pub(crate) fn insert(&mut self, name: Name) {
        self.0 |= 1 << name as u32;
    }

    pub(crate) fn has(self, name: Name) -> bool {
        self.0 & 1 << name as u32 != 0
    }
}

/// The known names of a length that begin with a letter: nearly every name a client sends is ruled out by the two.
fn names_like(length: usize, first: u8) -> &'static [(&'static str, Name)] {
    match (length, first) {
        (2, b't') => &[("te", Name::Te)],
        (3, b'v') => &[("via", Name::Via)],
        (4, b'd') => &[("date", Name::Date)],
        (4, b'h') => &[("host", Name::Host)],
        (5, b'p') => &[("proxy", Name::Claim)], // becomes HTTP_PROXY behind CGI (httpoxy, CVE-2016-5385)
        (6, b'e') => &[("expect", Name::Expect)],
        (6, b'x') => &[("x-host", Name::Claim)],
        (7, b't') => &[("trailer", Name::Trailer)],
        (7, b'u') => &[("upgrade", Name::Upgrade)],
        (8, b'l') => &[("location", Name::Location)],
        (8, b'x') => &[("x-scheme", Name::Claim)],
        (9, b'f') => &[("forwarded", Name::Forwarded)],
        (9, b'x') => &[("x-real-ip", Name::Claim)],
        (9, b'c') => &[("client-ip", Name::Claim)],
        (10, b'c') => &[("connection", Name::Connection)],
        (10, b't') => &[("tracestate", Name::Tracestate)],
        (11, b't') => &[("traceparent", Name::Traceparent)],
        (10, b'k') => &[("keep-alive", Name::KeepAlive)],
        (11, b'x') => {
            &[("x-client-ip", Name::Claim), ("x-forwarded", Name::Claim), ("x-real-host", Name::Claim)]
        }
        (12, b'x') => &[("x-request-id", Name::XRequestId), ("x-url-scheme", Name::Claim)],
        (12, b'm') => &[("max-forwards", Name::MaxForwards)],
        (13, b'a') => &[("authorization", Name::Authorization)],
        (13, b'x') => &[("x-rewrite-url", Name::Claim), ("x-remote-user", Name::Claim)],
        (14, b'c') => &[("content-length", Name::ContentLength)],
        (14, b'h') => &[("http2-settings", Name::Http2Settings)],
        (14, b't') => &[("true-client-ip", Name::Claim)],
        (14, b'x') => &[("x-original-url", Name::Claim), ("x-proxyuser-ip", Name::Claim)],
        (15, b'x') => &[("x-forwarded-for", Name::XForwardedFor), ("x-original-host", Name::Claim)],
        (15, b'f') => &[("front-end-https", Name::Claim)],
        (16, b'c') => &[("cf-connecting-ip", Name::Claim), ("content-location", Name::ContentLocation)],
        (16, b'f') => &[("fastly-client-ip", Name::Claim)],
        (16, b'x') => &[
            ("x-azure-clientip", Name::Claim),
            ("x-forwarded-host", Name::XForwardedHost),
            ("x-forwarded-port", Name::XForwardedPort),
        ],
        (16, b'p') => &[("proxy-connection", Name::ProxyConnection)],
        (17, b't') => &[("transfer-encoding", Name::TransferEncoding)],
        (17, b'x') => &[("x-forwarded-proto", Name::XForwardedProto), ("x-original-method", Name::Claim)],
        (18, b'p') => &[("proxy-authenticate", Name::ProxyAuthenticate)],
        (19, b'p') => &[("proxy-authorization", Name::ProxyAuthorization)],
        (19, b'x') => &[("x-cluster-client-ip", Name::Claim)],
        (24, b'x') => &[("x-original-forwarded-for", Name::Claim), ("x-envoy-external-address", Name::Claim)],
        (25, b'p') => &[("proxy-authentication-info", Name::ProxyAuthenticationInfo)],
        _ => &[],
    }
}

impl Name {
    /// What `name` means; case does not matter (RFC 9110 section 5.1).
    pub fn of(name: &[u8]) -> Name {
        let Some(first) = name.first().map(u8::to_ascii_lowercase) else { return Name::Other };
        for (known, meaning) in names_like(name.len(), first) {
            if known.as_bytes().eq_ignore_ascii_case(name) {
                return *meaning;
            }
            if is_alias(name, known) {
                return Name::Alias;
            }
        }
        match first {
            b'x' if name.get(2).is_some_and(|third| FIRST_LETTERS.contains(&third.to_ascii_lowercase())) => {
                family_of_x(name)
            }
            b'a' if begins(name, "access-control-") => Name::AccessControl,
            b'r' if begins(name, "ratelimit") => Name::RateLimit,
            b'c' | b't' if frames_with_more_separators(name) => Name::Alias,
            _ => Name::Other,
        }
    }

    /// Whether the field speaks of this connection only and is never forwarded (RFC 9110 section 7.6.1; the framing
    /// fields among them are written anew).
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Name::Connection
                | Name::ContentLength
                | Name::Http2Settings
                | Name::KeepAlive
                | Name::ProxyAuthenticate
                | Name::ProxyAuthenticationInfo
                | Name::ProxyAuthorization
                | Name::ProxyConnection
                | Name::Te
                | Name::Trailer
                | Name::TransferEncoding
                | Name::Upgrade
        )
    }
}

/// Families of names, in which others go on inventing members: what proxies say of clients (`X-Forwarded-Prefix`, `-Ssl`), and what
/// gateways say of callers, by the habits of several (`X-Auth-Request-` of oauth2-proxy, `X-Consumer-` of Kong).
const FAMILIES_OF_X: [(&str, Name); 6] = [
    ("x-forwarded-", Name::Claim),
    ("x-user-", Name::Identity),
    ("x-auth-", Name::Identity),
    ("x-authenticated-", Name::Identity),
    ("x-consumer-", Name::Identity),
    ("x-ratelimit-", Name::RateLimit),
];

/// What follows the `x-` of these families: most names are ruled out by it.
const FIRST_LETTERS: &[u8] = b"fuacr";

/// Members of these families that mean something else: a client's own description, and credentials of its own.
const OTHERS_OF_X: [&str; 3] = ["x-user-agent", "x-auth-token", "x-auth-key"];

fn family_of_x(name: &[u8]) -> Name {
    let third = name.get(2).map(u8::to_ascii_lowercase);
    let family = FAMILIES_OF_X
        .iter()
        .find(|(family, _)| family.as_bytes().get(2).copied() == third && begins(name, family));
    match family {
        Some((_, Name::Identity)) if OTHERS_OF_X.iter().any(|other| is_alias(name, other)) => Name::Other,
        Some((_, meaning)) => *meaning,
        None => Name::Other,
    }
}

fn begins(name: &[u8], family: &str) -> bool {
    name.get(..family.len()).is_some_and(|start| is_alias(start, family))
}

/// `Transfer---Encoding` and its like, which some services fold into one separator.
fn frames_with_more_separators(name: &[u8]) -> bool {
    let is_letter = |byte: &&u8| !matches!(byte, b'-' | b'_' | b'.');
    let letters = || name.iter().filter(is_letter).map(u8::to_ascii_lowercase);
    let is_long_enough = name.len() >= "contentlength".len(); // `Cookie` and `Content-Type` are not
    is_long_enough && (letters().eq(*b"contentlength") || letters().eq(*b"transferencoding"))
}

/// CGI and its heirs turn `-`, `_` and `.` into the same variable name.
fn is_alias(name: &[u8], known: &str) -> bool {
    let plain = |byte: &u8| if matches!(byte, b'_' | b'.') { b'-' } else { byte.to_ascii_lowercase() };
    known.bytes().eq(name.iter().map(plain))
}

/// The comma-separated members of a list field, trimmed of SP and TAB; empty ones left out (RFC 9110 section 5.6.1).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Without SP and TAB at both ends; nothing else is white space here (RFC 9110 section 5.6.3).
pub fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case() {
        assert_eq!(Name::of(b"Content-LENGTH"), Name::ContentLength);
        assert_eq!(Name::of(b"te"), Name::Te);
        assert_eq!(Name::of(b"content-lengt"), Name::Other);
        assert_eq!(Name::of(b""), Name::Other);
    }

    #[test]
    fn every_known_name_stands_where_it_is_looked_for() {
        for (length, first) in (0..64).flat_map(|length| (0..=255).map(move |first| (length, first))) {
            for (known, _) in names_like(length, first) {
                assert_eq!((known.len(), known.as_bytes()[0]), (length, first), "{known}");
                assert_eq!(known.to_ascii_lowercase(), *known);
            }
        }
    }

    #[test]
    fn spellings_a_service_may_confuse_are_aliases() {
        for alias in ["Content_Length", "transfer.encoding", "X_Forwarded.For", "x_request_id"] {
            assert_eq!(Name::of(alias.as_bytes()), Name::Alias, "{alias}");
        }
        for alias in ["Transfer---Encoding", "Transfer___Encoding", "content-_.length", "Trans-fer-Encoding"]
        {
            assert_eq!(Name::of(alias.as_bytes()), Name::Alias, "{alias}");
        }
        assert_eq!(Name::of(b"my_field"), Name::Other);
    }

    #[test]
    fn what_only_a_proxy_may_say_of_a_client_is_a_claim() {
        for claim in [
            "X-Forwarded",
            "X-Forwarded-Prefix",
            "x_forwarded.ssl",
            "X-Forwarded-",
            "X-Real-IP",
            "X-Original-URL",
            "X-Original-Host",
            "X-Rewrite-URL",
            "X-Client-IP",
            "True-Client-IP",
            "X-Cluster-Client-IP",
            "CF-Connecting-IP",
            "Client-IP",
            "Proxy",
            "X-Host",
            "X-Scheme",
            "X-Remote-User",
            "X-Envoy-External-Address",
        ] {
            assert_eq!(Name::of(claim.as_bytes()), Name::Claim, "{claim}");
            let alias = claim.replace('-', "_");
            assert!(matches!(Name::of(alias.as_bytes()), Name::Alias | Name::Claim), "{alias}");
        }
        for other in ["X-Forward-For-Me", "X-Forwardedfor", "X-HTTP-Method-Override", "Client-IPs"] {
            assert_eq!(Name::of(other.as_bytes()), Name::Other, "{other}");
        }
    }

    #[test]
    fn every_family_of_x_is_looked_for() {
        for (family, meaning) in FAMILIES_OF_X {
            assert!(FIRST_LETTERS.contains(&family.as_bytes()[2]), "{family}");
            assert_eq!(Name::of(format!("{family}something").as_bytes()), meaning);
        }
    }

    #[test]
    fn what_only_a_gateway_may_say_of_a_caller_is_known_in_any_spelling() {
        for name in [
            "X-User-Id",
            "x_user_id",
            "X.User.Roles",
            "X-Auth-User",
            "X_Auth_User",
            "X.Auth.Request.Email",
            "x-consumer-id",
        ] {
            assert_eq!(Name::of(name.as_bytes()), Name::Identity, "{name}");
        }
        for name in ["X-User-Agent", "X-Auth-Token", "X-Users", "X-User", "X-Userid"] {
            assert_eq!(Name::of(name.as_bytes()), Name::Other, "{name}");
        }
        assert_eq!(Name::of(b"Access-Control-Allow-Origin"), Name::AccessControl);
        assert_eq!(Name::of(b"X-RateLimit-Limit"), Name::RateLimit);
        assert_eq!(Name::of(b"RateLimit-Policy"), Name::RateLimit);
    }

    #[test]
    fn only_space_and_tab_are_trimmed() {
        assert_eq!(trim(b" \ta b\t "), b"a b");
        assert_eq!(trim(b"\x0bchunked"), b"\x0bchunked");
        assert_eq!(list(b"a, ,b ,").collect::<Vec<_>>(), [b"a", b"b"]);
    }
}
