//! Shows the answers of the control socket to a person at a terminal.
//!
//! A pure function from JSON to text. Lists become tables, everything else `name  value` lines, so that a
//! field that is new in an answer is shown without a change here. Names come from the mesh: their control
//! characters are replaced before a terminal sees them.

use serde_json::{Map, Value};

/// Titles of a table's columns, and the fields that they show.
type Columns = &'static [(&'static str, &'static str)];

const MEMBERS: Columns = &[
    ("NAME", "name"),
    ("STATE", "state"),
    ("ADDRESS", "address"),
    ("PEOPLE", "people"),
    ("VERSION", "version"),
    ("SOURCE", "source"),
    ("ID", "id"),
];
const ACCOUNTS: Columns = &[
    ("ADDRESS", "address"),
    ("NAME", "display"),
    ("ADMIN", "admin"),
    ("DEVICES", "devices"),
    ("PASSWORD", "password"),
    ("HERE", "here"),
    ("AT", "at"),
];
const SESSIONS: Columns =
    &[("ID", "id"), ("ADDRESS", "address"), ("NAME", "display"), ("FOR", "age_s"), ("ATTACHED", "attached")];
const BANS: Columns = &[("WHOM", "id"), ("REFUSED", "refused"), ("WHY", "reason")];
const REPORTS: Columns = &[("ABOUT", "about"), ("BY", "by"), ("AGE", "age_s"), ("REASON", "reason")];
const DECISIONS: Columns = &[("DECISION", "code"), ("ADDRESSES", "addresses"), ("WHY", "text")];
const LINKS: Columns = &[
    ("NAME", "name"),
    ("REMOTE", "remote"),
    ("DIALLED", "dialled"),
    ("AGE", "age_s"),
    ("IN", "in_bytes"),
    ("OUT", "out_bytes"),
    ("ID", "id"),
];
const SOURCES: Columns = &[
    ("SOURCE", "source"),
    ("STATE", "state"),
    ("ADDRESSES", "addresses"),
    ("READ", "read"),
    ("MALFORMED", "malformed"),
    ("SKIPPED", "skipped"),
    ("LAST", "last"),
];
const CANDIDATES: Columns = &[
    ("ADDRESS", "address"),
    ("FROM", "sources"),
    ("TOLD", "told"),
    ("REACHED", "reached"),
    ("FAILURES", "failures"),
    ("NEXT", "due_s"),
    ("ID", "id"),
];

/// What of a status comes first, from what people look for to what is for experts; the rest follows.
const STATUS: &[&str] = &[
    "warnings",
    "node",
    "version",
    "uptime_s",
    "pages",
    "fingerprint",
    "people",
    "here",
    "calls",
    "sessions",
    "accounts",
    "members_alive",
    "members_known",
    "links",
    "records",
    "rss_kib",
];

/// The answer to a command as text that ends with a line end.
pub fn print(command: &str, answer: &Value) -> String {
    let list = |field: &str, columns, none: &str| match answer[field].as_array() {
        Some(rows) if !rows.is_empty() => table(columns, rows),
        _ => format!("{none}\n"),
    };
    match command {
        "members" => list(command, MEMBERS, "No other node is known."),
        "accounts" => list(command, ACCOUNTS, "Nobody has an account here yet."),
        "links" => list(command, LINKS, "No link is open."),
        "sessions" => list(command, SESSIONS, "Nobody is signed in here."),
        "bans" => list(command, BANS, "Nobody is kept out."),
        "reports" => list(command, REPORTS, "Nobody has reported anything."),
        "ice" => list("decisions", DECISIONS, "Nothing was decided."),
        "ban" | "unban" | "account_delete" | "reload" => "Done.\n".into(),
        "discovery" => {
            let sources = list("sources", SOURCES, "No source is known.");
            let candidates = list("candidates", CANDIDATES, "No source names an address.");
            let mut counters = Vec::new();
            flatten("", answer["counters"].as_object().unwrap_or(&Map::new()), &mut counters);
            format!("{sources}\n{candidates}\n{}", align(&counters))
        }
        _ => {
            let mut lines = Vec::new();
            if let Some(object) = answer.as_object() {
                flatten("", object, &mut lines);
            }
            align(&lines)
        }
    }
}

fn table(columns: Columns, rows: &[Value]) -> String {
    let mut lines = vec![columns.iter().map(|(title, _)| (*title).to_owned()).collect()];
    for row in rows {
        lines.push(columns.iter().map(|(_, field)| cell(field, &row[field])).collect());
    }
    align(&lines)
}

/// Turns `{"node":{"id":…}}` into `node id` and its value.
fn flatten(prefix: &str, object: &Map<String, Value>, lines: &mut Vec<Vec<String>>) {
    let mut fields: Vec<_> = object.iter().collect();
    fields.sort_by_key(|(field, _)| STATUS.iter().position(|known| known == field).unwrap_or(STATUS.len()));
    for (field, value) in fields {
        let name = ["_s", "_kib"].iter().find_map(|unit| field.strip_suffix(unit)).unwrap_or(field);
        let name = clean(&format!("{prefix}{}", name.replace('_', " ")));
        match value {
            Value::Object(inner) => flatten(&format!("{name} "), inner, lines),
            // what the owner should know, one line each
            Value::Array(items) if field == "warnings" => {
                for item in items {
                    lines.push(vec![cell("", &item["level"]), cell("", &item["text"])]);
                }
            }
            _ => lines.push(vec![name, cell(field, value)]),
        }
    }
}

fn cell(field: &str, value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Number(number) => match number.as_u64() {
            Some(seconds) if field.ends_with("_s") => duration(seconds),
            Some(bytes) if field.ends_with("_bytes") => size(bytes),
            Some(kib) if field.ends_with("_kib") => size(kib.saturating_mul(1024)),
            _ => number.to_string(),
        },
        Value::String(text) if text.is_empty() => "-".into(),
        Value::String(text) => clean(text),
        Value::Array(items) if items.is_empty() => "-".into(),
        Value::Array(items) => items.iter().map(|item| cell("", item)).collect::<Vec<_>>().join(", "),
        Value::Object(object) => cell("", object.get("name").unwrap_or(&Value::Null)),
    }
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        (_, _, _) => format!("{days} d {} h", hours % 24),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes % 1_048_576) * 10) >> 20),
    }
}

/// Puts cells under one another, two spaces apart.
fn align(lines: &[Vec<String>]) -> String {
    let mut widths = Vec::new();
    for line in lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines {
        for (at, cell) in line.iter().enumerate() {
            text.push_str(cell);
            if at + 1 < line.len() {
                text.extend(std::iter::repeat_n(' ', widths[at] + 2 - cell.chars().count()));
            }
        }
        text.push('\n');
    }
    text
}
