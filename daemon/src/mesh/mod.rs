//! What other nodes touch: links, membership datagrams, STUN and TURN, discovery.

pub mod batch;
pub mod discovery;
pub mod ice;
pub mod link;
pub mod membership;
pub mod reflexive;
pub mod sources;
pub mod stun;
