//! Every error code of the protocol is met by a test through the real door: a page's socket at a real daemon.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use truca_tests::Result;
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page::Page;

/// Which test meets a code, and where it is.
const MET: [(&str, &[&str], &str); 13] = [
    (
        "held_pages.rs",
        &[
            "bad_message",
            "unknown_message",
            "bad_id",
            "bad_name",
            "bad_display",
            "signed_in",
            "not_here",
            "no_such_person",
            "bad_call",
            "no_such_call",
            "wrong_state",
            "too_many_calls",
            "no_such_device",
        ],
        "each_mistake_of_a_page_has_its_own_code",
    ),
    ("held_pages.rs", &["too_fast"], "a_page_that_asks_too_fast_is_refused_after_forty_requests"),
    ("held_pages.rs", &["not_signed_in"], "who_has_not_signed_in_is_told_nothing_and_changes_nothing"),
    ("held_pages.rs", &["bad_signature"], "a_sign_in_that_was_overheard_is_good_for_no_other_socket"),
    ("held_pages.rs", &["stale_counter"], "a_device_that_counts_anew_is_told_where_it_was"),
    ("held_pages.rs", &["full"], "a_node_has_as_many_accounts_as_its_owner_allows"),
    ("held_pages.rs", &["full"], "a_node_has_as_many_sessions_as_its_owner_allows"),
    ("held_pages.rs", &["no_session"], "who_signs_out_is_not_brought_back_and_not_shown_as_here"),
    ("held_pages.rs", &["no_session"], "the_ninth_attempt_of_a_socket_is_its_last"),
    ("held_pages.rs", &["not_home"], "a_visited_node_changes_nobodys_display_name"),
    ("held_pages.rs", &["bad_sdp", "too_long"], "what_a_page_says_in_a_call_has_its_bounds"),
    ("held_pages.rs", &["banned"], "who_is_kept_out_does_not_sign_in_and_is_counted"),
    ("codes.rs", &["name_taken"], "a_name_that_is_taken_comes_with_one_that_is_free"),
];

/// A code that stands in the table and is never sent.
const RESERVED: &str = "bad_key";

fn read(path: &str) -> Result<String> {
    Ok(fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))?)
}

/// The codes of section 8.
fn codes() -> Result<BTreeSet<String>> {
    let protocol = read("../docs/protocol.md")?;
    let section = protocol.split("\n## 8. Error codes\n").nth(1).ok_or("no section 8")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    Ok(cells.flat_map(|cell| cell.split(", ")).map(|code| code.trim_matches('`').to_owned()).collect())
}

#[test]
fn every_code_of_the_protocol_is_met_by_a_test_that_asks_a_daemon() -> Result {
    let mut met = BTreeSet::from([RESERVED.to_owned()]);
    for (file, codes, test) in MET {
        let source = read(&format!("tests/{file}"))?;
        let body = source.split(&format!("fn {test}(")).nth(1).ok_or(format!("{file} has no test {test}"))?;
        let body = body.split("\n}\n").next().unwrap_or_default();
        for code in codes {
            assert!(body.contains(&format!("\"{code}\"")), "{test} does not ask for {code}");
            met.insert((*code).to_owned());
        }
    }
    assert_eq!(met, codes()?);
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_taken_comes_with_one_that_is_free() -> Result {
    let casa = Daemon::start(Options::default())?;
    let mut hers = Page::open(casa.page()).await?;
    hers.sign_in("nuria").await?;
    let mut page = Page::open(casa.page()).await?;
    let fields = page.sign_in_fields(&format!("nuria@{}", page.node))?;
    page.post("sign_in", fields).await?;
    let refused = page.event("error").await?;
    assert_eq!(refused["code"], "name_taken");
    let free = refused["suggest"].as_str().ok_or("no name is suggested")?;
    page.sign_in(free).await?;
    assert_eq!(page.address, format!("{free}@{}", page.node));
    Ok(())
}
