//! What the node tells whoever listens on the router's bus: that members come and go, and how many calls
//! there are. Numbers, never who talks with whom.

use serde_json::{Value, json};

/// Events and what each says: `(name, help)`.
pub const EVENTS: &[(&str, &str)] = &[
    ("truca.member", "a node came or went: {id, name, state: up or down, alive: members now}"),
    ("truca.call", "a call began or ended: {calls: calls in progress now}"),
];

/// Something that others on the router may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A node came or went.
    Member {
        /// Its id.
        id: truca_core::id::NodeId,
        /// Its name.
        name: String,
        /// Whether it came.
        up: bool,
        /// How many members are alive now, this node included.
        alive: usize,
    },
    /// The number of calls changed.
    Calls(usize),
}

impl News {
    /// The event's name and what it says.
    pub fn event(&self) -> (&'static str, Value) {
        match self {
            Self::Member { id, name, up, alive } => {
                let state = if *up { "up" } else { "down" };
                (EVENTS[0].0, json!({"id": id.to_string(), "name": name, "state": state, "alive": alive}))
            }
            Self::Calls(calls) => (EVENTS[1].0, json!({ "calls": calls })),
        }
    }
}
