//! What is nobody else's business, and how it is hidden where people read: in reports, failures, command lines.
//!
//! Owns: by which names a secret is known, the forms in which one can come back, and the mask. A secret that stands under a
//! name of its own kind of which nobody could guess it (`X-Tenant: s3cr3t`) is not known as one.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands for a secret.
pub(crate) const MASK: &str = "***";
/// Words in the name of a field, a parameter or an option whose value is secret.
const WORDS: [&str; 13] = [
    "auth",
    "cookie",
    "token",
    "key",
    "secret",
    "passw",
    "pwd",
    "session",
    "credential",
    "signature",
    "jwt",
    "bearer",
    "passphrase",
];
/// Names that are too short to be looked for in others.
const NAMES: [&str; 3] = ["sig", "sid", "pass"];
/// Bytes of a secret that a cut may leave: too few to be worth hiding, and as likely somebody else's.
const CUT_BYTES: usize = 4;

/// Whether what stands under that name is secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    is_name && (NAMES.contains(&&*name) || WORDS.iter().any(|word| name.contains(word)))
}

/// The arguments of a command line, without what is secret in them.
pub(crate) fn of_arguments(arguments: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut is_next = false;
    let hide = |argument: String| match std::mem::replace(&mut is_next, announces(&argument)) {
        true => MASK.to_owned(),
        false => of_argument(&argument),
    };
    arguments.into_iter().map(hide).collect()
}

/// A command line in one piece, as a shell reads it, but for its quotes: a value behind a secret name ends with the quote that
/// it was opened by, or with the word.
pub(crate) fn of_line(line: &str) -> String {
    let (mut words, mut quote, mut is_next) = (Vec::new(), None, false);
    for word in line.split(' ') {
        if let Some(open) = quote {
            quote = Some(open).filter(|&open| !word.ends_with(open));
            continue;
        }
        let bare = word.trim_matches(['\'', '"']);
        let opened = word.chars().find(|letter| ['\'', '"'].contains(letter));
        match std::mem::replace(&mut is_next, announces(bare)) {
            true => words.push(MASK.to_owned()),
            false if bare.ends_with(':') && is_secret(field_name(bare)) => {
                words.push(format!("{word} {MASK}{}", opened.map(String::from).unwrap_or_default()));
                quote = opened;
            }
            false => words.push(of_argument(word)),
        }
    }
    words.join(" ")
}

/// Whether the next argument is the value of a secret: a body may hold anything. Where secrets come from is none.
fn announces(argument: &str) -> bool {
    let Some(option) = argument.strip_prefix('-') else { return false };
    let name = option.trim_start_matches('-');
    matches!(argument, "-b" | "--body")
        || (argument.starts_with("--")
            && is_secret(name)
            && !name.ends_with("-env")
            && !name.ends_with("-file"))
}

fn of_argument(argument: &str) -> String {
    match (argument.split_once(':'), argument.split_once('=')) {
        (_, Some((option, _))) if option.starts_with('-') && announces(option) => format!("{option}={MASK}"),
        (Some((name, _)), _) if is_secret(field_name(name)) => format!("{name}: {MASK}"),
        _ => of_url(argument).into_owned(),
    }
}

/// The name of a field, of which a part may be the option it was given by (`--header=`, `-H`).
fn field_name(text: &str) -> &str {
    let name = text.trim_end_matches(':');
    let name = name.rsplit('=').next().unwrap_or(name);
    name.strip_prefix("-H").unwrap_or(name)
}

/// A URL, or any text, without the values of secret parameters of its query.
pub(crate) fn of_url(text: &str) -> Cow<'_, str> {
    let Some((path, query)) = text.split_once('?') else { return text.into() };
    let hide = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    };
    let parameters: Vec<String> = query.split('&').map(hide).collect();
    format!("{path}?{}", parameters.join("&")).into()
}

/// Text that somebody sent back, without these secrets in any form in which they can have come back, and without a beginning
/// of one at its end, where it was cut.
pub(crate) fn of_answer(secrets: &[&[u8]], bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let mut forms: Vec<String> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    forms.sort_by_key(|form| std::cmp::Reverse(form.len())); // the longer one may hold the shorter
    for form in &forms {
        text = text.replace(form, MASK);
    }
    let cut = forms.iter().filter_map(|form| cut_at_end(&text, form)).max();
    if let Some(cut) = cut {
        text.truncate(text.len() - cut);
        text.push_str(MASK);
    }
    text
}

/// The forms in which a secret can come back: as it is, encoded for a URL, for JSON, in base64; and of `user:password` in
/// base64, which is how Basic authentication sends it, both parts.
fn forms(secret: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(secret);
    let text = text.rsplit(' ').next().unwrap_or_default(); // behind `Bearer`
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let password =
        decoded.iter().filter_map(|pair| pair.split_once(':')).map(|(_, password)| password.to_owned());
    let mut plain = vec![text.to_owned()];
    plain.extend(password);
    plain.extend(decoded.clone());
    plain.retain(|form| form.len() >= CUT_BYTES);
    let encoded = |form: &String| {
        let json = serde_json::to_string(form).unwrap_or_default();
        [
            form.clone(),
            utf8_percent_encode(form, NON_ALPHANUMERIC).to_string(),
            json.trim_matches('"').to_owned(),
            STANDARD_NO_PAD.encode(form),
            URL_SAFE_NO_PAD.encode(form),
        ]
    };
    plain.iter().flat_map(encoded).collect()
}

/// How many bytes at the end of `text` are the beginning of `form`.
fn cut_at_end(text: &str, form: &str) -> Option<usize> {
    (CUT_BYTES..form.len())
        .rev()
        .find(|&count| form.is_char_boundary(count) && text.ends_with(&form[..count]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::draw::scramble;

    #[test]
    fn a_name_tells_what_is_secret() {
        for name in [
            "Authorization",
            "x-api-key",
            "X-Session",
            "passwd",
            "pwd",
            "X-Amz-Signature",
            "jwt",
            "sig",
            "db-credentials",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["Accept", "page", "design", "http", "X-Request-Id", "a b auth"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn arguments_are_hidden_by_their_names() {
        for (arguments, expected) in [
            (&["-H", "Authorization: Bearer abc"][..], "-H Authorization: ***"),
            (&["--header=x-api-key: abc"], "--header=x-api-key: ***"),
            (&["-Hcookie:a=b"], "-Hcookie: ***"),
            (&["-H", "Accept: text/html"], "-H Accept: text/html"),
            (&["http://127.0.0.1:80/token?page=1&key=1#x"], "http://127.0.0.1:80/token?page=1&key=***"),
            (&["--body", "{}", "-c", "4"], "--body *** -c 4"),
            (&["--body={}"], "--body=***"),
            (&["--token-env", "TOKEN", "--tokens-file=t"], "--token-env TOKEN --tokens-file=t"),
            (&["--api-key", "abc"], "--api-key ***"),
        ] {
            let hidden = of_arguments(arguments.iter().map(|&argument| argument.to_owned()));
            assert_eq!(hidden.join(" "), expected);
        }
    }

    #[test]
    fn a_line_for_a_shell_is_hidden_alike() {
        for (line, expected) in [
            ("serve --listen 1 --api-key abc -v", "serve --listen 1 --api-key *** -v"),
            ("curl -H 'Authorization: Bearer a b' -v", "curl -H 'Authorization: ***' -v"),
            ("serve --password=abc 'http://h/?sig=1'", "serve --password=*** 'http://h/?sig=***"),
            ("nginx -c a.conf", "nginx -c a.conf"),
        ] {
            assert_eq!(of_line(line), expected);
        }
    }

    /// Secrets of every length, in every form, between other text, cut everywhere: five bytes in a row of it are never read.
    #[test]
    fn no_form_of_a_secret_is_read_however_it_is_cut() {
        for seed in 0..200 {
            let letters = b"abcXYZ0189+/=-_\"\\%&<>: ";
            let length = 8 + (scramble(seed, 0) % 40) as usize;
            let letter = |at: usize| letters[(scramble(seed, 1 + at as u64) % letters.len() as u64) as usize];
            let secret: Vec<u8> = (0..length).map(letter).filter(|letter| *letter != b' ').collect();
            let sent = STANDARD.encode([b"user:", &secret[..]].concat());
            for (known, form) in forms(&secret)
                .into_iter()
                .map(|form| (&secret[..], form))
                .chain(forms(sent.as_bytes()).into_iter().map(|form| (sent.as_bytes(), form)))
            {
                let whole = format!("before {form} behind");
                let form = form.trim_end_matches("%3D").trim_end_matches('='); // padding tells nothing
                for end in 0..=whole.len() {
                    let shown = of_answer(&[known], &whole.as_bytes()[..end]);
                    let leaks = form
                        .as_bytes()
                        .windows(CUT_BYTES + 1)
                        .any(|piece| shown.as_bytes().windows(piece.len()).any(|shown| shown == piece));
                    assert!(!leaks, "{form} of {} in {shown}", String::from_utf8_lossy(known));
                }
            }
        }
    }
}
