//! What the drivers tell the node, and the handles by which the node answers them.
//!
//! Every driver task owns its socket and sends [`Event`]s over one bounded channel; a full channel makes the
//! task wait, and so its peer. The node answers over a bounded queue for each page and link (`outbox.rs`), and
//! never waits: a peer that does not keep up is closed.

use std::net::SocketAddr;

use tokio::sync::oneshot;

use crate::outbox::{Outbox, Weigh};

/// How many events may wait for the node before drivers wait for it: 4 MiB of the largest.
pub const EVENT_QUEUE: usize = 64;

/// One WebSocket of a page, for as long as it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PageId(pub u32);

/// One TLS connection to another node, for as long as it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u32);

/// The raw public point of a node's P-256 key, as its certificate shows it.
pub type NodePoint = [u8; 65];

/// What the node asks of a page's driver.
#[derive(Debug)]
pub enum PageOut {
    /// Send one text frame.
    Text(String),
    /// Send what is queued, then close with this WebSocket code.
    Close(u16),
}

impl Weigh for PageOut {
    fn weight(&self) -> usize {
        let text = if let Self::Text(text) = self { text.len() } else { 0 };
        size_of::<Self>() + text
    }
}

/// What the node asks of a link's driver.
#[derive(Debug)]
pub enum LinkOut {
    /// Send one frame; the driver writes its length before it.
    Frame(Vec<u8>),
    /// Send what is queued, then close.
    Close,
}

impl Weigh for LinkOut {
    fn weight(&self) -> usize {
        let frame = if let Self::Frame(frame) = self { frame.len() } else { 0 };
        size_of::<Self>() + frame
    }
}

/// What a driver tells the node.
#[derive(Debug)]
pub enum Event {
    /// A page's WebSocket is open.
    PageOpened {
        /// Names the page in later events.
        page: PageId,
        /// Where the page's socket comes from.
        remote: SocketAddr,
        /// The address of ours that it reached: the one at which this client can reach our STUN too.
        local: SocketAddr,
        /// The way back.
        out: Outbox<PageOut>,
    },
    /// A page sent a text frame (at most 65,536 bytes).
    PageText {
        /// Which page.
        page: PageId,
        /// The frame's text.
        text: String,
    },
    /// A page's WebSocket is gone, for whatever reason.
    PageClosed {
        /// Which page.
        page: PageId,
        /// Whether the page said goodbye (closed or reloaded), rather than vanished.
        left: bool,
    },
    /// A node link is open: mutual TLS is done and the other side has proven this key.
    LinkOpened {
        /// Names the link in later events.
        link: LinkId,
        /// The key in the other side's certificate.
        point: NodePoint,
        /// The other side's address.
        remote: SocketAddr,
        /// Whether we opened it.
        dialled: bool,
        /// The way back.
        out: Outbox<LinkOut>,
    },
    /// A frame came over a link (without its length).
    LinkFrame {
        /// Which link.
        link: LinkId,
        /// The frame.
        frame: Vec<u8>,
    },
    /// A link is gone.
    LinkClosed {
        /// Which link.
        link: LinkId,
    },
    /// A link that the node asked for could not be opened.
    DialFailed {
        /// The address that was tried.
        remote: SocketAddr,
        /// Why, for the log.
        why: String,
    },
    /// A membership datagram came in.
    Datagram {
        /// Its source.
        from: SocketAddr,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Discovery heard of a node. A hint, nothing more.
    Candidate {
        /// Where a node may be listening (TCP).
        address: SocketAddr,
        /// The node id that the hint names, if it names one.
        id: Option<truca_core::id::NodeId>,
        /// Which source said so: `mdns`, `babeld`, …, `peer`.
        source: &'static str,
    },
    /// What becomes of the packets of LANs on their ways into the mesh is another thing than before.
    Findings(Vec<truca_core::ice::masquerade::Finding>),
    /// What was to be written to flash is there, up to the state that was given out as this one; or why it is not.
    Saved(u32, Option<String>),
    /// The owner asks, over the control socket or ubus.
    Ask {
        /// Which method of [`crate::node::admin::METHODS`].
        method: String,
        /// With what.
        arguments: serde_json::Map<String, serde_json::Value>,
        /// Takes the answer.
        reply: oneshot::Sender<crate::node::admin::Answer>,
    },
}
