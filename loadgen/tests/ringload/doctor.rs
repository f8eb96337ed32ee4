//! `ringload doctor` on whatever machine this is.

use std::process::Command;

#[test]
fn the_exit_code_says_whether_anything_would_spoil_a_measurement() {
    let output = Command::new(env!("CARGO_BIN_EXE_ringload")).args(["doctor", "--json"]).output().unwrap();
    let examination: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = examination["findings"].as_array().unwrap();
    let of = |subject: &str| findings.iter().find(|finding| finding["subject"] == subject).unwrap();
    let is_spoilt = findings.iter().any(|finding| finding["severity"] == "spoils");
    assert_eq!(output.status.code(), Some(if is_spoilt { 50 } else { 0 }), "{examination:#}");
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    assert_eq!(of("build")["seen"], build);
    for finding in findings {
        let is_good = finding["severity"] == "good";
        assert_eq!(finding["advice"].as_str().unwrap().is_empty(), is_good, "{finding:#}");
    }
}
