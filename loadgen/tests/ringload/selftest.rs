//! `ringload selftest`, a case of a few seconds: on a machine full of tests its times may be off, its accounts may not.

use std::process::{Command, Output};

fn selftest(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ringload")).arg("selftest").args(arguments).output().unwrap()
}

#[test]
fn a_case_passes_or_says_that_the_machine_was_too_noisy_and_its_accounts_always_hold() {
    let folder = std::env::temp_dir().join(format!("ringload-selftest-{}", std::process::id()));
    let output = selftest(&[
        "--case",
        "overload",
        "--case",
        "histogram",
        "--json",
        "--save",
        folder.to_str().unwrap(),
    ]);
    let test: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let saved = std::fs::read(folder.join("selftest.json")).unwrap();
    let run = std::fs::read(folder.join("overload.json")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&saved).unwrap(), test);
    assert_eq!(serde_json::from_slice::<ringload::Report>(&run).unwrap().requests.planned, 1500);

    let [histogram, overload] = &test["cases"].as_array().unwrap()[..] else { panic!("{test:#}") };
    assert_eq!((&histogram["outcome"], &overload["name"]), (&"passed".into(), &"overload".into()));
    let expected = if overload["outcome"] == "passed" { 0 } else { 41 };
    assert_eq!(output.status.code(), Some(expected), "{test:#}");
    let checks = overload["checks"].as_array().unwrap();
    assert!(checks.iter().filter(|check| check["is_exact"] == true).count() >= 2, "{test:#}");
    assert!(checks.iter().all(|check| check["is_exact"] == false || check["holds"] == true), "{test:#}");
    assert!(test["floor"]["wake"]["p50_ns"].as_u64() > Some(0), "{test:#}");
}

#[test]
fn a_case_that_does_not_exist_is_named_with_those_that_do() {
    let output = selftest(&["--case", "tea"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("`tea`") && said.contains("poisson"), "{said}");
}
