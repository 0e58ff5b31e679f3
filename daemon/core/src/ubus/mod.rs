//! ubus, OpenWrt's bus: how its bytes are written, and a client that serves one object.
//!
//! [`blob`] is libubox's attribute format, [`blobmsg`] its typed values with names, [`message`] what goes
//! between a client and `ubusd`, and [`client`] the state machine: it registers an object, serves
//! invocations, sends events and invokes others. The daemon's `host/ubus.rs` drives it over a socket.
//!
//! Written after openwrt/libubox (`blob.h`, `blobmsg.h`) and openwrt/ubus (`ubusmsg.h`, `libubus-*.c`); held
//! to 20 recorded exchanges between libubus and `ubusd` in `tests/fixtures/ubus`.
//!
//! The crate `ubus-rs` (0.1.0) is not built on: it adds an object without methods and notifies its
//! subscribers, but serves no invocation, invokes nobody, reads no blobmsg, allocates up to 16 MiB on the word
//! of a header and drops every message that comes while it waits for an answer. What would be left of it is
//! the writing of five message types. Tests hold ours against what it writes.

pub mod blob;
pub mod blobmsg;
pub mod client;
pub mod message;
#[cfg(test)]
mod tests;

/// The largest message without its header (`UBUS_MAX_MSGLEN` of openwrt/ubus).
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// Bytes that are not what they should be. Nothing was kept of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Outcomes of an invocation (`enum ubus_msg_status`).
pub mod status {
    /// It was done.
    pub const OK: u32 = 0;
    /// An argument is missing or of another type.
    pub const INVALID_ARGUMENT: u32 = 2;
    /// The object has no such method.
    pub const METHOD_NOT_FOUND: u32 = 3;
    /// There is no such object, or what the argument names is not there.
    pub const NOT_FOUND: u32 = 4;
    /// The bus does not let this user do that.
    pub const PERMISSION_DENIED: u32 = 6;
    /// Nobody answered in time.
    pub const TIMEOUT: u32 = 7;
    /// It failed.
    pub const UNKNOWN_ERROR: u32 = 9;
    /// The bus is not there, or went away.
    pub const CONNECTION_FAILED: u32 = 10;
    /// A bound is reached.
    pub const NO_MEMORY: u32 = 11;
    /// The other side wrote what cannot be read.
    pub const PARSE_ERROR: u32 = 12;
}
