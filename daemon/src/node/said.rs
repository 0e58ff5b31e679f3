//! What is to be done: by the runtime ([`Output`]), by other rooms ([`Said`]), at a time ([`Job`]).

use std::net::SocketAddr;

use truca_core::id::NodeId;
use truca_core::name::{Address, Name};
use truca_core::signal::call::SessionId;
use truca_core::wire::node::{Device, Frame};
use truca_core::wire::page::{ByeReason, CallEvent};

use super::news::News;
use super::state::Saved;
use crate::event::{LinkId, LinkOut, PageId, PageOut};

/// What the node wants done.
#[derive(Debug)]
pub enum Output {
    /// To a page.
    Page(PageId, PageOut),
    /// To another node.
    Link(LinkId, LinkOut),
    /// A membership datagram.
    Datagram {
        /// To.
        to: SocketAddr,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Open a link.
    Dial(SocketAddr),
    /// Write this to flash.
    Save(Saved),
    /// Tell whoever listens on the router's bus.
    News(News),
    /// This session may not relay any more, whatever it was granted.
    Expelled(u32),
}

/// What a room wants of the others, without knowing which of them does it. Done when the room is done with what
/// it was asked, in the order in which it was said.
#[derive(Debug)]
pub(super) enum Said {
    /// Send a frame to a node, opening a link when there is none.
    Deliver(NodeId, Frame),
    /// A frame for this node could not be sent.
    Undeliverable(NodeId, Frame),
    /// Send a frame over this link.
    Send(LinkId, Frame),
    /// Close this link.
    Close(LinkId),
    /// All links are taken, and a call needs one to this node.
    MakeRoom(NodeId),
    /// A call depends on this node: there should be a link to it.
    Reach(NodeId),
    /// Compare directories with this node.
    Compare(NodeId),
    /// Compare over this link, which is open.
    CompareOver(LinkId),
    /// Somebody may be listening at this address.
    Candidate(SocketAddr, &'static str),
    /// Tell a session of a call.
    Tell(SessionId, CallEvent),
    /// End a session that may not be here any more.
    Expel(SessionId, ByeReason),
    /// A record came by gossip.
    Arrived(Vec<u8>),
    /// What others may want to know.
    Happened(Happened),
}

/// What others may want to know.
#[derive(Debug)]
pub(super) enum Happened {
    /// A node is a member now.
    Up(NodeId),
    /// A member is gone.
    Down(NodeId),
    /// No member is left.
    Alone,
    /// A member's directory is not ours.
    Differs(NodeId),
    /// There is a link to a node.
    Linked(NodeId),
    /// A link to a node is gone.
    Unlinked(LinkId, NodeId),
    /// A node could not be reached under any of its addresses.
    Unreachable(NodeId),
    /// Something was missed.
    Missed,
    /// Somebody would be shown to a page, if it were sure that there is such a person.
    Wanted(Address),
    /// A device has said where it is.
    Attached(Device),
    /// A session has no socket.
    Away(SessionId),
    /// A session has a socket again.
    Back(SessionId),
    /// A page was left: its calls lived in it.
    Left(SessionId),
    /// A session is over.
    Over(SessionId),
    /// A session is over, since its device is at another node now.
    Moved(SessionId),
    /// An account of this home has no devices any more, and no password.
    Reset(Name),
    /// The owner keeps a node out.
    Banned(NodeId),
}

/// What is due at a time. A job finds out itself whether it is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Job {
    Windows,
    Session(SessionId),
    Dial(SocketAddr),
    Reach(NodeId),
    Learn,
    Prove,
    Renew,
    Sync,
    Save,
    LinkIdle(LinkId),
    Wishes,
}
