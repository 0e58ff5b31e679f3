//! What other nodes touch: links, membership datagrams, STUN, discovery.

pub mod stun;
pub mod link;
