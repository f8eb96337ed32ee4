//! The combined format: `client - - [time] "method path?query version" status bytes "referer" "user agent"`.

use super::{Facts, Shape, escape, put_number};

pub(super) fn write(out: &mut Vec<u8>, shape: &Shape, facts: &Facts<'_>) {
    out.extend_from_slice(facts.client.as_bytes());
    out.extend_from_slice(b" - ");
    for word in facts.logged_user().unwrap_or(b"-").split_inclusive(|byte| *byte == b' ') {
        escape::combined(out, word.strip_suffix(b" ").unwrap_or(word));
        out.extend_from_slice(if word.ends_with(b" ") { b"\\x20" } else { b"" }); // a space would end the column
    }
    out.extend_from_slice(b" [");
    out.extend_from_slice(facts.time);
    out.extend_from_slice(b"] \"");
    put_request(out, shape, facts);
    out.extend_from_slice(b"\" ");
    put_number(out, facts.status);
    out.push(b' ');
    put_number(out, facts.body_bytes_sent);
    for name in ["referer", "user-agent"] {
        out.extend_from_slice(b" \"");
        escape::combined(out, facts.allowed_field(shape, name).unwrap_or(b"-"));
        out.push(b'"');
    }
    out.push(b'\n');
}

/// The request line, as far as it may be known.
fn put_request(out: &mut Vec<u8>, shape: &Shape, facts: &Facts<'_>) {
    let (Some(method), Some(path)) = (facts.method(), facts.path()) else { return out.push(b'-') };
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(&path);
    for (index, pair) in facts.query(shape).into_iter().flatten().enumerate() {
        out.push(if index == 0 { b'?' } else { b'&' });
        escape::combined(out, pair.as_bytes());
    }
    out.push(b' ');
    out.extend_from_slice(facts.version().as_bytes());
}
