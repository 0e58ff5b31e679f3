//! What helps a page through NAT: which STUN servers it is given (RFC 8445 section 5.1.1.2), and whether its own
//! router may tell it a server-reflexive address.
//!
//! [`masquerade`] finds out by questions to other nodes what becomes of a LAN's source address and port on each way
//! into the mesh; [`choice`] picks the other nodes whose STUN pages are given. The daemon's `mesh/reflexive.rs` owns
//! the sockets, `node/servers.rs` tells pages. The messages are those of [`crate::stun`].

pub mod choice;
pub mod masquerade;

use core::net::{Ipv4Addr, SocketAddr};

use crate::stun::{
    BINDING, Class, HEADER, MAGIC_COOKIE, Message, TransactionId, attribute, read_xor_address,
};

/// An interface, by the number that the system gives it: what leads to one side of the mesh.
pub type Side = u32;

/// A LAN of this router: IPv4, since only that is masqueraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lan {
    /// The router's own address in it.
    pub address: Ipv4Addr,
    /// How many bits its addresses have in common.
    pub prefix: u8,
}

impl Lan {
    /// Whether it is the address of a client in this LAN.
    pub fn has_client(&self, ip: Ipv4Addr) -> bool {
        let differ = u32::from(self.address) ^ u32::from(ip);
        differ != 0 && differ.checked_shr(32 - u32::from(self.prefix.min(32))).unwrap_or(0) == 0
    }
}

/// A Binding request without attributes.
pub fn question(transaction: &TransactionId) -> [u8; HEADER] {
    let mut message = [0; HEADER];
    message[..2].copy_from_slice(&BINDING.to_be_bytes());
    message[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    message[8..].copy_from_slice(transaction);
    message
}

/// The address in the answer to a question; `None` when it is none to this one.
pub fn answer(datagram: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    let message = Message::parse(datagram).ok()?;
    let fits = (message.class(), message.method(), message.transaction());
    let mapped = message.attribute(attribute::XOR_MAPPED_ADDRESS)?;
    (fits == (Class::Success, BINDING, *transaction)).then(|| read_xor_address(mapped, transaction))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{Counters, MAX_ANSWER, respond};

    #[test]
    fn a_question_is_answered_and_only_its_own_answer_is_believed() {
        let from = "10.99.1.2:50000".parse().unwrap();
        let (mut out, mut seen) = ([0; MAX_ANSWER], Counters::default());
        let length = respond(&question(&[7; 12]), from, &mut out, &mut seen).unwrap();
        assert_eq!(answer(&out[..length], &[7; 12]), Some(from));
        assert_eq!(answer(&out[..length], &[8; 12]), None);
        assert_eq!(answer(&question(&[7; 12]), &[7; 12]), None, "a request is no answer");
        for cut in 0..length {
            assert_eq!(answer(&out[..cut], &[7; 12]), None);
        }
    }

    #[test]
    fn a_lan_knows_its_clients_and_the_router_is_none() {
        let lan = |prefix| Lan { address: Ipv4Addr::new(192, 168, 1, 1), prefix };
        for (prefix, ip, is) in [
            (24, [192, 168, 1, 101], true),
            (24, [192, 168, 1, 1], false),
            (24, [192, 168, 2, 101], false),
            (16, [192, 168, 2, 101], true),
            (32, [192, 168, 1, 2], false),
            (0, [8, 8, 8, 8], true),
            (255, [8, 8, 8, 8], false),
        ] {
            assert_eq!(lan(prefix).has_client(ip.into()), is, "{ip:?}/{prefix}");
        }
    }
}
