//! Errors, as a page is told.

use serde::{Deserialize, Serialize};

/// Stable error codes (`docs/protocol.md` section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // each is said in the protocol's table, which is its one description
pub enum Code {
    BadMessage,
    UnknownMessage,
    BadId,
    TooFast,
    NotSignedIn,
    SignedIn,
    BadName,
    BadDisplay,
    BadKey,
    BadSignature,
    NameTaken,
    StaleCounter,
    Full,
    NoSession,
    NotHome,
    NoSuchPerson,
    NotHere,
    TooManyCalls,
    BadCall,
    BadSdp,
    TooLong,
    NoSuchCall,
    WrongState,
    Banned,
}

/// The `error` answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The request's id, 0 when it could not be read.
    pub id: u32,
    /// What went wrong.
    pub code: Code,
    /// For logs and developers.
    pub message: String,
    /// A name that is free, with `name_taken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggest: Option<String>,
    /// The known counter, with `stale_counter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<u32>,
}

impl Failure {
    /// A failure without extras.
    pub fn new(id: u32, code: Code, message: impl Into<String>) -> Self {
        Self { id, code, message: message.into(), suggest: None, counter: None }
    }

    pub(super) fn of_unreadable(text: &str, error: &serde_json::Error) -> Self {
        let value: serde_json::Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => return Self::new(0, Code::BadMessage, "not JSON"),
        };
        let member =
            value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
        let Some((name, body)) = member else {
            return Self::new(0, Code::BadMessage, "a message is an object with exactly one member");
        };
        let id = body
            .get("id")
            .and_then(serde_json::Value::as_u64)
            .and_then(|id| u32::try_from(id).ok())
            .unwrap_or(0);
        let known = [
            "sign_in",
            "resume",
            "profile",
            "report",
            "sign_out",
            "ping",
            "ack",
            "watch",
            "invite",
            "accept",
            "reject",
            "cancel",
            "hang_up",
            "candidate",
            "connected",
            "describe",
            "message",
            "restore",
        ];
        if !known.contains(&name.as_str()) {
            return Self::new(id, Code::UnknownMessage, "no message has this name");
        }
        let mut message = error.to_string();
        // what serde quotes of a hostile message must not come back at its own length
        message.truncate(message.char_indices().take(160).last().map_or(0, |(i, c)| i + c.len_utf8()));
        Self::new(id, Code::BadMessage, message)
    }
}
