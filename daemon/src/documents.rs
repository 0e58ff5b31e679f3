//! Files in `docs/` that are written from tables of the program, and the test that they still agree.

use std::{fs, path::Path};

use serde_json::Value;

/// Compares a document with what the program says; `TRUCA_WRITE_DOCS=1` writes it instead.
pub(crate) fn check(name: &str, table: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let text = format!("{table:#}\n");
    if std::env::var_os("TRUCA_WRITE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let same = written == text;
    assert!(
        same,
        "docs/{name} is not what the program says: TRUCA_WRITE_DOCS=1 cargo test -p trucad document"
    );
}
