//! This installation as one of a chain of proxies: how it signs what it forwards, and how it knows its own signature
//! again (RFC 9110 section 7.6.3).
//!
//! Refuses: to take another gateway's signature for its own. A chain of gateways is no loop, so a fixed name would not do.

use crate::field::{Name, list};
use crate::head::{Fields, Version};
use crate::{chunked, limits};

/// One installation; all its workers are the same one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    id: Box<str>,
    via_1_0: Box<str>,
    via_1_1: Box<str>,
}

impl Node {
    /// The node of that id; `None` unless it is a token of 1 to 64 bytes.
    pub fn new(id: &str) -> Option<Node> {
        let fits = (1..=limits::NODE_ID_BYTES).contains(&id.len()) && id.bytes().all(chunked::is_token);
        let via = |version: &str| format!("Via: {version} {id}\r\n").into();
        fits.then(|| Node { id: id.into(), via_1_0: via("1.0"), via_1_1: via("1.1") })
    }

    /// What tells it from others.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The field line by which it signs a message that came in that version.
    pub(crate) fn via(&self, received: Version) -> &str {
        match received {
            Version::Http10 => &self.via_1_0,
            Version::Http11 => &self.via_1_1,
        }
    }

    /// Whether a request with these fields has been here before.
    pub(crate) fn has_signed(&self, fields: Fields<'_>) -> bool {
        let is_own = |by: &[u8]| by.eq_ignore_ascii_case(self.id.as_bytes());
        fields.all(Name::Via).flat_map(list).any(|member| received_by(member).is_some_and(is_own))
    }
}

/// The second word of a member, as in `1.1 name (comment)`.
fn received_by(member: &[u8]) -> Option<&[u8]> {
    member.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty()).nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::RequestHead;
    use crate::tolerance::Tolerance;

    #[test]
    fn a_node_knows_its_own_signature_and_no_other() {
        let node = Node::new("gate-1").unwrap();
        for (via, is_own) in [
            ("1.1 gate-1", true),
            ("HTTP/1.0 \t GATE-1 (Ringgate)", true),
            ("1.1 other, 1.1 gate-1", true),
            ("1.1 other\r\nVia: 1.0 gate-1", true),
            ("1.1 gate-10, 1.1 gate", false),
            ("1.1 other (gate-1)", false),
            ("gate-1", false),
            (", ,", false),
            ("", false),
        ] {
            let text = format!("GET / HTTP/1.1\r\nHost: h\r\nVia: {via}\r\n\r\n");
            let mut head = RequestHead::default();
            head.parse(text.as_bytes(), Tolerance::NONE).unwrap();
            assert_eq!(node.has_signed(head.fields(text.as_bytes())), is_own, "{via}");
        }
    }

    #[test]
    fn an_id_is_a_short_token() {
        for bad in ["", "a b", "a,b", "a\r\n", "(a)", "\u{e9}", &"a".repeat(65)] {
            assert_eq!(Node::new(bad), None, "{bad}");
        }
        assert_eq!(
            Node::new(&"a".repeat(64)).unwrap().via(Version::Http11).len(),
            "Via: 1.1 \r\n".len() + 64
        );
    }
}
