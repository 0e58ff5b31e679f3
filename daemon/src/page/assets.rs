//! The files of the page, compressed when the daemon is built and kept in the binary.
//!
//! The table comes from `build.rs`, which says what goes in. Driven by `http.rs`.

/// One file.
#[derive(Debug)]
pub struct Asset {
    /// `/index.html` is `/`.
    pub path: &'static str,
    /// Its media type.
    pub content_type: &'static str,
    /// First 16 hex digits of SHA-256 of `brotli`.
    pub etag: &'static str,
    /// Its name changes with its content.
    pub immutable: bool,
    /// The file, as Brotli (RFC 7932), which every browser that has WebRTC reads over HTTPS and on loopback.
    pub brotli: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The file at this path.
pub fn find(path: &str) -> Option<&'static Asset> {
    let path = if path == "/index.html" { "/" } else { path };
    let at = ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok()?;
    Some(&ASSETS[at])
}
