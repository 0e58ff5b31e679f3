//! Administration: the one table of methods that `trucad ctl` and the ubus object `truca` serve, and the
//! reading of their arguments.
//!
//! The table is data: `docs/ubus.json` is written from it, and LuCI's declarations and ACL are checked against
//! that file. [`Call`] is the handler's name; an exhaustive `match` in the node and in `run.rs` is the handler.
//! Arguments that no method has are ignored (uhttpd adds `ubus_rpc_session`), `null` is an argument that is
//! absent, and a wrong type is refused with the argument's name.
//!
//! Answers are objects; `?` marks what can be `null`. Numbers of bytes count from the start of the daemon.
//!
//! | method | answer |
//! | --- | --- |
//! | `status` | `version, node{id,name}, uptime_s, fingerprint, pages[url], here, people, accounts, sessions, sockets, calls, members_alive, members_known, deaths, links, records, rss_kib, cpu_ms, traffic{in_bytes,out_bytes,links{…},pages{…},membership{…},stun{…},turn{…}}, limits{sessions,accounts}, warnings[{code,level,text}], counters{…}` |
//! | `members` | `members[{id,name,state,address?,version,source,people,rtt_ms?}], more`; `state` is `self`, `alive` or `down` |
//! | `accounts` | `accounts[{address,display,admin,devices,here,at[name]}], more` |
//! | `account_set` | `account{…}`, as in `accounts` |
//! | `account_delete` | `{}` |
//! | `sessions` | `sessions[{id,address,display,age_s,attached}], more` |
//! | `links` | `links[{id,name,remote,dialled,age_s,in_bytes,out_bytes,rtt_ms?,loss_pct?}]` |
//! | `discovery` | `sources[{source,state,addresses,read,malformed,skipped,last}], candidates[{address,id?,sources[name],told,failures,reached,due_s}], counters{…}`; `state` is `off`, `waiting`, `heard`, `absent` or `broken` |
//! | `stun` | `addresses[address], counters{…}, turn{relays,streams,relayed_bytes,counters{…}}` |
//! | `ice` | `decisions[{code,text,addresses[…]}]` |
//! | `bans` | `bans[{id,reason,refused}]` |
//! | `ban`, `unban` | `{}` |
//! | `reports` | `reports[{about,by,reason,age_s?}]`; no age: from before the last start |
//! | `settings` | `sections[{type,values{option},set[name]}]`; of a secret only that it is `set` |
//! | `reload` | `{}` |

use std::fmt;

use serde_json::{Map, Value};

/// What a method does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // each is one row of the table, which says what it is for
pub enum Call {
    Status,
    Members,
    Accounts,
    AccountSet,
    AccountDelete,
    Sessions,
    Links,
    Discovery,
    Stun,
    Ice,
    Bans,
    Ban,
    Unban,
    Reports,
    Settings,
    Reload,
}

/// The type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text of at most [`MAX_ARGUMENT`] bytes.
    Text,
    /// A number from 0 to 2³¹−1.
    Number,
    /// True or false.
    Flag,
}

impl Kind {
    /// Its name in `docs/ubus.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Number => "number",
            Self::Flag => "boolean",
        }
    }
}

/// An argument of a method.
#[derive(Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether the method means nothing without it.
    pub required: bool,
    /// What it says.
    pub help: &'static str,
}

/// One method.
#[derive(Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Its handler.
    pub call: Call,
    /// Whether it changes something: LuCI asks for write permission then.
    pub changes: bool,
    /// Its arguments.
    pub arguments: &'static [Argument],
    /// What it is for.
    pub help: &'static str,
}

/// The longest text that an argument can be.
pub const MAX_ARGUMENT: usize = 1024;

const fn tells(name: &'static str, call: Call, help: &'static str) -> Method {
    Method { name, call, changes: false, arguments: &[], help }
}

const fn changes(
    name: &'static str,
    call: Call,
    arguments: &'static [Argument],
    help: &'static str,
) -> Method {
    Method { name, call, changes: true, arguments, help }
}

const fn must(name: &'static str, help: &'static str) -> Argument {
    Argument { name, kind: Kind::Text, required: true, help }
}

const fn may(name: &'static str, kind: Kind, help: &'static str) -> Argument {
    Argument { name, kind, required: false, help }
}

/// All methods.
pub static METHODS: &[Method] = &[
    tells("status", Call::Status, "the node in numbers, and what its owner should know"),
    tells("members", Call::Members, "the nodes of the mesh"),
    Method {
        name: "accounts",
        call: Call::Accounts,
        changes: false,
        arguments: &[
            may("filter", Kind::Text, "only those with this in their name, display name or address"),
            may("limit", Kind::Number, "how many at most (100; 1000 is the most)"),
        ],
        help: "the accounts of this node",
    },
    changes(
        "account_set",
        Call::AccountSet,
        &[
            must("address", "which account of this node"),
            may("display", Kind::Text, "its new display name"),
            may("admin", Kind::Flag, "whether it is an administrator"),
            may("reset_devices", Kind::Flag, "forget its devices: the next one that takes the name has it"),
        ],
        "change an account of this node",
    ),
    changes(
        "account_delete",
        Call::AccountDelete,
        &[must("address", "which account of this node")],
        "delete an account of this node, everywhere",
    ),
    tells("sessions", Call::Sessions, "pages that are signed in here"),
    tells("links", Call::Links, "open links to other nodes"),
    tells("discovery", Call::Discovery, "where nodes are looked for"),
    tells("stun", Call::Stun, "STUN and TURN: addresses, relays and counters"),
    tells("ice", Call::Ice, "what browsers are told for getting through NAT, and why"),
    tells("bans", Call::Bans, "who is kept out"),
    changes(
        "ban",
        Call::Ban,
        &[
            must("id", "an account (name@node id) or a node id"),
            may("reason", Kind::Text, "why, for the owner (at most 120 characters)"),
        ],
        "keep an account or a node out",
    ),
    changes("unban", Call::Unban, &[must("id", "who is let in again")], "let an account or a node in again"),
    tells("reports", Call::Reports, "what people at this node reported"),
    tells("settings", Call::Settings, "what the configuration says; of secrets only that they are set"),
    changes("reload", Call::Reload, &[], "read the configuration again"),
];

/// The method of a name.
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// Why a call has no answer. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No method has this name.
    Method,
    /// An argument is missing, of another type, or says what it cannot; with words for the person.
    Argument(&'static str, &'static str),
    /// What the argument names is not there.
    Missing(&'static str),
    /// As many of this as there may be.
    Full(&'static str),
    /// It was tried and failed.
    Failed(String),
    /// The node is stopping.
    Stopping,
}

impl Refusal {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Method => "unknown_command",
            Self::Argument(..) => "bad_argument",
            Self::Missing(_) => "not_found",
            Self::Full(_) => "full",
            Self::Failed(_) => "failed",
            Self::Stopping => "stopping",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => f.write_str("there is no such command"),
            Self::Argument(name, why) => write!(f, "`{name}` {why}"),
            Self::Missing(what) => write!(f, "there is no such {what} here"),
            Self::Full(what) => write!(f, "there are as many {what} as there may be"),
            Self::Failed(why) => f.write_str(why),
            Self::Stopping => f.write_str("the node is stopping"),
        }
    }
}

impl std::error::Error for Refusal {}

/// What a call comes to.
pub type Answer = Result<Value, Refusal>;

/// The arguments of a call, checked against its row.
#[derive(Debug)]
pub struct Arguments(Map<String, Value>);

impl Arguments {
    /// Checks what was said against what a method takes.
    ///
    /// # Errors
    /// [`Refusal::Argument`]
    pub fn read(method: &Method, mut said: Map<String, Value>) -> Result<Self, Refusal> {
        said.retain(|name, value| {
            !value.is_null() && method.arguments.iter().any(|argument| argument.name == name)
        });
        for Argument { name, kind, required, .. } in method.arguments {
            match (said.get(*name), kind) {
                (None, _) if *required => return Err(Refusal::Argument(name, "is missing")),
                (None, _) | (Some(Value::Bool(_)), Kind::Flag) => {}
                (Some(Value::String(text)), Kind::Text) if text.len() <= MAX_ARGUMENT => {}
                (Some(Value::String(_)), Kind::Text) => {
                    return Err(Refusal::Argument(name, "is too long"));
                }
                (Some(value), Kind::Number) if value.as_u64().is_some_and(|n| n <= i32::MAX as u64) => {}
                (Some(_), Kind::Text) => return Err(Refusal::Argument(name, "must be a string")),
                (Some(_), Kind::Number) => {
                    return Err(Refusal::Argument(name, "must be a number from 0 to 2^31-1"));
                }
                (Some(_), Kind::Flag) => return Err(Refusal::Argument(name, "must be true or false")),
            }
        }
        Ok(Self(said))
    }

    /// A text, when it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A number, when it was given.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.0.get(name).and_then(Value::as_u64).map(|number| number as usize)
    }

    /// A flag, when it was given.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::node::news::EVENTS;

    fn read(method: &str, said: &Value) -> Result<Arguments, Refusal> {
        Arguments::read(find(method).unwrap(), said.as_object().unwrap().clone())
    }

    /// The table as `docs/ubus.json` holds it.
    fn export() -> Value {
        let methods: Vec<Value> = METHODS
            .iter()
            .map(|method| {
                let arguments: Vec<Value> = method
                    .arguments
                    .iter()
                    .map(|Argument { name, kind, required, help }| {
                        json!({"name": name, "type": kind.name(), "required": required, "help": help})
                    })
                    .collect();
                json!({
                    "name": method.name,
                    "access": if method.changes { "write" } else { "read" },
                    "arguments": arguments,
                    "help": method.help,
                })
            })
            .collect();
        let events: Vec<Value> =
            EVENTS.iter().map(|(name, help)| json!({"name": name, "help": help})).collect();
        json!({
            "object": "truca",
            "methods": methods,
            "events": events,
        })
    }

    #[test]
    fn the_document_is_the_table() {
        crate::documents::check("ubus.json", &export());
    }

    #[test]
    fn an_argument_of_the_right_type_is_read_and_an_unknown_one_ignored() {
        let said = json!({"address": "a@b", "admin": true, "display": null, "ubus_rpc_session": "0"});
        let arguments = read("account_set", &said).unwrap();
        assert_eq!((arguments.text("address"), arguments.flag("admin")), (Some("a@b"), Some(true)));
        assert_eq!((arguments.text("display"), arguments.text("ubus_rpc_session")), (None, None));
        assert_eq!(read("accounts", &json!({"limit": 7})).unwrap().number("limit"), Some(7));
    }

    #[test]
    fn a_missing_argument_or_one_of_another_type_is_refused_by_name() {
        for (method, said, name) in [
            ("account_set", json!({}), "address"),
            ("account_set", json!({"address": null}), "address"),
            ("account_set", json!({"address": 7}), "address"),
            ("account_set", json!({"address": "a@b", "admin": 1}), "admin"),
            ("accounts", json!({"limit": "7"}), "limit"),
            ("accounts", json!({"limit": -1}), "limit"),
            ("accounts", json!({"limit": 1_u64 << 31}), "limit"),
            ("accounts", json!({"filter": "x".repeat(MAX_ARGUMENT + 1)}), "filter"),
        ] {
            let refusal = read(method, &said).unwrap_err();
            assert!(matches!(refusal, Refusal::Argument(at, _) if at == name), "{refusal:?}");
        }
    }

    #[test]
    fn names_are_those_of_ubus_and_every_help_fits_a_line() {
        for method in METHODS {
            assert!(method.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(method.help.len() <= 72, "{}", method.name);
            assert_eq!(find(method.name).unwrap().call, method.call);
        }
    }
}
