//! What a page is told outside calls.

use serde::{Deserialize, Serialize};

use super::{ByeReason, Failure, IceServer, LinkEnd, NodeInfo, Person};
use crate::id::{DeviceId, NodeId};
use crate::name::{Address, Display};
use crate::wire::bytes::{Bytes, Challenge, Point, Token};

/// What a node tells a page outside calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The first message on a socket.
    Hello {
        /// Version of the page wire.
        version: u32,
        /// The node that speaks.
        node: HelloNode,
        /// To be signed.
        challenge: Challenge,
        /// The daemon's version.
        trucad: String,
        /// How long a session outlives its socket, seconds.
        resume_s: u32,
    },
    /// Answer to `sign_in`.
    SignedIn {
        /// Request id.
        id: u32,
        /// The account.
        address: Address,
        /// Its display name.
        display: Display,
        /// This device.
        device: DeviceId,
        /// Brings the session back.
        token: Token,
        /// Whether the account was made just now.
        created: bool,
        /// For `RTCPeerConnection`.
        ice: Vec<IceServer>,
    },
    /// Answer to `resume`.
    Resumed {
        /// Request id.
        id: u32,
        /// The token for the next time.
        token: Token,
        /// Largest request id that was handled.
        handled: u32,
        /// For `RTCPeerConnection`.
        ice: Vec<IceServer>,
    },
    /// Done.
    Ok {
        /// Request id.
        id: u32,
    },
    /// Not done.
    Error(Failure),
    /// The socket is about to close.
    Bye {
        /// Why.
        reason: ByeReason,
    },
    /// The watched window, or what changed in it.
    People {
        /// Id of the `watch`.
        watch: u32,
        /// Whether this is the whole window.
        reset: bool,
        /// How many match.
        total: u32,
        /// How many of these are here.
        here: u32,
        /// New or changed people.
        people: Vec<Person>,
        /// Who left the window.
        gone: Vec<Address>,
        /// The window's order, when it changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Vec<Address>>,
    },
    /// Answer to `find`.
    Found {
        /// Request id.
        id: u32,
        /// Who has the name.
        people: Vec<Person>,
    },
    /// A new device asks to be let in.
    LinkAsked {
        /// Which request.
        request: Token,
        /// Where the new device is.
        at: NodeInfo,
        /// Its key.
        key: Point,
        /// SHA-256 of the nonce that it will show.
        commit: Bytes<32>,
    },
    /// To the new device: another has taken it up.
    LinkShown {
        /// That device's nonce.
        nonce: Token,
    },
    /// To the device that has taken it up: the new device's nonce.
    LinkOpened {
        /// Which request.
        request: Token,
        /// Its nonce.
        nonce: Token,
    },
    /// To the new device: how to stretch the password.
    LinkSalt {
        /// Home's nonce.
        server: Token,
        /// Salt of the stretching.
        salt: Bytes<16>,
        /// Its iterations.
        iterations: u32,
    },
    /// To the new device: it is one of the account's now, and home knows the password too.
    LinkProved {
        /// `ServerSignature`.
        signature: Bytes<32>,
    },
    /// It is over.
    LinkEnded {
        /// Which request; the new device has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<Token>,
        /// How.
        reason: LinkEnd,
    },
    /// Answer to `devices`.
    Devices {
        /// Request id.
        id: u32,
        /// The counter of the account.
        counter: u32,
        /// Its devices.
        devices: Vec<OwnDevice>,
        /// Whether it has a password.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        password: bool,
    },
    /// Answer to `telephones`.
    Telephones {
        /// Request id.
        id: u32,
        /// Those that would ring now.
        here: Vec<Telephone>,
    },
    /// The account of the session is not what it was: its devices, its password, its name.
    AccountChanged {
        /// The counter of the account now.
        counter: u32,
    },
    /// The account that was made is on the router's flash.
    Kept {},
    /// Size of the mesh.
    Nodes {
        /// Members that are alive, this node included.
        alive: u32,
    },
    /// New servers.
    Ice {
        /// For `RTCPeerConnection.setConfiguration`.
        servers: Vec<IceServer>,
    },
}

/// The node in `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloNode {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Counts its starts; part of what an attachment signs.
    pub boot: u32,
}

/// A device in `devices`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnDevice {
    /// Which.
    pub device: DeviceId,
    /// Where it was attached last, as far as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<NodeInfo>,
    /// Whether it is there now.
    pub here: bool,
}

/// A device in `telephones`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telephone {
    /// Which.
    pub device: DeviceId,
    /// Where it is attached.
    pub at: NodeInfo,
}
