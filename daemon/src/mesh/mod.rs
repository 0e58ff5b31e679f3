//! What other nodes touch: links, membership datagrams, STUN, discovery.

pub mod link;
