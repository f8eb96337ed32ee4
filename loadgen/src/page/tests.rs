use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::*;
use crate::interchange::import::parse;
use crate::merge::tests::parts;

const ATTACK: &str = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";

fn run(name: &str) -> Exhibit {
    let [run, _, _] = parts();
    Exhibit::Run { name: name.to_owned(), run: Box::new(run) }
}

fn summary() -> Exhibit {
    let text = r#"{"latencies": {"mean": 3, "50th": 2000000, "99th": 5000000, "max": 9000000}, "requests": 10,
        "duration": 1, "wait": 1, "status_codes": {"200": 10}}"#;
    Exhibit::Summary { name: "vegeta".to_owned(), summary: parse(text).unwrap() }
}

#[test]
fn a_page_shows_every_exhibit_in_every_part_it_has() {
    let html = page("Title", &[run("one"), run("two"), summary()]);
    for part in
        ["Latency by percentile", "Response time over time", "Throughput over time", "CPU per request"]
    {
        assert!(html.contains(&format!("<h2>{part}</h2>")), "{part}");
    }
    assert_eq!(html.matches("<article").count(), 3);
    assert_eq!(html.matches("class=\"wide\"").count(), 4); // percentiles, two timelines, throughput
    assert!(html.contains("target missed") && html.contains("from vegeta"));
}

#[test]
fn no_text_of_a_file_becomes_markup() {
    let [mut report, _, _] = parts();
    report.reason = ATTACK.to_owned();
    report.targets[0].url = ATTACK.to_owned();
    report.provenance.command = vec![ATTACK.to_owned()];
    report.provenance.started = ATTACK.to_owned();
    report.setting.load = ATTACK.to_owned();
    report.costs[0].name = ATTACK.to_owned();
    let html = page(ATTACK, &[Exhibit::Run { name: ATTACK.to_owned(), run: Box::new(report) }]);
    assert_eq!(html.matches("<script").count(), 1); // our own
    assert_eq!(html.matches("<img").count(), 0);
    assert!(html.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn the_policy_admits_our_script_alone() {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT));
    assert_eq!(hash, SCRIPT_HASH, "the script has changed: write its new hash into SCRIPT_HASH");
    assert!(!SCRIPT.contains("</script"));
}

#[test]
fn a_page_asks_for_nothing_from_outside() {
    let html = page("Title", &[run("one")]);
    for reference in ["src=", "@import", "url("] {
        assert!(!html.contains(reference), "{reference}");
    }
    assert_eq!(html.matches("href=").count(), 1); // the empty icon
}

#[test]
fn no_element_has_an_attribute_twice() {
    let html = page("Title", &[run("one"), summary()]);
    for tag in html.split('<').filter_map(|tag| tag.split_once('>')) {
        assert!(tag.0.matches(" class=\"").count() <= 1, "<{}>", tag.0);
    }
}

#[test]
fn exhibits_without_a_value_are_a_page_all_the_same() {
    assert!(page("Nothing", &[]).contains("0 runs"));
    let empty = parse(r#"{"latencies": {}, "requests": 0, "status_codes": {}}"#).unwrap();
    let html = page("Empty", &[Exhibit::Summary { name: "empty".to_owned(), summary: empty }]);
    assert!(html.contains("n/a") && !html.contains("NaN") && !html.contains("inf"));
}
