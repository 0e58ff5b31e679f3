//! What a page asks of its node: a number, and a request of one of a few families. Each family is an enum in a file
//! of its own, with what reads it beside it; one room of the daemon answers a family.
//!
//! Read by hand ([`Fields`]), since what serde derives for so many variants is 56 KB on a router, a tenth of the
//! daemon's own code; this is a tenth of that. What is read and what is written (by serde, in tests only) is held
//! together by the protocol's examples.

use serde_json::{Map, Value};

use super::{Code, Failure};
use fields::{Fields, Read};

mod account;
mod call;
mod devices;
mod fields;
mod new_device;
mod report;
mod session;
mod telephones;

pub use account::Account;
pub use call::{Call, Peer};
pub use devices::Devices;
pub use new_device::NewDevice;
pub use report::Report;
pub use session::{Attach, Session, SignIn};
pub use telephones::Telephones;

/// Longest message of a failure: what is quoted of a hostile message must not come back at its own length.
const MAX_WORDS: usize = 160;

/// What a page asks, and the number by which it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// From 1 to 2³¹−1.
    pub id: u32,
    /// What is asked.
    pub what: Request,
}

/// The families of requests.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum Request {
    /// Beginning, keeping and ending a session.
    Session(Session),
    /// What somebody asks who has not signed in and wants this device to be one of an account.
    NewDevice(NewDevice),
    /// The devices of an account and its password.
    Devices(Devices),
    /// The account itself.
    Account(Account),
    /// What the owner should know.
    Report(Report),
    /// Calls.
    Call(Call),
    /// Telephones of the account.
    Telephones(Telephones),
}

/// The request of this name, or nothing when no request has it.
fn request(name: &str, f: &Fields<'_>) -> Option<Read<Request>> {
    let found = Session::read(name, f).map(|read| read.map(Request::Session));
    let found = found.or_else(|| Some(Call::read(name, f)?.map(Request::Call)));
    // `link_refuse` is of two families: a new device names no request
    let found = found.or_else(|| Some(NewDevice::read(name, f)?.map(Request::NewDevice)));
    let found = found.or_else(|| Some(Devices::read(name, f)?.map(Request::Devices)));
    let found = found.or_else(|| Some(Account::read(name, f)?.map(Request::Account)));
    let found = found.or_else(|| Some(Report::read(name, f)?.map(Request::Report)));
    found.or_else(|| Some(Telephones::read(name, f)?.map(Request::Telephones)))
}

impl Asked {
    /// Reads a request; on failure says which request it was, as far as that can be told.
    ///
    /// # Errors
    /// The error to answer: [`Code::UnknownMessage`] when the one member has a name that no request has,
    /// [`Code::BadId`] when the id is zero or over 2³¹−1, [`Code::BadMessage`] for everything else.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let refuse = |id, code, words: &str| {
            let end = words.char_indices().take(MAX_WORDS).last().map_or(0, |(at, c)| at + c.len_utf8());
            Failure::new(id, code, &words[..end])
        };
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            return Err(refuse(0, Code::BadMessage, "not JSON"));
        };
        let member = value.as_object().filter(|object| object.len() == 1);
        let Some((name, body)) = member.and_then(|object| object.iter().next()) else {
            return Err(refuse(0, Code::BadMessage, "a message is an object with exactly one member"));
        };
        let id = body.get("id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
        let empty = Map::new();
        let object = body.as_object();
        let fields = Fields(object.unwrap_or(&empty));
        let Some(read) = request(name, &fields) else {
            return Err(refuse(id, Code::UnknownMessage, "no message has this name"));
        };
        if object.is_none() {
            return Err(refuse(0, Code::BadMessage, "a message's value is an object"));
        }
        match fields.number("id").and_then(|id| Ok((id, read?))) {
            Err(words) => Err(refuse(id, Code::BadMessage, &words)),
            Ok((id, what)) if (1..=i32::MAX as u32).contains(&id) => Ok(Self { id, what }),
            Ok(_) => Err(refuse(0, Code::BadId, "an id is from 1 to 2^31-1")),
        }
    }

    /// Writes it as a page does; only tests ask.
    ///
    /// # Panics
    /// Never: these types hold nothing that JSON cannot write.
    pub fn to_text(&self) -> String {
        let what = serde_json::to_string(&self.what).expect("a request is JSON");
        // {"name":{…}}, where the number comes first
        let at = what.find(":{").map_or(what.len(), |at| at + 2);
        let (name, fields) = what.split_at(at);
        let comma = if fields.starts_with('}') { "" } else { "," };
        format!("{name}\"id\":{}{comma}{fields}", self.id)
    }
}
