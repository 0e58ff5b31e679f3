//! The account of the one who asks.

use serde::Serialize;

use super::fields::{Fields, Read};

/// What is asked of the account itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// Changes the display name.
    Profile {
        /// The new display name.
        display: String,
    },
}

impl Account {
    pub(super) fn read(name: &str, f: &Fields<'_>) -> Option<Read<Self>> {
        Some(match name {
            "profile" => f.text("display").map(|display| Self::Profile { display }),
            _ => return None,
        })
    }
}
