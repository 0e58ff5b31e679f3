//! What the documents say of the program is what the program is: options, flags, bounds, links, names of tests.
//!
//! `TRUCA_WRITE_DOCS=1 cargo test -p trucad --test documents` writes the table of options anew.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]
// This is not the runtime's thread
#![allow(clippy::disallowed_methods)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use trucad::{
    host::config::options::{TABLE, reference},
    node::admin::METHODS,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_table_of_options_is_the_programs_own() {
    const BEGIN: &str = "<!-- options: written by the test `documents`; TRUCA_WRITE_DOCS=1 renews it -->\n";
    const END: &str = "<!-- end of options -->";
    let file = "docs/operations.md";
    let text = read(file);
    let (before, rest) = text.split_once(BEGIN).expect("the table's beginning");
    let (table, after) = rest.split_once(END).expect("the table's end");
    if std::env::var_os("TRUCA_WRITE_DOCS").is_some() {
        fs::write(root().join(file), [before, BEGIN, &reference(), END, after].concat()).unwrap();
        return;
    }
    assert_eq!(
        table,
        reference(),
        "docs/operations.md: renew it: TRUCA_WRITE_DOCS=1 cargo test -p trucad --test documents"
    );
}

/// Words of a text that begin with `--`.
fn flags(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}

#[test]
fn the_manual_page_knows_every_flag_and_command_and_no_other() {
    let page = read("docs/trucad.8").replace("Fl \\-", "--");
    let help = Command::new(env!("CARGO_BIN_EXE_trucad")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert_eq!(flags(&page), flags(&help));
    for name in METHODS.iter().map(|method| method.name) {
        assert!(page.contains(&format!("\n.It Cm {name}\n")), "{name}");
    }
    for row in TABLE.iter().filter(|row| row.flag.is_some()) {
        for default in row.default.split_whitespace() {
            assert!(page.contains(default), "{} is {} without it", row.option, row.default);
        }
    }
}

/// The value of a constant, or of a field with a default, as it stands in a source.
fn value<'a>(source: &'a str, name: &str) -> Option<&'a str> {
    let constant = source.lines().find_map(|line| {
        let rest = line.split_once(&format!("const {name}"))?.1;
        let (kind, value) = rest.split_once(" = ")?;
        (kind.is_empty() || kind.starts_with(": ")).then(|| value.trim_end_matches(';'))
    });
    let field = || {
        source.match_indices(&format!(" {name}: ")).find_map(|(at, found)| {
            let rest = &source[at + found.len()..];
            rest.starts_with(|c: char| c.is_ascii_digit()).then(|| rest.split([',', ' ']).next().unwrap())
        })
    };
    constant.or_else(field)
}

fn number(text: &str) -> Option<u64> {
    let product = |term: &str| {
        term.split('*')
            .map(|factor| factor.trim().replace('_', "").parse::<u64>().ok())
            .product::<Option<u64>>()
    };
    text.split(" + ").map(product).sum()
}

/// The ways in which a document may write a value.
fn ways(value: &str) -> Vec<Vec<String>> {
    if value.contains("Duration::") {
        let durations = value.split("Duration::from_").skip(1).map(|text| {
            let (unit, rest) = text.split_once('(').unwrap();
            let amount = number(rest.split_once(')').unwrap().0).unwrap();
            let duration =
                if unit == "secs" { Duration::from_secs(amount) } else { Duration::from_millis(amount) };
            let (s, ms) = (duration.as_secs(), duration.as_millis());
            let whole = [(3600, "h"), (60, "min"), (1, "s")];
            let mut ways: Vec<String> = whole
                .iter()
                .filter(|(length, _)| ms % (length * 1000) == 0)
                .map(|(length, unit)| format!("{} {unit}", u128::from(s) / length))
                .collect();
            ways.extend([format!("{ms} ms"), format!("{} s", duration.as_secs_f64())]);
            ways
        });
        return durations.collect();
    }
    let n = number(value).unwrap_or_else(|| panic!("what is {value}?"));
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let mut ways = vec![digits, grouped];
    ways.extend(n.is_multiple_of(1024).then(|| format!("{} KiB", n / 1024)));
    ways.extend(n.is_multiple_of(1 << 20).then(|| format!("{} MiB", n >> 20)));
    vec![ways]
}

/// Whether a text has this as a word of its own: not the `8 s` of `48 s`.
fn has(text: &str, what: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, ',' | '.');
    text.match_indices(what).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + what.len()..]);
        let mut next = after.chars();
        let ends = match next.next() {
            Some(',' | '.') => !next.next().is_some_and(|c| c.is_ascii_digit()),
            Some(c) => !c.is_alphanumeric(),
            None => true,
        };
        !before.ends_with(joins) && ends
    })
}

/// What stands between backticks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_table_of_bounds_has_the_numbers_of_the_code() {
    let mut checked = 0;
    for row in read("docs/bounds.md").lines().filter(|line| line.starts_with("| ") && line.contains("`")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [what, bound, _, place, _] = cells[..] else { panic!("five cells: {row}") };
        let mut source = String::new();
        for word in code(place) {
            if let Some(path) = word.strip_suffix(".ts") {
                source = read(&format!("daemon/web/src/{}.ts", path.strip_prefix("web/").unwrap()));
                continue;
            }
            if let Some(path) = word.strip_suffix(".rs") {
                let path = match path.strip_prefix("core/") {
                    Some(rest) => format!("daemon/core/src/{rest}.rs"),
                    None => format!("daemon/src/{path}.rs"),
                };
                source = read(&path);
                continue;
            }
            let value = match word.split_once('.') {
                Some((section, option)) => {
                    let row = TABLE.iter().find(|row| (row.section, row.option) == (section, option));
                    row.unwrap_or_else(|| panic!("no option {word}")).default
                }
                None => {
                    value(&source, word).unwrap_or_else(|| panic!("{what}: there is no {word} in {place}"))
                }
            };
            for ways in ways(value) {
                assert!(ways.iter().any(|way| has(bound, way)), "{what}: {word} is {value}, not {bound}");
                checked += 1;
            }
        }
    }
    assert!(checked > 60, "only {checked} bounds were found");
}

/// The documents, and what lies beside them.
fn documents() -> Vec<PathBuf> {
    let here = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(|name| root().join(name));
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    here.into_iter().chain(docs.filter(|path| path.extension().is_some_and(|end| end == "md"))).collect()
}

/// A heading as GitHub makes a link of it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .trim()
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .collect::<String>();
    kept.replace(' ', "-")
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            let (path, heading) =
                link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
            let target =
                if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: there is no {link}", document.display());
            if let Some(heading) = heading {
                let text = fs::read_to_string(&target).unwrap();
                let found = text
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(|line| anchor(line.trim_start_matches('#')))
                    .any(|there| there == heading);
                assert!(found, "{}: there is no heading {link}", document.display());
            }
        }
    }
}

/// Every file of our own under a folder, with this ending.
fn sources(folder: &Path, ends: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        if entry.is_dir() {
            if !["target", "node_modules", "dist", "screenshots"].contains(&name.as_str()) {
                sources(&entry, ends, found);
            }
        } else if ends.iter().any(|end| name.ends_with(end)) {
            found.push(entry);
        }
    }
}

/// The tests of the daemon, of its core and of the scenarios: name and body.
fn tests() -> BTreeMap<String, String> {
    let mut files = Vec::new();
    for folder in ["daemon/src", "daemon/core", "daemon/tests", "tests/tests", "tests/src"] {
        sources(&root().join(folder), &[".rs"], &mut files);
    }
    let mut found = BTreeMap::new();
    for text in files.iter().map(|path| fs::read_to_string(path).unwrap()) {
        for (at, _) in text.match_indices("#[test]").chain(text.match_indices("#[tokio::test")) {
            let rest = &text[at..];
            let Some((head, after)) = rest.split_once("fn ") else { continue };
            let name = after.split('(').next().unwrap();
            // rustfmt puts the end of a function where its beginning is
            let line = text[..at].rsplit('\n').next().unwrap();
            let end = format!("\n{line}}}\n");
            let body = after.split(&end).next().unwrap();
            if head.lines().count() < 6 && line.trim().is_empty() {
                found.insert(name.to_owned(), body.to_owned());
            }
        }
    }
    found
}

/// The rows of a table whose head begins so.
fn rows<'a>(text: &'a str, head: &'a str) -> impl Iterator<Item = Vec<&'a str>> {
    let table = text.split_once(head).unwrap_or_else(|| panic!("no table {head}")).1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    // a cell may be empty, and none has a bar in it
    rows.map(|row| row.strip_prefix('|').unwrap().trim_end_matches('|').split('|').map(str::trim).collect())
}

/// Whether a test speaks of a constant of a row, or of one of its numbers.
fn speaks_of(body: &str, what: &str, bound: &str, place: &str) -> bool {
    let word = |text: &str, word: &str| {
        text.match_indices(word).any(|(at, _)| {
            let joins = |c: char| c.is_alphanumeric() || c == '_';
            !text[..at].ends_with(joins) && !text[at + word.len()..].starts_with(joins)
        })
    };
    let names = code(what).chain(code(place)).filter(|name| !name.ends_with(".rs") && !name.ends_with(".ts"));
    let mut names = names.map(|name| name.rsplit('.').next().unwrap());
    let plain = body.replace('_', "");
    let digits = bound.replace(',', "");
    let mut numbers = digits.split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
    names.any(|name| word(body, name)) || numbers.any(|number| word(&plain, number))
}

#[test]
fn every_bound_names_a_test_that_speaks_of_it() {
    /// Rows that have none yet. When there are fewer, this number is to be made smaller; it never grows.
    const WITHOUT: usize = 41;
    let (tests, text) = (tests(), read("docs/bounds.md"));
    let mut without = Vec::new();
    for row in rows(&text, "| what | bound |") {
        let [what, bound, _, place, held] = row[..] else { continue };
        if held == "—" {
            without.push(what);
        }
        for name in code(held) {
            let body = tests.get(name).unwrap_or_else(|| panic!("{what}: there is no test {name}"));
            assert!(speaks_of(body, what, bound, place), "{what}: {name} speaks of no number of {bound}");
        }
    }
    assert_eq!(without.len(), WITHOUT, "rows without a test: {without:?}");
}

#[test]
fn what_strangers_can_send_is_held_by_tests_that_are_there() {
    /// As above.
    const WITHOUT: usize = 1;
    let (tests, text) = (tests(), read("docs/security.md"));
    let mut without = Vec::new();
    for row in rows(&text, "| what | to whom it is open |") {
        let [what, _, _, _, held] = row[..] else { panic!("five cells: {row:?}") };
        if held == "—" {
            without.push(what);
        }
        for name in code(held) {
            assert!(tests.contains_key(name), "{what}: there is no test {name}");
        }
    }
    assert_eq!(without.len(), WITHOUT, "rows without a test: {without:?}");
}

#[test]
fn what_is_done_of_stun_and_turn_is_shown_by_tests_that_are_there() {
    let (tests, text) = (tests(), read("docs/stun-turn.md"));
    let mut shown = 0;
    for row in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [section, requirement, done, by] = cells[..] else { continue };
        if requirement.starts_with("requirement") || section.starts_with("---") {
            continue;
        }
        for name in code(by).filter(|name| name.matches('_').count() >= 3 && !name.contains('.')) {
            assert!(tests.contains_key(name), "{section} {requirement}: there is no test {name}");
            shown += 1;
        }
        assert!(
            !done.starts_with("done") || by.contains('`'),
            "{section} {requirement}: done, and shown by nothing"
        );
    }
    assert!(shown > 40, "only {shown} tests are named");
}

#[test]
fn every_test_that_the_security_document_names_is_there() {
    let mut files = Vec::new();
    for folder in ["daemon", "tests"] {
        sources(&root().join(folder), &[".rs", ".js", ".ts"], &mut files);
    }
    let all: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let text = read("docs/security.md");
    let section = text.split_once("\n## Hostile input").unwrap().1;
    let names: Vec<&str> =
        code(section).filter(|name| name.matches('_').count() >= 3 && !name.contains('.')).collect();
    assert!(names.len() > 20, "only {} tests are named", names.len());
    for name in names {
        assert!(all.contains(&format!("fn {name}(")), "docs/security.md: there is no test {name}");
    }
}
