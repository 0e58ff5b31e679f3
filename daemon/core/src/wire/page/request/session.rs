//! The session of a page: how it begins, is kept and ends, and what it looks at.

use serde::Serialize;

use super::fields::{Fields, Read};
use crate::id::NodeId;
use crate::wire::bytes::{Point, Signature, Token};

/// The device's signed attachment, as part of signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Attach {
    /// The device's counter for `here`; `gone` is signed with the next one.
    pub counter: u32,
    /// Over `truca-attachment-1` with `here`.
    pub here: Signature,
    /// Over `truca-attachment-1` with `gone`, published when the session ends.
    pub gone: Signature,
}

/// `sign_in`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignIn {
    /// The account's name.
    pub name: String,
    /// The account's home, when it is not the node that is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<NodeId>,
    /// The display name, used when the account is created.
    pub display: String,
    /// The device's key.
    pub key: Point,
    /// Over `truca-sign-in-1`.
    pub signature: Signature,
    /// Where the device is reachable from now on.
    pub attachment: Attach,
}

/// What is asked of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Session {
    /// Creates the account or signs in to it.
    SignIn(Box<SignIn>),
    /// Brings a session back on a new socket.
    Resume {
        /// The session's token.
        token: Token,
        /// Largest `n` received.
        seen: u32,
    },
    /// Ends the session.
    SignOut {},
    /// Shows that the socket lives.
    Ping {},
    /// Confirms call messages up to `n`.
    Ack {
        /// Largest `n` received.
        n: u32,
    },
    /// What the page looks at.
    Watch {
        /// What names must contain.
        text: String,
        /// Size of the window.
        limit: u16,
    },
}

impl Session {
    pub(super) fn read(name: &str, f: &Fields<'_>) -> Option<Read<Self>> {
        Some(match name {
            "sign_in" => sign_in(f),
            "resume" => resume(f),
            "sign_out" => Ok(Self::SignOut {}),
            "ping" => Ok(Self::Ping {}),
            "ack" => f.number("n").map(|n| Self::Ack { n }),
            "watch" => watch(f),
            _ => return None,
        })
    }
}

fn sign_in(f: &Fields<'_>) -> Read<Session> {
    let attachment = f.inner("attachment")?;
    Ok(Session::SignIn(Box::new(SignIn {
        name: f.text("name")?,
        home: f.optional("home", || f.noun("home"))?,
        display: f.text("display")?,
        key: f.bytes("key")?,
        signature: f.bytes("signature")?,
        attachment: Attach {
            counter: attachment.number("counter")?,
            here: attachment.bytes("here")?,
            gone: attachment.bytes("gone")?,
        },
    })))
}

fn resume(f: &Fields<'_>) -> Read<Session> {
    Ok(Session::Resume { token: f.bytes("token")?, seen: f.number("seen")? })
}

fn watch(f: &Fields<'_>) -> Read<Session> {
    Ok(Session::Watch { text: f.text("text")?, limit: f.short("limit")? })
}
