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
    NoSuchDevice,
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
}
