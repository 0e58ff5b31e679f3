//! Reads requests of pages, field by field from JSON.
//!
//! By hand, since what serde derives for so many variants is 56 KB on a router, a tenth of the daemon's own code;
//! this is a tenth of that. What is written here and in [`super::request`] is held together by the protocol's
//! examples, which are read by this and written by serde.

use core::fmt::Display;
use core::str::FromStr;

use serde_json::{Map, Value};

use super::{Attach, Candidate, Code, Description, Failure, Kind, Media, Peer, Reason, Request, SignIn};
use crate::scram::Secret;
use crate::wire::bytes::Bytes;

/// Longest message of a failure: what is quoted of a hostile message must not come back at its own length.
const MAX_WORDS: usize = 160;

/// The fields of one request.
struct Fields<'a>(&'a Map<String, Value>);

type Read<T> = Result<T, String>;

fn wrong(field: &str, what: impl Display) -> String {
    format!("`{field}` {what}")
}

impl<'a> Fields<'a> {
    /// What is there; `null` is as good as nothing.
    fn found(&self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    fn has(&self, field: &str) -> Read<&'a Value> {
        self.found(field).ok_or_else(|| wrong(field, "is missing"))
    }

    fn str(&self, field: &str) -> Read<&'a str> {
        self.has(field)?.as_str().ok_or_else(|| wrong(field, "is no text"))
    }

    fn text(&self, field: &str) -> Read<String> {
        self.str(field).map(str::to_owned)
    }

    fn number(&self, field: &str) -> Read<u32> {
        let number = self.has(field)?.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| wrong(field, "is no number from 0 to 2^32-1"))
    }

    fn short(&self, field: &str) -> Read<u16> {
        self.number(field)?.try_into().map_err(|_| wrong(field, "is over 65535"))
    }

    fn truth(&self, field: &str) -> Read<bool> {
        self.has(field)?.as_bool().ok_or_else(|| wrong(field, "is neither true nor false"))
    }

    /// An id or an address.
    fn noun<T: FromStr>(&self, field: &str) -> Read<T> {
        self.str(field)?.parse().map_err(|_| wrong(field, "is not written as it should be"))
    }

    fn bytes<const N: usize>(&self, field: &str) -> Read<Bytes<N>> {
        let wanted = || wrong(field, format_args!("is not {N} bytes in base64url"));
        Bytes::from_text(self.str(field)?).ok_or_else(wanted)
    }

    fn one_of<T: Copy>(&self, field: &str, words: &[(&str, T)]) -> Read<T> {
        let word = self.str(field)?;
        let found = words.iter().find(|(known, _)| *known == word);
        found.map(|(_, meant)| *meant).ok_or_else(|| wrong(field, "is none of its words"))
    }

    fn inner(&self, field: &str) -> Read<Self> {
        self.has(field)?.as_object().map(Self).ok_or_else(|| wrong(field, "is no object"))
    }

    fn optional<T>(&self, field: &str, read: impl FnOnce() -> Read<T>) -> Read<Option<T>> {
        self.found(field).map(|_| read()).transpose()
    }

    fn reason(&self) -> Read<Reason> {
        self.one_of(
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

    fn description(&self) -> Read<Description> {
        Ok(Description {
            media: self.one_of("media", &[("audio", Media::Audio), ("video", Media::Video)])?,
            number: self.number("number")?,
            sdp: self.text("sdp")?,
            signature: self.bytes("signature")?,
        })
    }

    fn candidate(&self) -> Read<Candidate> {
        Ok(Candidate {
            candidate: self.text("candidate")?,
            mid: self.optional("mid", || self.text("mid"))?,
            mline: self.optional("mline", || self.short("mline"))?,
        })
    }

    fn sign_in(&self, id: u32) -> Read<SignIn> {
        let attachment = self.inner("attachment")?;
        Ok(SignIn {
            id,
            name: self.text("name")?,
            home: self.optional("home", || self.noun("home"))?,
            display: self.text("display")?,
            key: self.bytes("key")?,
            signature: self.bytes("signature")?,
            attachment: Attach {
                counter: attachment.number("counter")?,
                here: attachment.bytes("here")?,
                gone: attachment.bytes("gone")?,
            },
        })
    }

    fn secret(&self) -> Read<Secret> {
        let secret = self.inner("secret")?;
        let (salt, iterations) = (secret.bytes("salt")?, secret.number("iterations")?);
        Ok(Secret { salt, iterations, stored: secret.bytes("stored")?, server: secret.bytes("server")? })
    }

    fn peer(&self) -> Read<Peer> {
        let peer = self.inner("peer")?;
        Ok(Peer { address: peer.noun("address")?, device: peer.noun("device")?, node: peer.noun("node")? })
    }
}

/// The request of this name, or nothing when no request has it.
fn request(name: &str, f: &Fields<'_>) -> Option<Read<Request>> {
    let read = |read: fn(&Fields<'_>, u32) -> Read<Request>| f.number("id").and_then(|id| read(f, id));
    Some(match name {
        "sign_in" => read(|f, id| f.sign_in(id).map(Request::SignIn)),
        "find" => read(|f, id| Ok(Request::Find { id, text: f.text("text")? })),
        "link" => read(|f, id| {
            let (address, key, commit) = (f.noun("address")?, f.bytes("key")?, f.bytes("commit")?);
            Ok(Request::Link { id, address, key, commit })
        }),
        "link_open" => read(|f, id| Ok(Request::LinkOpen { id, nonce: f.bytes("nonce")? })),
        "link_password" => read(|f, id| {
            let (address, key, client) = (f.noun("address")?, f.bytes("key")?, f.bytes("client")?);
            Ok(Request::LinkPassword { id, address, key, client })
        }),
        "link_prove" => read(|f, id| {
            let (key, client, server) = (f.bytes("key")?, f.bytes("client")?, f.bytes("server")?);
            Ok(Request::LinkProve { id, key, client, server, proof: f.bytes("proof")? })
        }),
        "password" => read(|f, id| {
            let (counter, secret) = (f.number("counter")?, f.optional("secret", || f.secret())?);
            Ok(Request::Password { id, counter, secret, signature: f.bytes("signature")? })
        }),
        "link_show" => {
            read(|f, id| Ok(Request::LinkShow { id, request: f.bytes("request")?, nonce: f.bytes("nonce")? }))
        }
        "link_confirm" => read(|f, id| {
            Ok(Request::LinkConfirm { id, request: f.bytes("request")?, signature: f.bytes("signature")? })
        }),
        "link_refuse" => read(|f, id| {
            Ok(Request::LinkRefuse { id, request: f.optional("request", || f.bytes("request"))? })
        }),
        "devices" => read(|_, id| Ok(Request::Devices { id })),
        "revoke" => read(|f, id| {
            let (device, counter) = (f.noun("device")?, f.number("counter")?);
            Ok(Request::Revoke { id, device, counter, signature: f.bytes("signature")? })
        }),
        "resume" => {
            read(|f, id| Ok(Request::Resume { id, token: f.bytes("token")?, seen: f.number("seen")? }))
        }
        "profile" => read(|f, id| Ok(Request::Profile { id, display: f.text("display")? })),
        "report" => {
            read(|f, id| Ok(Request::Report { id, address: f.noun("address")?, reason: f.text("reason")? }))
        }
        "sign_out" => read(|_, id| Ok(Request::SignOut { id })),
        "ping" => read(|_, id| Ok(Request::Ping { id })),
        "ack" => read(|f, id| Ok(Request::Ack { id, n: f.number("n")? })),
        "watch" => read(|f, id| Ok(Request::Watch { id, text: f.text("text")?, limit: f.short("limit")? })),
        "invite" => read(|f, id| {
            let (call, to, offer) = (f.noun("call")?, f.noun("to")?, f.description()?);
            Ok(Request::Invite { id, call, to, offer })
        }),
        "accept" => read(|f, id| Ok(Request::Accept { id, call: f.noun("call")?, answer: f.description()? })),
        "reject" => read(|f, id| Ok(Request::Reject { id, call: f.noun("call")?, reason: f.reason()? })),
        "cancel" => read(|f, id| Ok(Request::Cancel { id, call: f.noun("call")? })),
        "hang_up" => read(|f, id| Ok(Request::HangUp { id, call: f.noun("call")?, reason: f.reason()? })),
        "candidate" => {
            read(|f, id| Ok(Request::Candidate { id, call: f.noun("call")?, candidate: f.candidate()? }))
        }
        "connected" => read(|f, id| Ok(Request::Connected { id, call: f.noun("call")? })),
        "describe" => read(|f, id| {
            let kind = f.one_of("kind", &[("offer", Kind::Offer), ("answer", Kind::Answer)])?;
            Ok(Request::Describe { id, call: f.noun("call")?, kind, description: f.description()? })
        }),
        "message" => read(|f, id| Ok(Request::Message { id, call: f.noun("call")?, text: f.text("text")? })),
        "restore" => read(|f, id| {
            let (call, caller) = (f.noun("call")?, f.truth("caller")?);
            Ok(Request::Restore { id, call, caller, peer: f.peer()? })
        }),
        _ => return None,
    })
}

/// Reads a request; see [`Request::parse`].
pub(super) fn parse(text: &str) -> Result<Request, Failure> {
    let refuse = |id, code, words: &str| {
        let end = words.char_indices().take(MAX_WORDS).last().map_or(0, |(at, c)| at + c.len_utf8());
        Failure::new(id, code, &words[..end])
    };
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return Err(refuse(0, Code::BadMessage, "not JSON"));
    };
    let member = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
    let Some((name, body)) = member else {
        return Err(refuse(0, Code::BadMessage, "a message is an object with exactly one member"));
    };
    let id = body.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
    let empty = Map::new();
    let fields = body.as_object();
    match request(name, &Fields(fields.unwrap_or(&empty))) {
        None => Err(refuse(id, Code::UnknownMessage, "no message has this name")),
        Some(_) if fields.is_none() => Err(refuse(0, Code::BadMessage, "a message's value is an object")),
        Some(Err(words)) => Err(refuse(id, Code::BadMessage, &words)),
        Some(Ok(request)) if (1..=i32::MAX as u32).contains(&request.id()) => Ok(request),
        Some(Ok(_)) => Err(refuse(0, Code::BadId, "an id is from 1 to 2^31-1")),
    }
}
