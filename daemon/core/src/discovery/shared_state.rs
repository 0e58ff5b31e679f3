//! LibreMesh's shared state, data type `truca`: one entry for each node, under its id.
//!
//! `{"<node id>":{"v":1,"port":8443,"at":["10.13.0.1"]}}`, as `shared-state-async get truca` prints it, or in
//! the `data` of its ubus object's answer. Others may put anything there under any key: what is not an entry of
//! this shape is counted and left out.

use std::net::IpAddr;

use super::advert::{Advert, MAX_TOLD, VERSION};
use super::json::{Scalar, Sink, walk, walk_table};
use super::{Bad, Heard, MAX_DUMP};
use crate::id::NodeId;
use crate::ubus::blobmsg::{Table, Value};

/// The data type.
pub const TYPE: &str = "truca";

/// What to insert: our own entry.
pub fn entry(advert: &Advert) -> String {
    let at: Vec<String> = advert.addresses.iter().map(IpAddr::to_string).collect();
    let own = serde_json::json!({ advert.id.to_string(): { "v": VERSION, "port": advert.port, "at": at } });
    serde_json::to_string(&own).unwrap_or_default()
}

/// The arguments of the ubus method `get`.
pub fn get_arguments() -> Table {
    vec![("data_type".into(), Value::Text(TYPE.into()))]
}

/// The arguments of the ubus method `insert`.
pub fn insert_arguments(advert: &Advert) -> Table {
    vec![("data_type".into(), Value::Text(TYPE.into())), ("json".into(), Value::Text(entry(advert)))]
}

/// Whether the object did what it was asked: it tells so beside its data.
pub fn is_done(answer: &Table) -> bool {
    answer.iter().any(|(name, value)| name == "error" && matches!(value, Value::Int32(0)))
}

/// Reads what `get` answers.
pub fn read(answer: &Table) -> Heard {
    let mut found = Found::default();
    walk_table(answer, &mut Vec::new(), &mut found);
    found.heard
}

/// Reads what the command `get` prints.
///
/// # Errors
/// When it does not read.
pub fn read_json(answer: &[u8]) -> Result<Heard, Bad> {
    let mut found = Found::default();
    walk(answer, MAX_DUMP, &mut found)?;
    Ok(found.heard)
}

#[derive(Default)]
struct Found {
    heard: Heard,
    version: Option<u8>,
    port: Option<u16>,
    addresses: Vec<IpAddr>,
}
impl Sink for Found {
    fn value(&mut self, way: &[String], value: Scalar<'_>) {
        let [_, field] = inner(way) else { return };
        match field.as_str() {
            "v" => self.version = value.number(),
            "port" => self.port = value.number(),
            "at" if self.addresses.len() < MAX_TOLD => {
                self.addresses.extend(value.text().and_then(|ip| ip.parse::<IpAddr>().ok()));
            }
            _ => {}
        }
    }

    fn leave(&mut self, way: &[String]) {
        let [key] = inner(way) else { return };
        let (version, port) = (self.version.take(), self.port.take());
        let addresses = std::mem::take(&mut self.addresses);
        let id: Option<NodeId> = key.parse().ok();
        match (id, port) {
            (Some(id), Some(port)) if version == Some(VERSION) && port != 0 && !addresses.is_empty() => {
                Advert::new(id, port, &addresses).hints().for_each(|hint| self.heard.add(hint));
            }
            _ => self.heard.skip(),
        }
    }
}
/// The way below the `data` of a ubus answer. No entry is called so: ids are longer.
fn inner(way: &[String]) -> &[String] {
    match way {
        [data, rest @ ..] if data == "data" => rest,
        way => way,
    }
}
