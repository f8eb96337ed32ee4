//! Whatever somebody says of themselves: no bytes are a token that nobody has signed, no set of keys holds one to be afraid of, and
//! nothing of a claim or a request ends a line, leaves a path or adds to a query.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use ringgate_core::caller::{Caller, Claims, Fact, Identity};
use ringgate_core::head::RequestHead;
use ringgate_core::route::Pattern;
use ringgate_core::target::normalise;
use ringgate_core::template::{Facts, Kind, Template};
use ringgate_core::token::{Key, Keys, Provenance, Rules, verify};
use ringgate_core::tolerance::Tolerance;

const REQUEST: &[u8] = b"GET /v1/7/below?x=1 HTTP/1.1\r\nHost: h\r\n\r\n";

fuzz_target!(|input: &[u8]| {
    let keys = Keys::new(vec![Key::from_secret(&[7; 64]).expect("a secret")]);
    assert!(verify(input, &keys, &Rules::default(), Duration::from_secs(1)).is_err(), "nobody has signed it");
    if let Ok(keys) = Keys::from_set(input, Provenance::Published) {
        assert!(keys.all().iter().all(|key| !key.algorithms().is_empty()));
    }
    let text = String::from_utf8_lossy(input);
    let mut claims = Claims::new();
    claims.insert("said".into(), text.clone().into_owned().into());
    let caller = Caller { roles: vec![text.as_ref().into(), "last".into()], claims, ..Caller::named(&text) };
    check_identity(&caller);
    for (template, kind) in [
        ("{user}-{claim.said}", Kind::Field),
        ("/t/{claim.said}/{path.*}", Kind::Path),
        ("a={claim.said}&b={user}", Kind::Query),
    ] {
        check_template(&Template::parse(template, kind).expect("a template"), kind, &caller);
    }
    let _ = Template::parse(&text, Kind::Field); // any text is one or is not
});

/// A service reads as many fields as there are, and the last role is the one that was added.
fn check_identity(caller: &Caller) {
    let fields = [("X-User", Fact::User), ("X-Roles", Fact::Roles)];
    let identity = Identity { fields: fields.map(|(name, fact)| (name.into(), fact)).into() };
    let lines = identity.lines(caller);
    let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert!(lines.len() <= 2);
    for line in lines {
        let value = line.strip_suffix(b"\r").expect("a whole line");
        assert!(value.iter().all(|byte| *byte >= b' ' && *byte != 0x7f));
        let roles = value.strip_prefix(b"X-Roles: ").unwrap_or_default();
        assert!(roles.iter().filter(|byte| **byte == b',').count() <= 1, "a role forges another one");
    }
}

fn check_template(template: &Template, kind: Kind, caller: &Caller) {
    let (mut head, pattern) = (RequestHead::default(), Pattern::prefix("/v1/{id}").expect("a pattern"));
    head.parse(REQUEST, Tolerance::NONE).expect("a request");
    let caller = Some(caller);
    let facts =
        Facts { head: &head, bytes: REQUEST, pattern: &pattern, caller, request_id: "id", client: "9.9.9.9" };
    let mut out = Vec::new();
    if template.put(&mut out, facts).is_err() {
        return;
    }
    match kind {
        Kind::Field => assert!(out.iter().all(|byte| *byte >= b' ' && *byte != 0x7f)),
        Kind::Path => {
            assert!(normalise(&out, Tolerance::ALL).is_ok_and(|normal| *normal == out[..]));
            assert!(out.starts_with(b"/t/") && out.iter().filter(|byte| **byte == b'/').count() == 3);
        }
        Kind::Query => assert_eq!(out.iter().filter(|byte| b"&=".contains(byte)).count(), 3),
    }
}
