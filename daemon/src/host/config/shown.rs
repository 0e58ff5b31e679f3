//! What the configuration file says, for whoever may look at it: LuCI's logins that may change nothing.
//!
//! Secrets are not in it, only that they are set; nor is anything that this program does not know, since a mistyped
//! secret would be among that. Driven by the owner's method `settings`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{DEFAULT_FILE, Overrides, options::TABLE, read_bounded};
use crate::host::uci;

/// The sections of the file, with the values of options that are no secrets, and the names of secrets that are set.
///
/// # Errors
/// The file is not UCI, or is there and cannot be read: words.
pub fn shown(overrides: &Overrides) -> Result<Value, String> {
    let path = overrides.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    // no file: all defaults
    let text = if path.exists() {
        read_bounded(path).map_err(|why| format!("cannot read {}: {why}", path.display()))?
    } else {
        Vec::new()
    };
    let sections = uci::parse(&text).map_err(|why| format!("{} {why}", path.display()))?;
    Ok(json!({ "sections": sections.iter().filter_map(section).collect::<Vec<_>>() }))
}

fn section(section: &uci::Section) -> Option<Value> {
    TABLE.iter().find(|row| row.section == section.kind)?;
    let (mut values, mut set) = (Map::new(), Vec::new());
    for entry in &section.entries {
        let row = TABLE.iter().find(|row| row.section == section.kind && row.option == entry.name);
        match row {
            Some(row) if row.secret => {
                set.retain(|name| *name != row.option);
                set.push(row.option);
            }
            Some(row) if row.list => {
                let items = values.entry(row.option).or_insert_with(|| json!([]));
                if let Some(items) = items.as_array_mut() {
                    // an `option` replaces the items before it, as it does for the daemon
                    if !entry.list {
                        items.clear();
                    }
                    items.push(entry.value.as_str().into());
                }
            }
            Some(row) => drop(values.insert(row.option.into(), entry.value.as_str().into())),
            None => {}
        }
    }
    Some(json!({ "type": section.kind, "values": values, "set": set }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::config::options::Row;

    fn told(text: &str) -> String {
        let sections = uci::parse(text.as_bytes()).unwrap();
        Value::from(sections.iter().filter_map(section).collect::<Vec<_>>()).to_string()
    }

    #[test]
    fn what_is_no_secret_is_told_and_of_secrets_that_they_are_set() {
        let text = "config node\n\toption port '9443'\n\tlist listen '10.0.0.1'\n\tlist listen '::1'\n\
                    config federation\n\toption admission 'secret'\n\toption secret 'correct horse battery'\n\
                    config peer\n\toption address 'torre.mesh'\n";
        assert_eq!(
            told(text),
            r#"[{"set":[],"type":"node","values":{"listen":["10.0.0.1","::1"],"port":"9443"}},"#.to_owned()
                + r#"{"set":["secret"],"type":"federation","values":{"admission":"secret"}},"#
                + r#"{"set":[],"type":"peer","values":{"address":"torre.mesh"}}]"#
        );
    }

    #[test]
    fn nothing_that_could_be_a_secret_is_told() {
        // every secret of the table, and what looks like one because it is mistyped or of another version
        let mut text: String = TABLE
            .iter()
            .filter(|row| row.secret)
            .map(|row| format!("config {}\n\toption {} 'hidden treasure 1'\n", row.section, row.option))
            .collect();
        text += "config federation\n\toption secert 'hidden treasure 2'\nconfig trunk\n\toption password 'hidden treasure 3'\n";
        let told = told(&text);
        assert!(told.contains("\"set\":[\"secret\"]") && !told.contains("treasure"), "{told}");
    }

    #[test]
    fn what_is_called_like_a_secret_is_one() {
        let secret = |row: &&Row| {
            ["secret", "password", "passphrase", "token", "pin", "credential"]
                .iter()
                .any(|word| row.option.split('_').any(|part| part == *word))
        };
        let open: Vec<_> = TABLE.iter().filter(secret).filter(|row| !row.secret).collect();
        assert!(open.is_empty(), "whoever may look would read {open:?}: mark it `secret true`");
        assert!(TABLE.iter().any(|row| row.secret));
    }
}
