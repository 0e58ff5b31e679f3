//! Parses every example of `docs/protocol.md` and writes it back: page and code must agree.

use std::collections::BTreeSet;

use super::page::request::Asked;
use super::page::{CallEvent, Code, Notice};

const PROTOCOL: &str = include_str!("../../../../docs/protocol.md");

fn examples(direction: &str) -> Vec<&'static str> {
    let fence = format!("```json {direction}\n");
    PROTOCOL.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn every_example_of_a_request_is_read_and_written_back() {
    let found = examples("to-node");
    assert_eq!(found.len(), 30, "one example for each request");
    for text in found {
        let request = Asked::parse(text).unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
        assert_eq!(request.to_text(), text);
    }
}

#[test]
fn every_example_of_a_message_to_a_page_is_read_and_written_back() {
    let found = examples("to-page");
    assert_eq!(found.len(), 29, "one example for each message");
    for text in found {
        let written = serde_json::from_str::<Notice>(text)
            .map(|notice| serde_json::to_string(&notice).unwrap())
            .or_else(|_| {
                serde_json::from_str::<CallEvent>(text).map(|event| serde_json::to_string(&event).unwrap())
            });
        assert_eq!(written.unwrap_or_else(|error| panic!("{text}: {error}")), text);
    }
}

#[test]
fn every_error_code_stands_in_the_table_and_no_other() {
    let section = PROTOCOL.split("\n## 8. Error codes\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let table: BTreeSet<&str> =
        cells.flat_map(|cell| cell.split(", ")).map(|code| code.trim_matches('`')).collect();
    // the variants as they stand in the source: a list by hand would be the second one
    let source = include_str!("page/failure.rs").split("pub enum Code {").nth(1).unwrap();
    let variants = source.split('}').next().unwrap().lines().map(|line| line.trim().trim_end_matches(','));
    let variants: Vec<&str> = variants.filter(|line| !line.is_empty()).collect();
    let read = |code: &&str| serde_json::from_str::<Code>(&format!("\"{code}\"")).unwrap();
    let known: BTreeSet<String> = table.iter().map(|code| format!("{:?}", read(code))).collect();
    assert_eq!(known, variants.iter().map(|variant| (*variant).to_owned()).collect());
    assert_eq!(table.len(), variants.len());
}
