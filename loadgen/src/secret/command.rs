//! Command lines without their secrets: what an option says of the word that follows it.
//!
//! Assumes: options as this program and most others have them, `--name value`, `--name=value`, `-Hvalue`. A program whose
//! options say nothing (`-p secret`) cannot be seen through; give it a file or a variable instead.

use super::{MASK, is_secret, masked, place};

/// What a word of a command line is.
#[derive(Clone, Copy, PartialEq)]
enum Meaning {
    /// A URL, a file, a number: secret where a name in it says so.
    Word,
    /// `Name: value`.
    Field,
    /// A command line of its own.
    Line,
    /// A secret, whatever it is.
    Secret,
}

/// The words of a command line, masked.
pub(crate) fn words(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut follows = Meaning::Word;
    words.into_iter().map(|text| word(&text, &mut follows)).collect()
}

/// A command line as a shell reads it, masked; what is not masked stays as it was written.
pub(crate) fn line(line: &str) -> String {
    let mut follows = Meaning::Word;
    let shown = split(line).into_iter().map(|written| {
        let plain: String = written.chars().filter(|c| !"\"'\\".contains(*c)).collect();
        let shown = word(&plain, &mut follows);
        if shown == plain { written.to_owned() } else { format!("'{shown}'") }
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// One word, of which the one before may have said what it is.
fn word(text: &str, follows: &mut Meaning) -> String {
    let meaning = std::mem::replace(follows, Meaning::Word);
    let (name, value) = match meaning {
        Meaning::Word => option(text),
        _ => ("", Some(text)),
    };
    let of_option = meaning_of(name);
    match value {
        None if name.is_empty() => shown(text, Meaning::Word),
        None => {
            *follows = of_option;
            text.to_owned()
        }
        Some(value) if name.is_empty() => shown(value, meaning),
        Some(value) => format!("{}{}", &text[..text.len() - value.len()], shown(value, of_option)),
    }
}

/// The option that a word is, if it is one, with its dashes; and the value that it holds itself.
fn option(text: &str) -> (&str, Option<&str>) {
    if text.starts_with("--") {
        return text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    }
    match text.strip_prefix('-').and_then(|rest| rest.chars().next()) {
        None => ("", None),
        Some(letter) => {
            let (name, value) = text.split_at(1 + letter.len_utf8());
            let value = value.strip_prefix('=').unwrap_or(value);
            (name, Some(value).filter(|value| !value.is_empty()))
        }
    }
}

fn meaning_of(name: &str) -> Meaning {
    match name.trim_start_matches('-') {
        "H" | "header" => Meaning::Field,
        "body" => Meaning::Secret,
        "b" if name == "-b" => Meaning::Secret,
        "a" | "b" | "backend" if name.starts_with("--") => Meaning::Line,
        name if is_secret(name) => Meaning::Secret,
        _ => Meaning::Word,
    }
}

fn shown(text: &str, meaning: Meaning) -> String {
    let bytes = text.as_bytes();
    match meaning {
        Meaning::Secret => MASK.to_owned(),
        Meaning::Line => line(text),
        Meaning::Field => masked(bytes, place::value_of_field(bytes).into_iter().collect()),
        Meaning::Word => masked(bytes, place::in_argument(bytes)),
    }
}

/// Words between blanks that are in no quotes.
fn split(line: &str) -> Vec<&str> {
    let (mut quote, mut is_escaped) = (None, false);
    let is_between = |c: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match (c, quote) {
            _ if was_escaped => {}
            ('\\', None | Some('"')) => is_escaped = true,
            ('"' | '\'', None) => quote = Some(c),
            _ if quote == Some(c) => quote = None,
            _ => return c.is_whitespace() && quote.is_none(),
        }
        false
    };
    line.split(is_between).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(arguments: &[&str]) -> Vec<String> {
        words(arguments.iter().map(|&argument| argument.to_owned()))
    }

    #[test]
    fn options_say_what_is_secret() {
        for (given, shown) in [
            (&["-H", "Authorization: Bearer abc"][..], &["-H", "Authorization: Bearer ***"][..]),
            (&["--header=x-api-key: abc"], &["--header=x-api-key: ***"]),
            (&["-Hcookie:a=b"], &["-Hcookie:***"]),
            (&["-H", "Accept: text/html"], &["-H", "Accept: text/html"]),
            (&["--body", "abc", "-babc", "-b", "abc"], &["--body", "***", "-b***", "-b", "***"]),
            (
                &["--server", "auth:8080", "--token-env", "NAME"],
                &["--server", "auth:8080", "--token-env", "NAME"],
            ),
            (&["--url", "http://a:b@h/token?key=1&id=2"], &["--url", "http://***@h/token?key=***&id=2"]),
            (&["3@http://h/?sig=abc", "-c", "2"], &["3@http://h/?sig=***", "-c", "2"]),
            (&["--api-key", "abc", "-"], &["--api-key", "***", "-"]),
        ] {
            assert_eq!(told(given), shown);
        }
    }

    #[test]
    fn a_line_for_the_shell_is_read_as_the_shell_does() {
        for (given, shown) in [
            ("./old -p 8080", "./old -p 8080"),
            (
                "TOKEN=abc ./gw  --admin-token 'a b' -c 'my file'",
                "'TOKEN=***' ./gw --admin-token '***' -c 'my file'",
            ),
            (r#"gw -H "X-Key: it\"s" \'"#, r"gw -H 'X-Key: ***' \'"),
        ] {
            assert_eq!(line(given), shown);
        }
        assert_eq!(told(&["--a", "gw --token=abc"]), ["--a", "gw '--token=***'"]);
    }
}
