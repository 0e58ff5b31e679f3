//! The wall between the rooms of `node/`: a room names no other, and the ground names none. What a room wants of
//! another it says, and the switchboard (`mod.rs`, `requests.rs`) does it.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]
// This is not the runtime's thread
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const ROOMS: &[&str] =
    &["calls", "linking", "links", "owner", "pages", "people", "records", "servers", "telephones"];
/// What rooms stand on.
const GROUND: &[&str] =
    &["admin", "admission", "bans", "ground", "learn", "news", "own", "report", "said", "saving", "who"];
/// What names rooms: the other parts of the switchboard, what is saved of all, and tests.
const ALL: &[&str] = &["admit", "requests", "state", "tests"];

fn node() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/node")
}

/// The files of a module, without its tests.
fn files(module: &str) -> Vec<PathBuf> {
    let mut found = vec![node().join(format!("{module}.rs"))];
    let folder = fs::read_dir(node().join(module)).into_iter().flatten();
    found.extend(folder.map(|entry| entry.unwrap().path()));
    found.retain(|file| file.is_file() && !file.ends_with("tests.rs"));
    found
}

/// The first names of the paths that begin at a module above, or at the node.
fn named(source: &str) -> BTreeSet<String> {
    let code: Vec<&str> = source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let word = |text: &str| {
        let text = text.trim_start();
        text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
    };
    let mut found = BTreeSet::new();
    for prefix in ["super::", "node::"] {
        for (at, _) in code.match_indices(prefix) {
            let rest = code[at + prefix.len()..].trim_start();
            let Some(list) = rest.strip_prefix('{') else {
                found.insert(word(rest));
                continue;
            };
            // the names of a list, not those of lists in it
            let (mut depth, mut begins) = (0, true);
            for (at, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => begins = true,
                    c if begins && depth == 0 && !c.is_whitespace() => {
                        found.insert(word(&list[at..]));
                        begins = false;
                    }
                    _ => {}
                }
            }
        }
    }
    found
}

#[test]
fn a_room_names_no_other_and_the_ground_names_none() {
    for module in ROOMS.iter().chain(GROUND) {
        let files = files(module);
        assert!(!files.is_empty(), "{module} is nowhere");
        for file in files {
            let named = named(&fs::read_to_string(&file).unwrap());
            let others = ROOMS.iter().filter(|room| *room != module && named.contains(**room));
            let others: Vec<&&str> = others.collect();
            assert!(others.is_empty(), "{} names {others:?}: say it, and let `mod.rs` do it", file.display());
        }
    }
}

#[test]
fn every_module_of_the_node_is_a_room_or_stands_below_them() {
    let source = fs::read_to_string(node().join("mod.rs")).unwrap();
    let modules =
        source.lines().filter_map(|line| line.strip_suffix(';')?.split_once("mod ").map(|(_, m)| m));
    for module in modules {
        let known = ROOMS.iter().chain(GROUND).chain(ALL).any(|known| *known == module);
        assert!(known, "is {module} a room? Then it belongs into the list of this test");
    }
}

#[test]
fn a_name_is_found_however_it_is_written() {
    let source = "use super::{ground::{Ground, text}, links};\nfn f(a: super::super::pages::Page) {} // super::calls\n";
    let named = named(&format!("{source}use crate::node::owner::Owner;"));
    for name in ["ground", "links", "pages", "owner"] {
        assert!(named.contains(name), "{name}: {named:?}");
    }
    assert!(!named.contains("calls") && !named.contains("text"), "{named:?}");
}
