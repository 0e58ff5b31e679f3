//! Which interface leads to an address: the kernel is asked, so that policy routing and whatever else decides is
//! in the answer (rtnetlink(7), RTM_GETROUTE). Any user may ask.
//!
//! The kernel answers before the question's system call returns, so nothing here waits. Asked by `run.rs` at every
//! look around, for few addresses.

use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// `struct nlmsghdr` and `struct rtmsg`.
const HEADERS: usize = 16 + 12;
/// Room for an answer: the kernel writes about 130 bytes.
const ANSWER: usize = 512;

/// The kernel's table of routes, to ask.
#[derive(Debug)]
pub struct Routes(Socket);

impl Routes {
    /// Opens the way to ask.
    ///
    /// # Errors
    /// What the system says.
    pub fn open() -> io::Result<Self> {
        let protocol = Some(Protocol::from(libc::NETLINK_ROUTE));
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::from(libc::SOCK_RAW), protocol)?;
        socket.set_nonblocking(true)?;
        Ok(Self(socket))
    }

    /// The number of the interface by which packets to this address leave; `None` when nobody knows.
    pub fn interface_to(&self, to: IpAddr) -> Option<u32> {
        // a socket without an address sends to the kernel
        (&self.0).write_all(&question(to)).ok()?;
        let mut answer = [0; ANSWER];
        let length = (&self.0).read(&mut answer).ok()?;
        interface(&answer[..length])
    }
}

/// Asks for the route to an address. Numbers are in the order of this machine's bytes.
fn question(to: IpAddr) -> Vec<u8> {
    let (family, octets) = match to {
        IpAddr::V4(ip) => (libc::AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (libc::AF_INET6, ip.octets().to_vec()),
    };
    let length = HEADERS + 4 + octets.len();
    let mut message = Vec::with_capacity(length);
    message.extend((length as u32).to_ne_bytes());
    message.extend(libc::RTM_GETROUTE.to_ne_bytes());
    message.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    // sequence and sender: one question at a time, and the kernel knows whom to answer
    message.extend([0; 8]);
    message.extend([family as u8, octets.len() as u8 * 8]);
    message.extend([0; 10]);
    message.extend((4 + octets.len() as u16).to_ne_bytes());
    message.extend(libc::RTA_DST.to_ne_bytes());
    message.extend(octets);
    message
}

/// The outgoing interface in an answer.
fn interface(answer: &[u8]) -> Option<u32> {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u16::from_ne_bytes);
    if number(answer.get(4..6)?)? != libc::RTM_NEWROUTE {
        return None;
    }
    let mut rest = answer.get(HEADERS..)?;
    loop {
        let length = usize::from(number(rest.get(..2)?)?);
        let value = rest.get(4..length)?;
        if number(rest.get(2..4)?)? == libc::RTA_OIF {
            return value.try_into().ok().map(u32::from_ne_bytes);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_knows_the_way_to_loopback() {
        let routes = Routes::open().unwrap();
        let found = if_addrs::get_if_addrs().unwrap();
        let lo = found.iter().find(|interface| interface.is_loopback()).unwrap().index;
        for _ in 0..3 {
            assert_eq!(routes.interface_to("127.0.0.1".parse().unwrap()), lo);
        }
    }

    #[test]
    fn an_answer_that_is_cut_or_changed_is_none_and_never_a_panic() {
        let mut answer = question("10.99.0.3".parse().unwrap());
        assert_eq!(interface(&answer), None, "a question is no answer");
        answer[4..6].copy_from_slice(&libc::RTM_NEWROUTE.to_ne_bytes());
        assert_eq!(interface(&answer), None, "no interface in it");
        answer.extend([8_u16.to_ne_bytes(), libc::RTA_OIF.to_ne_bytes()].concat());
        answer.extend(7_u32.to_ne_bytes());
        assert_eq!(interface(&answer), Some(7));
        for cut in 0..answer.len() {
            assert_eq!(interface(&answer[..cut]), None);
            for byte in [0, 1, 3, 4, 255] {
                let mut changed = answer.clone();
                changed[cut] = byte;
                interface(&changed);
            }
        }
    }
}
