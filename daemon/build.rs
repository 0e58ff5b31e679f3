//! Embeds the page: every file under `web/dist` as gzip, with its type and ETag, into a table that
//! `src/page/assets.rs` includes. The same input gives the same bytes: no time, no file order.
//!
//! With `TRUCA_NO_PAGE=1` a page that says so is embedded, for `cargo check` on a machine without Node.js.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    io::Write as _,
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
        files.insert("/".to_owned(), PLACEHOLDER.as_bytes().to_vec());
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
        } else if !name.ends_with(".map") && !name.starts_with('.') {
            let path = if path == "/index.html" { "/".to_owned() } else { path };
            files.insert(path, fs::read(entry.path()).expect("dist is readable"));
        }
    }
}

/// Rust source of the table, in the order of the paths, which `find` relies on.
fn table(files: &BTreeMap<String, Vec<u8>>, out: &Path) -> String {
    let mut source = "/// Sorted by path.\npub static ASSETS: &[Asset] = &[\n".to_owned();
    for (number, (path, content)) in files.iter().enumerate() {
        let mut encoder = flate2::GzBuilder::new().mtime(0).write(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).expect("writing to memory");
        let gzip = encoder.finish().expect("writing to memory");
        let digest = ring::digest::digest(&ring::digest::SHA256, &gzip);
        let etag = digest.as_ref()[..8].iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        fs::write(out.join(format!("{number}.gz")), gzip).expect("OUT_DIR is writable");
        let _ = writeln!(
            source,
            "    Asset {{ path: {path:?}, content_type: {:?}, etag: {etag:?}, immutable: {}, \
             gzip: include_bytes!(\"{number}.gz\") }},",
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
