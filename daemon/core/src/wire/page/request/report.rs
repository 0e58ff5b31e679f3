//! What the owner of the node should know.

use serde::Serialize;

use super::fields::{Fields, Read};
use crate::name::Address;

/// What is told to the owner of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Something about an account.
    Report {
        /// Which account.
        address: Address,
        /// What about it.
        reason: String,
    },
}

impl Report {
    pub(super) fn read(name: &str, f: &Fields<'_>) -> Option<Read<Self>> {
        Some(match name {
            "report" => report(f),
            _ => return None,
        })
    }
}

fn report(f: &Fields<'_>) -> Read<Report> {
    Ok(Report::Report { address: f.noun("address")?, reason: f.text("reason")? })
}
