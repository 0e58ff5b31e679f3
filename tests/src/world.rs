//! Records of a city: nodes that are off at the moment, people who are at home there, and where they are.

use std::net::IpAddr;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use truca_core::directory::record::{Account, AccountBody, Attachment, Node, NodeBody, Record, Status};
use truca_core::id::{DeviceId, NodeId};
use truca_core::name::Address;
use truca_core::wire::bytes::Bytes;

use crate::keys::TestKey;

/// How many of what.
#[derive(Debug, Clone, Copy)]
pub struct City {
    /// Nodes.
    pub homes: usize,
    /// People, spread over them.
    pub people: usize,
    /// How many of these are attached somewhere.
    pub attached: usize,
}

/// The records of a city, encoded, in an order that can be merged.
pub fn records(seed: u64, city: City) -> Vec<Vec<u8>> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let homes: Vec<TestKey> = (0..city.homes).map(|_| TestKey::new(rng.next_u64())).collect();
    let ids: Vec<NodeId> = homes.iter().map(|home| NodeId::of_point(&home.point())).collect();
    let nodes = homes.iter().enumerate().map(|(n, home)| {
        let mut agreement = [0; 32];
        rng.fill_bytes(&mut agreement);
        let body = NodeBody {
            point: Bytes(home.point()),
            agreement: Bytes(agreement),
            counter: 3,
            boot: 2,
            name: format!("node{n}").parse().expect("a name"),
            addresses: vec![IpAddr::from([10, 120, (n / 250) as u8, (n % 250) as u8 + 1])],
            port: 8443,
            stun_port: 3478,
            version: (0, 1, 0),
        };
        let signature = Bytes(home.sign(&Node::to_sign(&body)));
        Record::Node(Node { body, signature }).encode()
    });
    let mut records: Vec<Vec<u8>> = nodes.collect();
    let mut attachments = Vec::new();
    for n in 0..city.people {
        let (home, id) = (&homes[n % city.homes], ids[n % city.homes]);
        let device = (n < city.attached).then(|| TestKey::new(rng.next_u64()));
        let mut other = [0; 16];
        rng.fill_bytes(&mut other);
        let body = AccountBody {
            home: id,
            name: format!("person{n}").parse().expect("a name"),
            display: format!("Person Núm. {n}").parse().expect("a display name"),
            devices: vec![device.as_ref().map_or(DeviceId(other), TestKey::device)],
            counter: 2,
            flags: 0,
        };
        let address = Address { home: id, name: body.name.clone() };
        let signature = Bytes(home.sign(&Account::to_sign(&body)));
        records.push(Record::Account(Account { body, signature }).encode());
        if let Some(device) = device {
            let text = Attachment::to_sign(&address, id, 2, 5, Status::Here);
            let signature = Bytes(device.sign(text.as_bytes()));
            let point = Bytes(device.point());
            let attachment =
                Attachment { address, point, node: id, boot: 2, counter: 5, status: Status::Here, signature };
            attachments.push(Record::Attachment(attachment).encode());
        }
    }
    records.extend(attachments);
    records
}
