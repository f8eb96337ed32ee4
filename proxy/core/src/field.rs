//! Field names that mean something to a gateway, told apart once while a head is parsed.

/// What a field name means to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the field of that name")]
pub enum Name {
    Connection,
    ContentLength,
    Date,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    KeepAlive,
    ProxyAuthenticate,
    ProxyAuthenticationInfo,
    ProxyAuthorization,
    ProxyConnection,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XRealIp,
    XRequestId,
    /// A name with `_` or `.` that a service may read as one of the guarded names above (`Content_Length`).
    Alias,
    /// Any other name.
    Other,
}

const NAMES: [(&str, Name); 23] = [
    ("connection", Name::Connection),
    ("content-length", Name::ContentLength),
    ("date", Name::Date),
    ("expect", Name::Expect),
    ("forwarded", Name::Forwarded),
    ("host", Name::Host),
    ("http2-settings", Name::Http2Settings),
    ("keep-alive", Name::KeepAlive),
    ("proxy-authenticate", Name::ProxyAuthenticate),
    ("proxy-authentication-info", Name::ProxyAuthenticationInfo),
    ("proxy-authorization", Name::ProxyAuthorization),
    ("proxy-connection", Name::ProxyConnection),
    ("te", Name::Te),
    ("trailer", Name::Trailer),
    ("transfer-encoding", Name::TransferEncoding),
    ("upgrade", Name::Upgrade),
    ("via", Name::Via),
    ("x-forwarded-for", Name::XForwardedFor),
    ("x-forwarded-host", Name::XForwardedHost),
    ("x-forwarded-port", Name::XForwardedPort),
    ("x-forwarded-proto", Name::XForwardedProto),
    ("x-real-ip", Name::XRealIp),
    ("x-request-id", Name::XRequestId),
];

impl Name {
    /// What `name` means; case does not matter (RFC 9110 section 5.1).
    pub fn of(name: &[u8]) -> Name {
        // One comparison settles nearly every name: few of the table share a length, fewer the first letter too.
        let Some(first) = name.first().map(u8::to_ascii_lowercase) else { return Name::Other };
        let known = NAMES.iter().find(|(text, _)| {
            text.len() == name.len()
                && text.as_bytes()[0] == first
                && text.as_bytes().eq_ignore_ascii_case(name)
        });
        match known {
            Some((_, known)) => *known,
            None if is_alias(name) => Name::Alias,
            None => Name::Other,
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

/// CGI and its heirs turn `-`, `_` and `.` into the same variable name.
fn is_alias(name: &[u8]) -> bool {
    if memchr::memchr2(b'_', b'.', name).is_none() {
        return false;
    }
    let plain = |byte: &u8| if matches!(byte, b'_' | b'.') { b'-' } else { byte.to_ascii_lowercase() };
    NAMES.iter().any(|(text, _)| text.len() == name.len() && text.bytes().eq(name.iter().map(plain)))
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
        assert_eq!(Name::of(b"x-forwarded-fo"), Name::Other);
        assert_eq!(Name::of(b""), Name::Other);
    }

    #[test]
    fn spellings_a_service_may_confuse_are_aliases() {
        for alias in ["Content_Length", "transfer.encoding", "X_Forwarded.For", "x_request_id"] {
            assert_eq!(Name::of(alias.as_bytes()), Name::Alias, "{alias}");
        }
        assert_eq!(Name::of(b"my_field"), Name::Other);
    }

    #[test]
    fn only_space_and_tab_are_trimmed() {
        assert_eq!(trim(b" \ta b\t "), b"a b");
        assert_eq!(trim(b"\x0bchunked"), b"\x0bchunked");
        assert_eq!(list(b"a, ,b ,").collect::<Vec<_>>(), [b"a", b"b"]);
    }
}
