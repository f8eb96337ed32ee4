//! The bytes of a request, of which some may be drawn anew for each: numbers in the URL, tokens in turn.
//!
//! Promises: rendering allocates nothing once its buffer has grown; a template in which nothing is drawn is rendered once.

use std::io::Write;
use std::ops::RangeInclusive;
use std::rc::Rc;

use crate::plan::draw::Draw;
use crate::plan::target::Tokens;

/// A piece of a request's head.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Fixed(Vec<u8>),
    Number(RangeInclusive<u64>),
    /// One of several secrets, in turn.
    Token(Tokens),
}

/// A request as it is sent.
#[derive(Debug)]
pub(crate) struct Template {
    head: Vec<Piece>,
    body: Vec<u8>,
    fixed: Option<Rc<[u8]>>,
}

impl Template {
    pub(crate) fn new(head: Vec<Piece>, body: Vec<u8>) -> Template {
        let is_drawn = head.iter().any(|piece| matches!(piece, Piece::Number(_) | Piece::Token(_)));
        let mut template = Template { head, body, fixed: None };
        if !is_drawn {
            let mut bytes = Vec::new();
            template.render(Draw { seed: 0, number: 0 }, &mut bytes);
            template.fixed = Some(bytes.into());
            template.body = Vec::new(); // not needed twice
        }
        template
    }

    /// The request, if it is always the same.
    pub(crate) fn fixed(&self) -> Option<&Rc<[u8]>> {
        self.fixed.as_ref()
    }

    /// Writes the request that `draw` makes, in place of what `bytes` held.
    pub(crate) fn render(&self, draw: Draw, bytes: &mut Vec<u8>) {
        bytes.clear();
        self.write(draw, bytes);
        bytes.extend_from_slice(&self.body);
    }

    /// The head of that request, its secrets included.
    pub(crate) fn head(&self, draw: Draw) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(draw, &mut bytes);
        bytes
    }

    fn write(&self, draw: Draw, bytes: &mut Vec<u8>) {
        for (place, piece) in self.head.iter().enumerate() {
            match piece {
                Piece::Fixed(text) => bytes.extend_from_slice(text),
                Piece::Token(tokens) => bytes.extend_from_slice(tokens.of(draw.number).as_bytes()),
                Piece::Number(range) => write_number(bytes, range, draw, place),
            }
        }
    }
}

fn write_number(bytes: &mut Vec<u8>, range: &RangeInclusive<u64>, draw: Draw, place: usize) {
    let (first, last) = (*range.start(), *range.end());
    let number = match (last - first).checked_add(1) {
        Some(total) => first + draw.below(total, place),
        None => draw.below(u64::MAX, place), // the whole of 64 bits but the last: nobody will miss it
    };
    let _ = write!(bytes, "{number}"); // into memory: it cannot fail
}

/// The pieces of a text in which `{FIRST..LAST}` stands for a number from one to the other, both included.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some(open) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(open);
        let range = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let wrong_range = || wrong_range(text.len() - from.len());
        let (range, after) = range.ok_or_else(wrong_range)?;
        pieces.push(Piece::Fixed(before.into()));
        pieces.push(Piece::Number(number_range(range).ok_or_else(wrong_range)?));
        rest = after;
    }
    pieces.push(Piece::Fixed(rest.into()));
    Ok(pieces)
}

fn number_range(text: &str) -> Option<RangeInclusive<u64>> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (first, last) = text.split_once("..").filter(|(first, last)| is_number(first) && is_number(last))?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first..=last)
}

fn wrong_range(at: usize) -> String {
    format!(
        "the brace at byte {at} begins no range of numbers; write {{0..999}}, or %7B and %7D for the braces themselves"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(template: &Template, number: u64) -> String {
        let mut bytes = b"what was there before".to_vec();
        template.render(Draw { seed: 1, number }, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn numbers_are_drawn_within_their_range_and_the_same_for_the_same_request() {
        let template = Template::new(pieces("/{5..7}/x{9..9}").unwrap(), b"!".to_vec());
        assert!(template.fixed().is_none());
        let all: Vec<String> = (0..50).map(|number| rendered(&template, number)).collect();
        for number in 5..=7 {
            assert!(all.contains(&format!("/{number}/x9!")), "{all:?}");
        }
        assert!(all.iter().all(|text| ["/5/x9!", "/6/x9!", "/7/x9!"].contains(&&**text)), "{all:?}");
        assert_eq!(rendered(&template, 3), all[3]);
    }

    #[test]
    fn nothing_drawn_is_rendered_once() {
        let template = Template::new(pieces("plain").unwrap(), b" body".to_vec());
        assert_eq!(template.fixed().unwrap()[..], *b"plain body");
    }

    #[test]
    fn the_widest_range_can_be_drawn_from() {
        let template = Template::new(pieces(&format!("{{0..{}}}", u64::MAX)).unwrap(), Vec::new());
        assert!(rendered(&template, 1).parse::<u64>().is_ok());
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for wrong in [
            "{",
            "}",
            "{}",
            "{1}",
            "{1..}",
            "{..1}",
            "{2..1}",
            "{a..b}",
            "{+1..2}",
            "{0..1",
            "{0..99999999999999999999}",
        ] {
            assert!(pieces(wrong).unwrap_err().contains("%7B"), "{wrong}");
        }
    }
}
