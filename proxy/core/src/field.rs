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

/// The known names of a length: most names a client sends are ruled out by it alone.
fn names_of_length(length: usize) -> &'static [(&'static str, Name)] {
    match length {
        2 => &[("te", Name::Te)],
        3 => &[("via", Name::Via)],
        4 => &[("date", Name::Date), ("host", Name::Host)],
        6 => &[("expect", Name::Expect)],
        7 => &[("trailer", Name::Trailer), ("upgrade", Name::Upgrade)],
        9 => &[("forwarded", Name::Forwarded), ("x-real-ip", Name::XRealIp)],
        10 => &[("connection", Name::Connection), ("keep-alive", Name::KeepAlive)],
        12 => &[("x-request-id", Name::XRequestId)],
        14 => &[("content-length", Name::ContentLength), ("http2-settings", Name::Http2Settings)],
        15 => &[("x-forwarded-for", Name::XForwardedFor)],
        16 => &[
            ("proxy-connection", Name::ProxyConnection),
            ("x-forwarded-host", Name::XForwardedHost),
            ("x-forwarded-port", Name::XForwardedPort),
        ],
        17 => &[("transfer-encoding", Name::TransferEncoding), ("x-forwarded-proto", Name::XForwardedProto)],
        18 => &[("proxy-authenticate", Name::ProxyAuthenticate)],
        19 => &[("proxy-authorization", Name::ProxyAuthorization)],
        25 => &[("proxy-authentication-info", Name::ProxyAuthenticationInfo)],
        _ => &[],
    }
}

impl Name {
    /// What `name` means; case does not matter (RFC 9110 section 5.1).
    pub fn of(name: &[u8]) -> Name {
        let names = names_of_length(name.len());
        match names.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name)) {
            Some((_, known)) => *known,
            None if names.iter().any(|(known, _)| is_alias(name, known)) => Name::Alias,
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
