//! Which telephones of the account of the one who asks would ring now.

use serde::Serialize;

use super::fields::{Fields, Read};

/// What is asked of an account's telephones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Telephones {
    /// Which are here, and where.
    #[serde(rename = "telephones")]
    Here {},
}

impl Telephones {
    pub(super) fn read(name: &str, _: &Fields<'_>) -> Option<Read<Self>> {
        (name == "telephones").then_some(Ok(Self::Here {}))
    }
}
