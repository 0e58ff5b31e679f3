//! The list of guards that `make guards` takes out fits the sources: each text is there once, each test exists, and the
//! last result knows every row.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn list() -> Vec<Value> {
    serde_json::from_str(&fs::read_to_string(root().join("tests/guards/list.json")).unwrap()).unwrap()
}

#[test]
fn every_guard_is_in_the_sources_once_and_its_test_exists() {
    let check = Command::new("python3").arg(root().join("tools/guards.py")).arg("--check").output().unwrap();
    let said = String::from_utf8_lossy(&check.stdout).into_owned() + &String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
    assert!(said.contains(&format!("guards: {}, each found once", list().len())), "{said}");
}

#[test]
fn no_guard_stands_twice_and_each_says_what_replaces_it() {
    let guards = list();
    let text = |guard: &Value, field: &str| guard[field].as_str().unwrap().to_owned();
    let names: BTreeSet<String> = guards.iter().map(|guard| text(guard, "name")).collect();
    assert_eq!(names.len(), guards.len());
    for guard in &guards {
        assert!(text(guard, "without").contains("OUT") && !text(guard, "text").contains("OUT"), "{guard}");
        let claimed = text(guard, "claimed");
        let document = claimed.split(' ').next().unwrap();
        assert!(root().join("docs").join(document).is_file(), "{claimed}");
    }
    assert!(guards.len() >= 45, "{} guards", guards.len());
}

#[test]
fn the_last_result_knows_every_guard() {
    let result = fs::read_to_string(root().join("docs/guards.md")).unwrap();
    for guard in list() {
        let row = format!(
            "| `{}` | {} | `{}` | ",
            guard["name"].as_str().unwrap(),
            guard["claimed"].as_str().unwrap(),
            guard["test"].as_str().unwrap()
        );
        assert!(result.contains(&row), "docs/guards.md: `make guards` renews it: {row}");
    }
}
