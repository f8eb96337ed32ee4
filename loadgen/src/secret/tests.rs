use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use super::*;
use crate::plan::draw::{scale, scramble};

/// Secrets that differ in length and in the characters that forms escape.
fn secret(number: u64) -> String {
    const LETTERS: &[u8] = b"abcdefgXYZ0123456789-_~+/=%$!*().:@\\\"'&<>";
    let length = 8 + scale(scramble(1, number), 24);
    let letter = |place| LETTERS[scale(scramble(number, place), LETTERS.len() as u64) as usize] as char;
    (0..length).map(letter).collect()
}

fn escaped_for_html(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// How a text can be written.
fn forms(text: &str) -> Vec<String> {
    let json = serde_json::to_string(text).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
    let percent = percent_encode(text.as_bytes(), NON_ALPHANUMERIC).to_string();
    let small = text.replace('%', "%25").replace('/', "%2f").replace('+', "%2b");
    vec![text.to_owned(), json.replace('/', "\\/"), json, units, escaped_for_html(text), percent, small]
}

/// The same behind a few bytes in base64: the value begins at each place of a group.
fn in_base64(text: &str) -> Vec<String> {
    let behind = ["", "u", "us", "user:"].map(|before| format!("{before}{text}"));
    behind.iter().flat_map(|text| [STANDARD.encode(text), URL_SAFE_NO_PAD.encode(text)]).collect()
}

/// Each form of a secret, and what of it nobody may see: so much as tells [`SHORTEST`] bytes.
fn secret_forms(secret: &str) -> Vec<(String, String)> {
    let beginning = &secret[..SHORTEST];
    let escaped = forms(secret).into_iter().zip(forms(beginning));
    let base64 =
        in_base64(secret).into_iter().zip(in_base64(&secret[..SHORTEST + 1]).into_iter().map(|beginning| {
            let whole = beginning.trim_end_matches('=').len();
            beginning[..whole - 1].to_owned() // less than the last of these bytes, which shares a character with the next
        }));
    escaped.chain(base64).collect()
}

/// Whether so many bytes in a row of `form` can be read.
fn tells(shown: &str, form: &str, count: usize) -> bool {
    form.as_bytes().windows(count).any(|piece| shown.as_bytes().windows(count).any(|shown| shown == piece))
}

#[test]
fn no_secret_is_shown_in_any_form_wherever_it_is_cut() {
    for number in 0..20 {
        let secret = secret(number);
        let secrets = Secrets::new([secret.clone().into_bytes()]);
        for (form, told) in secret_forms(&secret) {
            let text = format!("<p>what came was {form}");
            let cuts = text.len() - form.len()..=text.len();
            for cut in cuts {
                let shown = secrets.hide(&text[..cut]);
                assert!(!tells(&shown, &form, told.len()), "{secret} in {text} cut at {cut}: {shown}");
            }
            let shown = secrets.hide(format!("{text} and no more"));
            assert!(
                !tells(&shown, &form, told.len()) && shown.ends_with(" and no more"),
                "{secret} in {text}: {shown}"
            );
        }
    }
}

#[test]
fn of_many_secrets_each_is_found_though_others_begin_alike_or_lie_across_it() {
    let many = (0..500).map(|number| format!("eyJhbGciOiJ{number}x").into_bytes());
    let secrets = Secrets::new(many.chain([b"eyJh".to_vec(), b"cross".to_vec(), b"ssing".to_vec()]));
    for number in [0, 77, 499] {
        assert_eq!(secrets.hide(format!("<eyJhbGciOiJ{number}x>")), "<***>");
    }
    assert_eq!(secrets.hide("<eyJhbGciOiJ777>"), "<***bGciOiJ777>");
    assert_eq!(secrets.hide("<crossing>"), "<***>");
    assert_eq!(secrets.hide("<cro> <eyJhbGci"), "<cro> <***");
}

#[test]
fn a_server_that_repeats_a_part_of_a_secret_is_not_shown_with_it() {
    let basic = STANDARD.encode("someone:open sesame");
    for (given, echo, shown) in [
        (format!("authorization: Basic {basic}"), "open sesame is wrong", "*** is wrong"),
        (format!("authorization: Basic {basic}"), "someone:open sesame?", "***?"),
        ("authorization: Basic someone:sesame".to_owned(), &STANDARD.encode("someone:sesame"), "***="),
        ("cookie: theme=dark; session=abcdefg".to_owned(), "no abcdefg here", "no *** here"),
        ("http://h/?token=a%2Fb%2Fc".to_owned(), "no a/b/c here", "no *** here"),
    ] {
        assert_eq!(Secrets::new(values_in(given.as_bytes())).hide(echo), shown, "{given}");
    }
    let body = br#"{"user":"me","password":"open \"sesame\""}"#;
    let secrets = Secrets::new(values_in_body(body));
    assert_eq!(secrets.hide(r#"`open "sesame"` is wrong"#), "`***` is wrong");
    assert_eq!(secrets.hide([b"you said ", &body[..]].concat()), "you said ***");
}

#[test]
fn bytes_that_are_no_text_are_hidden_too() {
    let secrets = Secrets::new([b"caf\xe9 au lait".to_vec()]);
    assert_eq!(secrets.hide(b"<caf\xe9 au lait>\xe9"), "<***>\u{fffd}");
}
