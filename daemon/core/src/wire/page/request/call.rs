//! Calls: what a page asks of one.

use serde::Serialize;

use super::fields::{Fields, Read};
use crate::id::{CallId, DeviceId, NodeId};
use crate::name::Address;
use crate::wire::page::{Candidate, Description, Kind, Media, Reason};

/// The other end of a call, as a page remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Whose device.
    pub address: Address,
    /// Which device.
    pub device: DeviceId,
    /// Where it is attached.
    pub node: NodeId,
}

/// What is asked of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Rings somebody.
    Invite {
        /// The new call.
        call: CallId,
        /// Whom.
        to: Address,
        /// The offer.
        #[serde(flatten)]
        offer: Description,
    },
    /// Answers.
    Accept {
        /// Which call.
        call: CallId,
        /// The answer.
        #[serde(flatten)]
        answer: Description,
    },
    /// Declines.
    Reject {
        /// Which call.
        call: CallId,
        /// `rejected` or `no_media`.
        reason: Reason,
    },
    /// Gives up before an answer.
    Cancel {
        /// Which call.
        call: CallId,
    },
    /// Ends an accepted call.
    HangUp {
        /// Which call.
        call: CallId,
        /// `hung_up` or `failed`.
        reason: Reason,
    },
    /// A trickled candidate.
    Candidate {
        /// Which call.
        call: CallId,
        /// The candidate.
        #[serde(flatten)]
        candidate: Candidate,
    },
    /// Media flows.
    Connected {
        /// Which call.
        call: CallId,
    },
    /// Renegotiation.
    Describe {
        /// Which call.
        call: CallId,
        /// Offer or answer.
        kind: Kind,
        /// The SDP.
        #[serde(flatten)]
        description: Description,
    },
    /// Chat.
    Message {
        /// Which call.
        call: CallId,
        /// The text.
        text: String,
    },
    /// Takes a call up again after the node restarted.
    Restore {
        /// Which call.
        call: CallId,
        /// Whether this page made the call.
        caller: bool,
        /// The other end.
        peer: Peer,
    },
}

impl Call {
    pub(super) fn read(name: &str, f: &Fields<'_>) -> Option<Read<Self>> {
        let read: fn(&Fields<'_>, CallId) -> Read<Self> = match name {
            "invite" => |f, call| Ok(Self::Invite { call, to: f.noun("to")?, offer: description(f)? }),
            "accept" => |f, call| Ok(Self::Accept { call, answer: description(f)? }),
            "reject" => |f, call| Ok(Self::Reject { call, reason: reason(f)? }),
            "cancel" => |_, call| Ok(Self::Cancel { call }),
            "hang_up" => |f, call| Ok(Self::HangUp { call, reason: reason(f)? }),
            "candidate" => |f, call| Ok(Self::Candidate { call, candidate: candidate(f)? }),
            "connected" => |_, call| Ok(Self::Connected { call }),
            "describe" => |f, call| {
                let kind = f.one_of("kind", &[("offer", Kind::Offer), ("answer", Kind::Answer)])?;
                Ok(Self::Describe { call, kind, description: description(f)? })
            },
            "message" => |f, call| Ok(Self::Message { call, text: f.text("text")? }),
            "restore" => |f, call| Ok(Self::Restore { call, caller: f.truth("caller")?, peer: peer(f)? }),
            _ => return None,
        };
        Some(f.noun("call").and_then(|call| read(f, call)))
    }
}

fn description(f: &Fields<'_>) -> Read<Description> {
    Ok(Description {
        media: f.one_of("media", &[("audio", Media::Audio), ("video", Media::Video)])?,
        number: f.number("number")?,
        sdp: f.text("sdp")?,
        signature: f.bytes("signature")?,
    })
}

fn candidate(f: &Fields<'_>) -> Read<Candidate> {
    Ok(Candidate {
        candidate: f.text("candidate")?,
        mid: f.optional("mid", || f.text("mid"))?,
        mline: f.optional("mline", || f.short("mline"))?,
    })
}

fn peer(f: &Fields<'_>) -> Read<Peer> {
    let peer = f.inner("peer")?;
    Ok(Peer { address: peer.noun("address")?, device: peer.noun("device")?, node: peer.noun("node")? })
}

fn reason(f: &Fields<'_>) -> Read<Reason> {
    f.one_of(
        "reason",
        &[
            ("rejected", Reason::Rejected),
            ("no_media", Reason::NoMedia),
            ("busy", Reason::Busy),
            ("cancelled", Reason::Cancelled),
            ("timed_out", Reason::TimedOut),
            ("hung_up", Reason::HungUp),
            ("failed", Reason::Failed),
            ("answered_elsewhere", Reason::AnsweredElsewhere),
            ("glare", Reason::Glare),
            ("unreachable", Reason::Unreachable),
            ("left", Reason::Left),
            ("not_genuine", Reason::NotGenuine),
        ],
    )
}
