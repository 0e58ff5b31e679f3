//! Reads UCI syntax, as libuci's `file.c` does: what is written, not what it means (see `config.rs` for that).
//!
//! A pure function from bytes to sections with line numbers. Statements are `package NAME`, `config TYPE
//! [NAME]`, `option NAME VALUE` and `list NAME VALUE`, each also by its first letter; they end with the line
//! or `;`. Words may be quoted in parts (`a'b'"c"`); within `"` a backslash escapes, within `'` nothing does,
//! and both may run over lines. `#` outside quotes begins a comment. Bounded: see the constants.

use std::fmt;

/// The largest file that is read.
pub const MAX_FILE: usize = 64 * 1024;
/// How many sections, and how many options altogether, a file may have.
pub const MAX_ENTRIES: usize = 512;
/// The longest value, in bytes.
pub const MAX_VALUE: usize = 4 * 1024;

/// A `config` statement and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its type: `node` in `config node 'main'`.
    pub kind: String,
    /// Its name: `main` there.
    pub name: Option<String>,
    /// Where it begins.
    pub line: u32,
    /// Its options and list items, as they stand.
    pub entries: Vec<Entry>,
}

/// An `option` or `list` statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The option's name.
    pub name: String,
    /// Its value; empty when none is given.
    pub value: String,
    /// Whether it is an item of a list.
    pub list: bool,
    /// Where it begins.
    pub line: u32,
}

/// Why a text is not UCI. Nothing of it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where.
    pub line: u32,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Error {}

/// Reads a whole file.
pub fn parse(text: &[u8]) -> Result<Vec<Section>, Error> {
    if text.len() > MAX_FILE {
        return Err(Error { line: 1, what: "the file is larger than 64 KiB" });
    }
    let mut reader = Reader { text, at: 0, line: 1 };
    let mut sections: Vec<Section> = Vec::new();
    let mut entries = 0;
    while reader.next_statement() {
        let line = reader.line;
        let fail = |what| Err(Error { line, what });
        let Some(word) = reader.word()? else { continue };
        match word.as_str() {
            "package" | "p" => {
                reader.word()?;
            }
            "config" | "c" => {
                let Some(kind) = reader.word()?.filter(|kind| is_type(kind)) else {
                    return fail("`config` wants a type");
                };
                let name = reader.word()?.filter(|name| !name.is_empty());
                if name.as_deref().is_some_and(|name| !is_name(name)) {
                    return fail("the name of a section is made of letters, digits and `_`");
                }
                if sections.len() == MAX_ENTRIES {
                    return fail("more than 512 sections");
                }
                sections.push(Section { kind, name, line, entries: Vec::new() });
            }
            "option" | "o" | "list" | "l" => {
                let list = word.starts_with('l');
                let Some(name) = reader.word()?.filter(|name| is_name(name)) else {
                    return fail("the name of an option is made of letters, digits and `_`");
                };
                let value = reader.word()?.unwrap_or_default();
                entries += 1;
                if entries > MAX_ENTRIES {
                    return fail("more than 512 options");
                }
                let Some(section) = sections.last_mut() else {
                    return fail("an option before the first `config`");
                };
                section.entries.push(Entry { name, value, list, line });
            }
            _ => return fail("a line begins with `config`, `option`, `list` or `package`"),
        }
        if reader.word()?.is_some() {
            return fail("too many words; quote a value that has spaces");
        }
    }
    Ok(sections)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn is_type(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: u32,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        self.line += u32::from(byte == b'\n');
        Some(byte)
    }

    /// Goes to the first word of the next statement; false at the end of the file.
    fn next_statement(&mut self) -> bool {
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => self.skip_comment(),
                b';' | b'\n' => {
                    self.take();
                }
                _ if is_blank(byte) => {
                    self.take();
                }
                _ => return true,
            }
        }
        false
    }

    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.at += 1;
        }
    }

    /// The next word of this statement; `None` at its end.
    fn word(&mut self) -> Result<Option<String>, Error> {
        let line = self.line;
        loop {
            match self.peek() {
                Some(b'\\') if self.text[self.at + 1..].starts_with(b"\n") => {
                    self.take();
                    self.take();
                }
                Some(byte) if is_blank(byte) => {
                    self.take();
                }
                Some(b'#') => self.skip_comment(),
                None | Some(b'\n' | b';') => return Ok(None),
                Some(_) => break,
            }
        }
        let mut word = Vec::new();
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' | b';' | b'#' => break,
                _ if is_blank(byte) => break,
                b'\'' | b'"' => self.quoted(&mut word)?,
                b'\\' => {
                    self.take();
                    word.extend(self.take());
                }
                0 => return Err(Error { line, what: "a NUL byte" }),
                _ => word.extend(self.take()),
            }
            if word.len() > MAX_VALUE {
                return Err(Error { line, what: "a value longer than 4 KiB" });
            }
        }
        match String::from_utf8(word) {
            Ok(word) => Ok(Some(word)),
            Err(_) => Err(Error { line, what: "not UTF-8" }),
        }
    }

    /// Reads from a quote to its end into the word.
    fn quoted(&mut self, word: &mut Vec<u8>) -> Result<(), Error> {
        let line = self.line;
        let quote = self.take();
        loop {
            match self.take() {
                None => return Err(Error { line, what: "this quote has no end" }),
                Some(0) => return Err(Error { line, what: "a NUL byte" }),
                byte if byte == quote => return Ok(()),
                Some(b'\\') if quote == Some(b'"') => match self.take() {
                    // An escaped end of line continues it
                    Some(b'\n') => (),
                    byte => word.extend(byte),
                },
                byte => word.extend(byte),
            }
            if word.len() > MAX_VALUE {
                return Err(Error { line, what: "a value longer than 4 KiB" });
            }
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let text = format!("config a\n{text}");
        let sections = parse(text.as_bytes()).unwrap();
        sections.into_iter().flat_map(|s| s.entries).map(|e| e.value).collect()
    }

    fn error(text: &str) -> (u32, &'static str) {
        let error = parse(text.as_bytes()).unwrap_err();
        (error.line, error.what)
    }

    #[test]
    fn sections_options_and_lists_come_with_their_lines() {
        let text = "package truca\n\nconfig node 'main'\n\toption name casa\n\tlist listen 10.0.0.1\n\nconfig peer\n";
        let sections = parse(text.as_bytes()).unwrap();
        let entry = |name: &str, value: &str, list, line| Entry {
            name: name.into(),
            value: value.into(),
            list,
            line,
        };
        assert_eq!(
            sections,
            [
                Section {
                    kind: "node".into(),
                    name: Some("main".into()),
                    line: 3,
                    entries: vec![entry("name", "casa", false, 4), entry("listen", "10.0.0.1", true, 5)],
                },
                Section { kind: "peer".into(), name: None, line: 7, entries: vec![] },
            ]
        );
    }

    #[test]
    fn quotes_join_and_escape_as_in_libuci() {
        assert_eq!(values(r#"option v a'"b"'"'c'"d"#), ["a\"b\"'c'd"]);
        assert_eq!(values(r#"option v "a\"\\\n""#), ["a\"\\n"]);
        assert_eq!(values(r"option v 'a\n'"), [r"a\n"]);
        assert_eq!(values(r"option v two\ words"), ["two words"]);
        assert_eq!(values("option v ''"), [""]);
        assert_eq!(values("option v"), [""]);
        assert_eq!(values("option v 'Núria'"), ["Núria"]);
    }

    #[test]
    fn values_run_over_lines_in_quotes_and_after_a_backslash() {
        assert_eq!(values("option v 'a\nb'\noption w c"), ["a\nb", "c"]);
        assert_eq!(values("option v \"a\\\nb\""), ["ab"]);
        assert_eq!(values("option v \\\n c"), ["c"]);
        assert_eq!(
            error("config a\noption v 'x\ny\n'\nbad"),
            (5, "a line begins with `config`, `option`, `list` or `package`")
        );
    }

    #[test]
    fn comments_semicolons_and_first_letters_work() {
        assert_eq!(values("# all\n  # of\noption v a # this\noption w 'b#c'#d"), ["a", "b#c"]);
        assert_eq!(values("o v a; l w b ;o x 'c;d'"), ["a", "b", "c;d"]);
    }

    #[test]
    fn windows_line_ends_do_no_harm() {
        assert_eq!(values("option v a\r\noption w 'b'\r\n\r\n"), ["a", "b"]);
    }

    #[test]
    fn what_is_not_uci_is_refused_with_its_line() {
        assert_eq!(error("option a b"), (1, "an option before the first `config`"));
        assert_eq!(error("\nconfig"), (2, "`config` wants a type"));
        assert_eq!(error("config a\n\noption v 'b"), (3, "this quote has no end"));
        assert_eq!(error("config a b-c").0, 1);
        assert_eq!(error("config a\noption a.b c").0, 2);
        assert_eq!(error("config a\noption v b c"), (2, "too many words; quote a value that has spaces"));
        assert_eq!(error("config a\noption v \0"), (2, "a NUL byte"));
        assert_eq!(parse(b"config a\noption v \xff").unwrap_err().what, "not UTF-8");
    }

    #[test]
    fn it_is_bounded() {
        assert_eq!(parse(&[b'\n'; MAX_FILE + 1]).unwrap_err().line, 1);
        assert!(parse(&[b'\n'; MAX_FILE]).unwrap().is_empty());
        let long = format!("config a\noption v {}", "x".repeat(MAX_VALUE + 1));
        assert_eq!(error(&long), (2, "a value longer than 4 KiB"));
        assert_eq!(error(&long.replace("v ", "v '")).1, "a value longer than 4 KiB");
        let many = |n| format!("config a\n{}", "o v\n".repeat(n));
        assert_eq!(error(&many(513)), (514, "more than 512 options"));
        assert!(parse(many(512).as_bytes()).is_ok());
        assert_eq!(error(&"c a\n".repeat(513)).1, "more than 512 sections");
    }
}
