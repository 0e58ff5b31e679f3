//! The devices of the account of the one who asks, and its password.

use serde::Serialize;

use super::fields::{Fields, Read};
use crate::id::DeviceId;
use crate::scram::Secret;
use crate::wire::bytes::{Signature, Token};

/// What is asked of the devices of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Devices {
    /// Which there are.
    #[serde(rename = "devices")]
    List {},
    /// Takes one out of the account.
    #[serde(rename = "revoke")]
    Revoke {
        /// Which.
        device: DeviceId,
        /// As in `devices`.
        counter: u32,
        /// Over `truca-revoke-1`.
        signature: Signature,
    },
    /// Sets the account's password, or takes it away.
    #[serde(rename = "password")]
    Password {
        /// As in `devices`.
        counter: u32,
        /// What home is to keep of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
        /// Over `truca-password-1`.
        signature: Signature,
    },
    /// Takes up what a new device asks.
    #[serde(rename = "link_show")]
    Show {
        /// As in `link_asked`.
        request: Token,
        /// A nonce of this device.
        nonce: Token,
    },
    /// Lets the new device in.
    #[serde(rename = "link_confirm")]
    Confirm {
        /// As in `link_asked`.
        request: Token,
        /// Over `truca-link-1`.
        signature: Signature,
    },
    /// Does not let it in.
    #[serde(rename = "link_refuse")]
    Refuse {
        /// As in `link_asked`.
        request: Token,
    },
}

impl Devices {
    pub(super) fn read(name: &str, f: &Fields<'_>) -> Option<Read<Self>> {
        Some(match name {
            "devices" => Ok(Self::List {}),
            "revoke" => revoke(f),
            "password" => password(f),
            "link_show" => show(f),
            "link_confirm" => confirm(f),
            "link_refuse" => f.bytes("request").map(|request| Self::Refuse { request }),
            _ => return None,
        })
    }
}

fn revoke(f: &Fields<'_>) -> Read<Devices> {
    let (device, counter) = (f.noun("device")?, f.number("counter")?);
    Ok(Devices::Revoke { device, counter, signature: f.bytes("signature")? })
}

fn password(f: &Fields<'_>) -> Read<Devices> {
    let (counter, secret) = (f.number("counter")?, f.optional("secret", || secret(f))?);
    Ok(Devices::Password { counter, secret, signature: f.bytes("signature")? })
}

fn secret(f: &Fields<'_>) -> Read<Secret> {
    let secret = f.inner("secret")?;
    let (salt, iterations) = (secret.bytes("salt")?, secret.number("iterations")?);
    Ok(Secret { salt, iterations, stored: secret.bytes("stored")?, server: secret.bytes("server")? })
}

fn show(f: &Fields<'_>) -> Read<Devices> {
    Ok(Devices::Show { request: f.bytes("request")?, nonce: f.bytes("nonce")? })
}

fn confirm(f: &Fields<'_>) -> Read<Devices> {
    Ok(Devices::Confirm { request: f.bytes("request")?, signature: f.bytes("signature")? })
}
