//! A suite that others wrote, played on the real gateway: requests that have been used to make two servers in a row
//! disagree about where a message ends (`http_desync_guardian`).
//!
//! Owns: what has to become of a case of each tier, and the lists of cases where we and the suite differ, each with its
//! reason. A case on a list that it need not be on fails, too.

#![allow(unreachable_pub, reason = "a test file is a crate of its own")]
#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

#[path = "rows/message.rs"]
mod message;
#[allow(dead_code, reason = "the rows use the rest")]
#[path = "rows/origin.rs"]
mod origin;
#[allow(dead_code, reason = "the rows use the rest")]
#[path = "rows/stage.rs"]
mod stage;
#[path = "desync/suite.rs"]
mod suite;
mod support;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use message::{Kind, Message};
use stage::Stage;
use suite::{Case, Host, Tier};

/// Said behind each case: an end to the connection where the case has not ended it, and a smuggled request where a case
/// that was refused is read on.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
/// How many cases the suite has: fewer would mean that they were not found.
const CASES: usize = 159;

/// Compliant by the suite, refused by us: name, and why.
const STRICTER: &[(&str, &str)] = &[
    ("Correct TE OK", ONLY_CHUNKED),
    ("Transfer-Encoding: identity and chunked OK", ONLY_CHUNKED),
    ("Multiple transfer encoding headers in a single request OK", ONLY_CHUNKED),
    ("TE with custom parameters OK", ONLY_CHUNKED),
    ("Different Transfer-Encoding headers", ONLY_CHUNKED),
    ("Different Transfer-Encoding headers combined", ONLY_CHUNKED),
    ("Transfer-Encoding with a param: chunked;custom_param", ONLY_CHUNKED),
    (
        "Compliant URL",
        "RFC 9112 section 3.2: a target has no fragment; nor quotes, braces, pipes or backslashes",
    ),
    ("International in URI", "RFC 3986 section 2: a target is ASCII, the rest is percent-encoded"),
    ("%09 in URI is OK", DECODED),
    ("%0D in URI is OK", DECODED),
    ("%0A in URI is OK", DECODED),
    ("Empty URI", "RFC 9112 section 3: a request line has a target"),
];
const DECODED: &str =
    "a service that decodes it finds a line end or a blank; `tolerate = [\"encoded-controls\"]` passes it";
const ONLY_CHUNKED: &str = "RFC 9112 section 6.1: a coding that is not understood is not passed on";

/// Not refused although the suite asks for it, but sent to the origin as the suite likes it: name, and why.
const FOLDED: &[(&str, &str)] = &[(
    "Bad Content-Length: 1000,1000",
    "RFC 9110 section 8.6: equal lengths may be replaced by a single one",
)];

/// Forwarded in a form that the suite still calls ambiguous: its reason, and ours.
const FORWARDED: &[(&str, &str)] =
    &[("UndefinedContentLengthSemantics", FRAMED), ("UndefinedTransferEncodingSemantics", FRAMED)];
const FRAMED: &str = "RFC 9112 section 6: a GET or HEAD that has a body is framed like any other request";

/// Cases that fail today: name, what happens and what should.
const KNOWN_FAILURES: &[(&str, &str)] = &[];

/// What became of a case.
struct Outcome {
    answers: Vec<Message>,
    /// What the origin got, whole.
    forwarded: Vec<Message>,
    /// Whether it got anything else.
    is_torn: bool,
}

impl Outcome {
    /// One refusal, announced as the last answer, and not a byte at the origin.
    fn is_refused(&self) -> bool {
        let [refusal] = &self.answers[..] else { return false };
        let is_last = refusal.field("connection") == Some("close");
        refusal.status() >= 400 && is_last && self.forwarded.is_empty() && !self.is_torn
    }

    /// Both requests were answered by the origin, which saw these two and no others.
    fn is_passed(&self) -> bool {
        let is_served = self.answers.len() == 2 && self.answers.iter().all(|answer| answer.status() == 200);
        is_served && self.forwarded.len() == 2 && !self.is_torn
    }

    /// The worst that the suite says of what the origin got.
    fn tier(&self) -> Tier {
        let heads = self.forwarded.iter().map(|message| format!("{}\r\n", message.head));
        let tiers = heads.map(|head| suite::classify(head.as_bytes()));
        tiers.fold(Tier::Compliant, |worst, tier| if tier > worst { tier } else { worst })
    }
}

fn play(stage: &Stage, case: &Case, host: Host) -> Outcome {
    let mut client = stage.connect();
    client.say([&case.head(host)[..], &case.body(), NEXT.as_bytes()].concat());
    let mut answers = Vec::new();
    loop {
        let to_head = answers.is_empty() && case.is_head();
        let answer = client.hear(Kind::Answer { to_head });
        let is_last = answer.field("connection") == Some("close");
        answers.push(answer);
        if is_last {
            break;
        }
    }
    client.expect_end();
    let received = stage.received();
    Outcome { answers, forwarded: received.messages, is_torn: !received.torn.is_empty() }
}

/// What is wrong with the outcome; `None` if nothing is.
fn complaint(case: &Case, outcome: &Outcome) -> Option<&'static str> {
    let is_clean = || outcome.is_passed() && outcome.tier() <= Tier::Acceptable;
    let (is_right, otherwise) = match case.tier {
        _ if lists(STRICTER, &case.name) => (outcome.is_refused(), "is not refused: take it off STRICTER"),
        _ if lists(FOLDED, &case.name) => (is_clean(), "is not folded: take it off FOLDED"),
        _ if lists(FORWARDED, &case.reason) => {
            (outcome.is_passed() || outcome.is_refused(), "is neither served nor refused")
        }
        Tier::Compliant => (is_clean(), "has to pass"),
        Tier::Severe => (outcome.is_refused(), "has to be refused"),
        Tier::Acceptable | Tier::Ambiguous => {
            (outcome.is_refused() || is_clean(), "has to be refused or made unambiguous")
        }
    };
    (!is_right).then_some(otherwise)
}

fn lists(list: &[(&str, &str)], name: &str) -> bool {
    list.iter().any(|(listed, _)| *listed == name)
}

/// How a case fails, with its Host in that place; `None` if it does not.
fn failure(stage: &Stage, case: &Case, host: Host) -> Option<String> {
    match catch_unwind(AssertUnwindSafe(|| play(stage, case, host))) {
        Ok(outcome) => complaint(case, &outcome).map(|said| format!("{said}: {outcome}")),
        Err(_) => Some("ended otherwise than by an answer that says so".into()),
    }
}

#[test]
fn every_case_is_refused_or_reaches_the_origin_in_one_unambiguous_form() {
    let cases = suite::cases();
    assert_eq!(cases.len(), CASES);
    let mut stage = Stage::start(support::drivers()[0]);
    let mut surprises = Vec::new();
    for (case, host) in cases.iter().flat_map(|case| [(case, Host::First), (case, Host::Last)]) {
        let failure = failure(&stage, case, host);
        if failure.is_some() {
            stage = Stage::start(support::drivers()[0]); // whatever the case has left behind
        }
        let surprise = match (failure, lists(KNOWN_FAILURES, &case.name)) {
            (None, true) => "is mended: take it off KNOWN_FAILURES".into(),
            (Some(failure), false) => failure,
            _ => continue,
        };
        surprises.push(format!("{:?} {:?}, {host:?}: {surprise}", case.tier, case.name));
    }
    assert!(surprises.is_empty(), "{} surprises:\n{}", surprises.len(), surprises.join("\n"));
}

#[test]
fn every_difference_is_about_a_case_of_the_suite() {
    let cases = suite::cases();
    for (listed, _) in [STRICTER, FOLDED, FORWARDED, KNOWN_FAILURES].concat() {
        assert!(cases.iter().any(|case| case.name == listed || case.reason == listed), "{listed}");
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses: Vec<u16> = self.answers.iter().map(Message::status).collect();
        let heads: Vec<&str> = self.forwarded.iter().map(|message| &*message.head).collect();
        let more = if self.is_torn { " and more" } else { "" };
        write!(f, "answered {statuses:?}, at the origin {heads:?}{more}")
    }
}
