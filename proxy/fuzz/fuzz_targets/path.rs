//! The normal form of a path is one, is safe to hand on, and still means what was sent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ringgate_core::limits::{PATTERN_SEGMENTS, TARGET_BYTES};
use ringgate_core::route::Pattern;
use ringgate_core::target::{self, Target, normalise};
use ringgate_core::tolerance::Tolerance;
use ringgate_fuzz::text;

/// A byte that a segment means, and whether it was escaped although it could stand for itself: `%2F` is not `/`.
type Unit = (u8, bool);

/// What may stand raw in a path and means something else when it is escaped (RFC 3986 sections 2.2 and 3.3).
const RESERVED: &[u8] = b"/:@!$&'()*+,;=";

fuzz_target!(|input: &[u8]| {
    [Tolerance::NONE, Tolerance::ALL].into_iter().for_each(|tolerance| check(input, tolerance));
});

fn check(input: &[u8], tolerance: Tolerance) {
    let Ok(Target::Origin { authority, path, query }) = target::parse(input, tolerance) else { return };
    check_parts(input, authority, path, query);
    let path = if path.is_empty() { b"/" } else { path };
    let (normal, meant) = (normalise(path, tolerance), meaning(path, tolerance));
    assert_eq!(normal.is_ok(), meant.is_some(), "{:?}", text(path));
    if let (Ok(normal), Some(meant)) = (normal, meant) {
        check_normal(&normal, tolerance);
        assert_eq!(meaning(&normal, tolerance), Some(meant), "{:?} is not {:?}", text(&normal), text(path));
    }
}

/// Nothing of a target is lost.
fn check_parts(input: &[u8], authority: Option<&[u8]>, path: &[u8], query: Option<&[u8]>) {
    let query = query.map(|query| [b"?", query].concat()).unwrap_or_default();
    let whole = [authority.unwrap_or_default(), path, &query].concat();
    match authority {
        None => assert_eq!(input, whole),
        Some(authority) => {
            assert!(input.ends_with(&[b"://", &*whole].concat()), "{:?}", text(input));
            assert!(!authority.is_empty() && !authority.contains(&b'@'), "{:?}", text(input));
        }
    }
}

fn check_normal(normal: &[u8], tolerance: Tolerance) {
    let path = text(normal);
    assert_eq!(normalise(normal, tolerance).as_deref(), Ok(normal), "{path:?} has another normal form");
    let is_plain = |&byte: &u8| byte.is_ascii_graphic() && !b"\\?#\"<>^`{|}[]".contains(&byte);
    assert!(normal.iter().all(is_plain), "{path:?}");
    let below_root = path.strip_prefix('/').expect("a path begins with a slash");
    let has_dots = below_root.split('/').any(|name| [".", ".."].contains(&name) || name.starts_with("..;"));
    assert!(!has_dots && !path.contains("//"), "{path:?}");
    for escape in path.split('%').skip(1).map(|rest| &rest[..2]) {
        let byte = u8::from_str_radix(escape, 16).expect("two digits");
        assert!(!is_unreserved(byte) && byte != 0 && escape == escape.to_uppercase(), "{path:?}");
    }
    let is_pattern = Pattern::exact(&path).is_ok_and(|pattern| pattern.matches(&path));
    let is_too_large = path.len() > TARGET_BYTES || path.split('/').count() > PATTERN_SEGMENTS;
    let is_none = path.contains('*') || is_too_large;
    assert!(is_none || is_pattern, "no pattern has {path:?}");
}

/// The segments of a path with their escapes undone and its dots resolved; `None` if that has no single answer. A last
/// empty segment says that it is a directory.
fn meaning(path: &[u8], tolerance: Tolerance) -> Option<Vec<Vec<Unit>>> {
    let refused = |&byte: &u8| match byte {
        b';' => !tolerance.path_parameters,
        0x80.. => !tolerance.raw_utf8,
        _ => !byte.is_ascii_graphic() || b"\\?#".contains(&byte),
    };
    if path.iter().any(refused) {
        return None;
    }
    let mut segments = Vec::new();
    let mut is_directory = false;
    for segment in path[1..].split(|&byte| byte == b'/') {
        let segment = units(segment)?;
        let bytes: Vec<u8> = segment.iter().map(|(byte, _)| *byte).collect();
        if bytes.iter().any(u8::is_ascii_control) && !tolerance.encoded_controls {
            return None;
        }
        is_directory = matches!(&*bytes, b"" | b"." | b"..");
        match &*bytes {
            b"" | b"." => {}
            b".." => drop(segments.pop()?),
            bytes if has_dots_for_somebody(bytes) => return None,
            _ => segments.push(segment),
        }
    }
    segments.extend(is_directory.then(Vec::new));
    Some(segments)
}

/// Whether a service finds a dot segment in a decoded one because it splits again, at `\` too, cuts off parameters or trims
/// what is no more than a blank.
fn has_dots_for_somebody(bytes: &[u8]) -> bool {
    let names = bytes.split(|byte| b"/\\".contains(byte)).map(|part| part.split(|&byte| byte == b';').next());
    let is_disguised = |name: &[u8]| {
        let is_trimmed = name.iter().any(|&byte| byte <= b' ') && name.contains(&b'.');
        is_trimmed && name.iter().all(|&byte| byte <= b' ' || byte == b'.')
    };
    names.flatten().any(|name| matches!(name, b"." | b"..") || is_disguised(name))
}

fn units(segment: &[u8]) -> Option<Vec<Unit>> {
    let mut units = Vec::new();
    let mut rest = segment;
    while let [first, tail @ ..] = rest {
        let unit;
        (unit, rest) = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => (escaped([*high, *low])?, tail),
            (b'%', _) => return None,
            (byte, tail) => ((*byte, false), tail),
        };
        units.push(unit);
    }
    Some(units)
}

fn escaped(digits: [u8; 2]) -> Option<Unit> {
    let is_hexadecimal = digits.iter().all(u8::is_ascii_hexdigit);
    let byte = u8::from_str_radix(&text(&digits), 16).ok().filter(|&byte| is_hexadecimal && byte != 0)?;
    Some((byte, RESERVED.contains(&byte)))
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
