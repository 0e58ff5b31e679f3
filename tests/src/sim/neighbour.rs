//! A neighbour that is no node: it opens a link to one and says over it whatever a test wants, true or not.

use std::net::{IpAddr, SocketAddr};

use truca_core::directory::record::{
    Account, AccountBody, Attachment, Node as NodeRecord, NodeBody, Record, Status,
};
use truca_core::gossip::Gossip;
use truca_core::id::NodeId;
use truca_core::name::Address;
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{Frame, VERSION};
use trucad::event::{LinkId, LinkOut};

use super::{Mesh, Person};
use crate::keys::TestKey;

/// What a node has said over a link.
#[derive(Debug, Default)]
pub(super) struct Heard {
    frames: Vec<Frame>,
    closed: bool,
}

/// Links to neighbours are numbered from here: those of nodes count from 1.
const FIRST: u32 = 1 << 31;

/// A neighbour with a key, and its link to one node.
#[derive(Clone)]
pub struct Neighbour {
    key: TestKey,
    host: usize,
    link: LinkId,
    number: u8,
}

impl Neighbour {
    /// The id of its key.
    pub fn id(&self) -> NodeId {
        NodeId::of_point(&self.key.point())
    }

    /// Its node record.
    pub fn record(&self, counter: u32) -> Vec<u8> {
        let body = NodeBody {
            point: Bytes(self.key.point()),
            agreement: Bytes(Gossip::agreement([self.number; 32])),
            counter,
            boot: 1,
            name: format!("neighbour{}", self.number).parse().expect("a name"),
            addresses: vec![IpAddr::from([172, 16, 0, self.number])],
            port: 8443,
            stun_port: 3478,
            version: (0, 1, 0),
        };
        let signature = Bytes(self.key.sign(&NodeRecord::to_sign(&body)));
        Record::Node(NodeRecord { body, signature }).encode()
    }

    /// The account of somebody who is at home here, with one device.
    pub fn account(&self, name: &str, device: &TestKey) -> Vec<u8> {
        let body = AccountBody {
            home: self.id(),
            name: name.parse().expect("a name"),
            display: name.parse().expect("a display name"),
            devices: vec![device.device()],
            counter: 1,
            flags: 0,
        };
        let signature = Bytes(self.key.sign(&Account::to_sign(&body)));
        Record::Account(Account { body, signature }).encode()
    }

    /// What a device says when it is attached here.
    pub fn attachment(&self, device: &TestKey, address: &Address, counter: u32) -> Vec<u8> {
        let (node, boot, status) = (self.id(), 1, Status::Here);
        let text = Attachment::to_sign(address, node, boot, counter, status);
        let (point, signature) = (Bytes(device.point()), Bytes(device.sign(text.as_bytes())));
        let address = address.clone();
        Record::Attachment(Attachment { address, point, node, boot, counter, status, signature }).encode()
    }

    /// The address of somebody who is at home here.
    pub fn address(&self, name: &str) -> Address {
        Address { home: self.id(), name: name.parse().expect("a name") }
    }
}

impl Mesh {
    /// A new neighbour of a host's node; `dialled` says whether the node opened the link. They have said hello.
    pub fn neighbour(&mut self, host: usize, dialled: bool) -> Neighbour {
        let number = self.neighbours.len() as u8 + 1;
        let key = TestKey::new(u64::from(number) << 32);
        let link = LinkId(FIRST + u32::from(number));
        self.neighbours.insert(link, Heard::default());
        let neighbour = Neighbour { key, host, link, number };
        let remote = SocketAddr::from(([172, 16, 0, number], 8443));
        let now = self.now - self.hosts[host].started;
        let node = self.hosts[host].node.as_mut().expect("this node runs");
        node.link_opened(now, link, &neighbour.key.point(), remote, dialled);
        self.carry_out(host);
        let hello = Frame::Hello { version: VERSION, node: neighbour.record(1), generation: 1 };
        self.neighbour_says(&neighbour, &hello);
        neighbour
    }

    /// A neighbour says something.
    pub fn neighbour_says(&mut self, neighbour: &Neighbour, frame: &Frame) {
        let host = neighbour.host;
        let now = self.now - self.hosts[host].started;
        if let Some(node) = &mut self.hosts[host].node {
            node.link_frame(now, neighbour.link, &frame.encode());
        }
        self.carry_out(host);
    }

    /// What the node has said to it since this was asked last.
    pub fn neighbour_hears(&mut self, neighbour: &Neighbour) -> Vec<Frame> {
        self.neighbours
            .get_mut(&neighbour.link)
            .map(|heard| core::mem::take(&mut heard.frames))
            .unwrap_or_default()
    }

    /// Whether the node has closed the link.
    pub fn is_closed(&self, neighbour: &Neighbour) -> bool {
        self.neighbours.get(&neighbour.link).is_none_or(|heard| heard.closed)
    }

    pub(super) fn hears(&mut self, link: LinkId, out: LinkOut) {
        let Some(heard) = self.neighbours.get_mut(&link) else { return };
        match out {
            LinkOut::Frame(frame) => heard.frames.push(Frame::decode(&frame).expect("a node writes frames")),
            LinkOut::Close => heard.closed = true,
        }
    }

    /// How often a counter in a node's status stands, by its path there.
    pub fn counter(&mut self, host: usize, path: &str) -> u64 {
        let status = self.status(host);
        status
            .pointer(path)
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_else(|| panic!("no {path}: {status}"))
    }
}

impl Person {
    /// The address, as nodes write it to each other.
    pub fn at_home(&self) -> Address {
        self.address.parse().expect("an address")
    }
}
