//! What of a run is nobody else's business, and the one way to keep it out of all that is written.
//!
//! Owns: what is a secret, and [`Secrets::hide`]. A text is searched in two ways. By place: what stands behind a name such as
//! `token`, in a head, a query, JSON or a command line ([`place`], [`command`]). By value: what the plan holds, in each form a
//! server may repeat it in ([`form`]), also when its end was cut off.
//! Prefers to hide too much: what is masked can be asked for again, what was published cannot be called back.
//! Does not know: secrets under a name that says nothing, digests and ciphers of a secret, and fewer than [`SHORTEST`]
//! bytes of one.

pub(crate) mod command;
mod form;
mod name;
pub(crate) mod place;

use std::fmt;
use std::ops::Range;

use self::form::View;
pub(crate) use self::name::is_secret;

/// What stands for a secret where people read.
pub(crate) const MASK: &str = "***";
/// Fewer bytes are in every text, and tell nothing: a value that short is hidden by its place only, and so short a beginning
/// of a longer one may stay where a text was cut.
const SHORTEST: usize = 4;
/// Bytes of a value that are looked for: no text that is searched is longer.
const VALUE_BYTES: usize = 1024;
/// Bytes of a body in which names are looked for: beyond, it is data.
const BODY_BYTES: usize = 64 * 1024;

/// The secrets of a run. Without any, `hide` goes by places alone.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Sorted, so that all that begin alike lie together: a hundred thousand tokens cost a search of 17 steps.
    values: Vec<Vec<u8>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.values.len())
    }
}

impl Secrets {
    /// These, and no parts of them.
    pub(crate) fn new(values: impl IntoIterator<Item = Vec<u8>>) -> Secrets {
        let cut = |mut value: Vec<u8>| {
            value.truncate(VALUE_BYTES);
            value
        };
        let mut values: Vec<_> =
            values.into_iter().map(cut).filter(|value| value.len() >= SHORTEST).collect();
        values.sort_unstable();
        values.dedup();
        Secrets { values }
    }

    /// `text` with a mask for each secret. Bytes that are no text are shown as U+FFFD.
    pub fn hide(&self, text: impl AsRef<[u8]>) -> String {
        let text = text.as_ref();
        let mut hidden = place::in_text(text);
        hidden.extend(self.found(text));
        masked(text, hidden)
    }

    /// The same by value alone: of a text that has been masked by place.
    pub(crate) fn hide_values(&self, text: &str) -> String {
        masked(text.as_bytes(), self.found(text.as_bytes()))
    }

    fn found(&self, text: &[u8]) -> Vec<Range<usize>> {
        if self.values.is_empty() {
            return Vec::new();
        }
        form::views(text).iter().flat_map(|view| self.found_in(view)).collect()
    }

    fn found_in(&self, view: &View) -> Vec<Range<usize>> {
        let lengths = (0..view.bytes().len()).map(|at| (at, self.length_at(&view.bytes()[at..])));
        let found = lengths.filter_map(|(at, length)| Some(view.source(at..at + length?)));
        found.collect()
    }

    /// How much of the beginning of `rest` is secret: a whole value, or all of `rest` if a value begins so.
    fn length_at(&self, rest: &[u8]) -> Option<usize> {
        if rest.len() < SHORTEST {
            return None;
        }
        let next = self.values.partition_point(|value| value.as_slice() < rest);
        if self.values.get(next).is_some_and(|value| value.starts_with(rest)) {
            return Some(rest.len());
        }
        self.whole_at(rest)
    }

    /// The longest value with which `rest` begins. It sorts before `rest`, and whatever sorts between the two begins with it.
    fn whole_at(&self, mut rest: &[u8]) -> Option<usize> {
        while rest.len() >= SHORTEST {
            let last = self.values.partition_point(|value| value.as_slice() <= rest).checked_sub(1)?;
            let value = &self.values[last];
            let common = value.iter().zip(rest).take_while(|(a, b)| a == b).count();
            if common == value.len() {
                return Some(common);
            }
            rest = &rest[..common];
        }
        None
    }
}

/// `text` with a mask in each place of `hidden`.
fn masked(text: &[u8], mut hidden: Vec<Range<usize>>) -> String {
    hidden.sort_unstable_by_key(|place| (place.start, place.end));
    let (mut shown, mut at) = (String::new(), None::<usize>);
    for place in hidden.into_iter().filter(|place| !place.is_empty()) {
        if at.is_none_or(|at| place.start > at) {
            shown += &String::from_utf8_lossy(&text[at.unwrap_or(0)..place.start]);
            shown += MASK;
        }
        at = at.max(Some(place.end));
    }
    shown + &String::from_utf8_lossy(&text[at.unwrap_or(0)..])
}

/// A scenario with stars for its secrets, each byte one, so that every place in it stays where it was.
pub(crate) fn blotted(scenario: &str) -> String {
    let mut bytes = scenario.as_bytes().to_vec();
    let places = place::in_scenario(scenario.as_bytes());
    places
        .into_iter()
        .flatten()
        .filter(|&at| !b"\r\n".contains(&scenario.as_bytes()[at]))
        .for_each(|at| bytes[at] = b'*');
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A URL without its secrets.
pub(crate) fn shown_url(url: &str) -> String {
    masked(url.as_bytes(), place::in_argument(url.as_bytes()))
}

/// What is secret in a text that is sent: a URL, or a field with its name.
pub(crate) fn values_in(text: &[u8]) -> Vec<Vec<u8>> {
    place::in_text(text).into_iter().flat_map(|place| parts(&text[place])).collect()
}

/// A body is secret as a whole, and so is what stands behind the names in it.
pub(crate) fn values_in_body(body: &[u8]) -> Vec<Vec<u8>> {
    let mut values = values_in(&body[..body.len().min(BODY_BYTES)]);
    values.push(body[..body.len().min(VALUE_BYTES)].to_vec());
    values
}

/// A secret, and what of it a server may repeat alone: one cookie of several, the password behind the user, and all of it as it
/// was before it was encoded.
fn parts(value: &[u8]) -> Vec<Vec<u8>> {
    let is_between = |byte: &u8| byte.is_ascii_whitespace() || b";,{}\"'".contains(byte);
    let mut parts = vec![value.to_vec()];
    for word in value.split(is_between) {
        let behind = |mark| word.iter().position(|&byte| byte == mark).map(|at| &word[at + 1..]);
        parts.extend([Some(word), behind(b'='), behind(b':')].into_iter().flatten().map(<[u8]>::to_vec));
    }
    let decoded: Vec<_> = parts.iter().flat_map(|part| form::decoded(part)).collect();
    parts.extend(
        decoded
            .iter()
            .flat_map(|text| text.iter().position(|&byte| byte == b':').map(|at| text[at + 1..].to_vec())),
    );
    parts.extend(decoded);
    parts
}

#[cfg(test)]
mod tests;
