//! Before signing in: who has a name, and how this device becomes one of an account.

use serde::Serialize;

use super::fields::{Fields, Read};
use crate::name::Address;
use crate::wire::bytes::{Bytes, Point, Token};

/// What somebody asks who has not signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum NewDevice {
    /// Who has this name, for one who has an account elsewhere.
    #[serde(rename = "find")]
    Find {
        /// The name, or what is read.
        text: String,
    },
    /// Asks the devices of an account to let this one in.
    #[serde(rename = "link")]
    Link {
        /// Whose device this is to be.
        address: Address,
        /// Its key.
        key: Point,
        /// SHA-256 of the nonce that `link_open` will show.
        commit: Bytes<32>,
    },
    /// Shows the nonce.
    #[serde(rename = "link_open")]
    Open {
        /// The nonce.
        nonce: Token,
    },
    /// Asks to be let in by the password of an account.
    #[serde(rename = "link_password")]
    Password {
        /// Whose device this is to be.
        address: Address,
        /// Its key.
        key: Point,
        /// Its nonce.
        client: Token,
    },
    /// Shows that it knows the password.
    #[serde(rename = "link_prove")]
    Prove {
        /// As in `link_password`.
        key: Point,
        /// As in `link_password`.
        client: Token,
        /// As in `link_salt`.
        server: Token,
        /// `ClientProof`.
        proof: Bytes<32>,
    },
    /// Gives up.
    #[serde(rename = "link_refuse")]
    GiveUp {},
}

impl NewDevice {
    pub(super) fn read(name: &str, f: &Fields<'_>) -> Option<Read<Self>> {
        Some(match name {
            "find" => f.text("text").map(|text| Self::Find { text }),
            "link" => link(f),
            "link_open" => f.bytes("nonce").map(|nonce| Self::Open { nonce }),
            "link_password" => password(f),
            "link_prove" => prove(f),
            "link_refuse" if f.found("request").is_none() => Ok(Self::GiveUp {}),
            _ => return None,
        })
    }
}

fn link(f: &Fields<'_>) -> Read<NewDevice> {
    Ok(NewDevice::Link { address: f.noun("address")?, key: f.bytes("key")?, commit: f.bytes("commit")? })
}

fn password(f: &Fields<'_>) -> Read<NewDevice> {
    Ok(NewDevice::Password { address: f.noun("address")?, key: f.bytes("key")?, client: f.bytes("client")? })
}

fn prove(f: &Fields<'_>) -> Read<NewDevice> {
    let (key, client, server) = (f.bytes("key")?, f.bytes("client")?, f.bytes("server")?);
    Ok(NewDevice::Prove { key, client, server, proof: f.bytes("proof")? })
}
