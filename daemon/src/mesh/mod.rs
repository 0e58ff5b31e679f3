//! What other nodes touch: links, membership datagrams, STUN, discovery.

pub mod discovery;
pub mod link;
pub mod membership;
pub mod sources;
pub mod stun;
