//! Parses every example of `docs/protocol.md` and writes it back: page and code must agree.

use super::page::{CallEvent, Notice, Request};

const PROTOCOL: &str = include_str!("../../../../docs/protocol.md");

fn examples(direction: &str) -> Vec<&'static str> {
    let fence = format!("```json {direction}\n");
    PROTOCOL.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn every_example_of_a_request_is_read_and_written_back() {
    let found = examples("to-node");
    assert_eq!(found.len(), 29, "one example for each request");
    for text in found {
        let request = Request::parse(text).unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
    }
}

#[test]
fn every_example_of_a_message_to_a_page_is_read_and_written_back() {
    let found = examples("to-page");
    assert_eq!(found.len(), 27, "one example for each message");
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
fn every_error_code_stands_in_the_table() {
    let table = PROTOCOL.split("## 8. Error codes").nth(1).unwrap();
    for code in ["bad_message", "unknown_message", "bad_id", "too_fast", "wrong_state", "no_such_device"] {
        assert!(table.contains(&format!("`{code}`")), "{code}");
        serde_json::from_str::<super::page::Code>(&format!("\"{code}\"")).unwrap();
    }
}
