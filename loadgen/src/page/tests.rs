use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::*;
use crate::compare::{Conclusion, Conditions, Effect, Metric, Outcome, QuantileRatio};
use crate::interchange::import::parse;
use crate::merge::tests::parts;
use crate::statistics::Estimate;

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

fn comparison(text: &str) -> Exhibit {
    let [run, other, _] = parts();
    let ratio = Estimate { value: 1.15, low: 1.12, high: 1.18 };
    let conditions = Conditions {
        commands: [text.to_owned(), "b".to_owned()],
        urls: [vec![text.to_owned()], Vec::new()],
        backends: Vec::new(),
        load: "closed loop".to_owned(),
        connections: 64,
        threads: 1,
        duration_ns: 2_000_000_000,
        warmup_ns: 0,
        metric: Metric::Cpu,
        pairs: 8,
        floor_pairs: 8,
        turns: 1,
        proxy_cores: Vec::new(),
        load_cores: Vec::new(),
    };
    let effect = |metric, decides, ratio| Effect {
        metric,
        decides,
        ratio,
        self_ratio: None,
        floor: Some(0.03),
        probability: Some(0.008),
    };
    let comparison = Comparison {
        format: 1,
        provenance: run.provenance,
        conditions,
        conclusion: Conclusion { outcome: Outcome::Difference, reason: text.to_owned() },
        effects: vec![effect(Metric::Cpu, true, Some(ratio)), effect(Metric::P99, false, None)],
        quantiles: vec![QuantileRatio { quantile: "p50".to_owned(), middle_ns: [1e6, 1.15e6], ratio }],
        responses: [run.histograms.response, other.histograms.response],
        runs: Vec::new(),
    };
    Exhibit::Comparison { name: "pair".to_owned(), comparison: Box::new(comparison) }
}

#[test]
fn what_an_older_version_saved_with_its_secrets_is_shown_without() {
    let [mut report, _, _] = parts();
    report.targets[0].url = "http://h/?page=2&token=hunter2".to_owned();
    report.provenance.command = ["run", "-H", "X-Session: hunter2"].map(str::to_owned).to_vec();
    let run = Exhibit::Run { name: "old".to_owned(), run: Box::new(report) };
    let mut compared = comparison("same");
    if let Exhibit::Comparison { comparison, .. } = &mut compared {
        comparison.conditions.commands[0] = "gw --token hunter2".to_owned();
    }
    let shown = page("Old", &[run, compared]);
    assert!(shown.contains("page=2") && !shown.contains("hunter2"));
}

#[test]
fn a_comparison_has_its_conclusion_its_intervals_and_two_curves() {
    let html = page("Title", &[comparison("B costs more"), run("one")]);
    for part in [
        "B costs more",
        "pair: B compared with A",
        "+15.0 %",
        "+12.0 % to +18.0 %",
        "n/a",
        "1 run and 1 comparison",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(
        html.contains("pair A, response")
            && html.contains("data-lines=\"s0 response|s1 response|s2 response")
    );
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
    let html = html + &page("Comparison", &[comparison(ATTACK)]);
    assert_eq!(html.matches("<script").count(), 2); // our own, once each
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
    assert!(page("Nothing", &[]).contains("nothing to show"));
    let empty = parse(r#"{"latencies": {}, "requests": 0, "status_codes": {}}"#).unwrap();
    let html = page("Empty", &[Exhibit::Summary { name: "empty".to_owned(), summary: empty }]);
    assert!(html.contains("n/a") && !html.contains("NaN") && !html.contains(">inf"));
}
