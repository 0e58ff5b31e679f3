//! Embeds the page: every file under `web/dist` as Brotli (RFC 7932), with its type and ETag, into a table that
//! `src/page/assets.rs` includes. The same input gives the same bytes: no time, no file order. The page's build
//! compresses (`web/compress.mjs`); a file that it left as it is goes in stored, which costs space and nothing else.
//!
//! With `TRUCA_NO_PAGE=1` a page that says so is embedded, for `cargo check` on a machine without Node.js.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

const PLACEHOLDER: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Truca</title>\n\
    <p>This trucad was built with TRUCA_NO_PAGE=1, without its page. Run \"make web\" and build it again.\n";

fn main() {
    println!("cargo:rerun-if-env-changed=TRUCA_NO_PAGE");
    println!("cargo:rerun-if-changed=web/dist");
    let dist = Path::new("web/dist");
    let mut files = BTreeMap::new();
    if env::var_os("TRUCA_NO_PAGE").is_some_and(|value| value == "1") {
        println!("cargo:warning=TRUCA_NO_PAGE=1: this trucad has no page");
        files.insert("/".to_owned(), stored(PLACEHOLDER.as_bytes()));
    } else if dist.join("index.html").is_file() {
        collect(dist, "", &mut files);
    } else {
        eprintln!("daemon/web/dist is missing: run \"make web\" first");
        std::process::exit(1);
    }
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("assets.rs"), table(&files, &out)).expect("OUT_DIR is writable");
}

fn collect(directory: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(directory).expect("dist is readable") {
        let entry = entry.expect("dist is readable");
        let name = entry.file_name().into_string().expect("file names of the page are ASCII");
        let path = format!("{prefix}/{name}");
        // A directory's time changes when a file comes or goes, a file's when it is written again.
        println!("cargo:rerun-if-changed={}", entry.path().display());
        if entry.path().is_dir() {
            collect(&entry.path(), &path, files);
        } else if !name.ends_with(".map") && !name.ends_with(".br") && !name.starts_with('.') {
            let path = if path == "/index.html" { "/".to_owned() } else { path };
            let packed = fs::read(entry.path().with_file_name(format!("{name}.br"))).unwrap_or_else(|_| {
                println!("cargo:warning={name} is not compressed: \"npm run build\" in daemon/web does it");
                stored(&fs::read(entry.path()).expect("dist is readable"))
            });
            files.insert(path, packed);
        }
    }
}

/// Brotli that compresses nothing (RFC 7932 section 9.2): a window of 64 KiB, meta-blocks that are marked as
/// uncompressed, and an empty last one.
fn stored(content: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    for (number, block) in content.chunks(1 << 16).enumerate() {
        // ISLAST 0, MNIBBLES 0 (four), MLEN - 1, ISUNCOMPRESSED 1; before the first of them the window, one bit
        let (header, bits) = ((block.len() as u32 - 1) << 3 | 1 << 19, 20_usize);
        let (header, bits) = if number == 0 { (header << 1, bits + 1) } else { (header, bits) };
        packed.extend_from_slice(&header.to_le_bytes()[..bits.div_ceil(8)]);
        packed.extend_from_slice(block);
    }
    if content.is_empty() { vec![6] } else { packed.into_iter().chain([3]).collect() }
}

/// Rust source of the table, in the order of the paths, which `find` relies on.
fn table(files: &BTreeMap<String, Vec<u8>>, out: &Path) -> String {
    let mut source = "/// Sorted by path.\npub static ASSETS: &[Asset] = &[\n".to_owned();
    for (number, (path, content)) in files.iter().enumerate() {
        let digest = ring::digest::digest(&ring::digest::SHA256, content);
        let etag = digest.as_ref()[..8].iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        fs::write(out.join(format!("{number}.br")), content).expect("OUT_DIR is writable");
        let _ = writeln!(
            source,
            "    Asset {{ path: {path:?}, content_type: {:?}, etag: {etag:?}, immutable: {}, \
             brotli: include_bytes!(\"{number}.br\") }},",
            content_type(path),
            path.starts_with("/assets/"),
        );
    }
    source + "];\n"
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("html", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "ogg" | "oga" => "audio/ogg",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
