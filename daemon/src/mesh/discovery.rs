//! Drives mDNS ([`truca_core::discovery::mdns`]): a socket for each interface and family, one task for all.
//!
//! What is found is only a hint for the table of candidates: an address is tried, and who answers proves who it
//! is. TXT: `id` (node id), `v` (version of the node wire).

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep_until};
use truca_core::discovery::mdns::{self, GROUP_V4, GROUP_V6, Interface, MAX_DATAGRAM, Output, PORT};
use truca_core::id::NodeId;
use truca_core::wire::node::VERSION;

use crate::mesh::sources::Ear;
use crate::task::spawn;

/// How far a datagram may go: to the neighbours, which see by it that nobody passed it on (RFC 6762 section 11).
const HOPS: u32 = 255;

/// How often interfaces are looked at: who plugs in a cable does not wait long.
const LOOK_AROUND: Duration = Duration::from_secs(5);

/// A socket of an interface.
struct Mouth {
    interface: u32,
    group: SocketAddr,
    socket: UdpSocket,
}

struct Shared {
    start: Instant,
    listen: Vec<IpAddr>,
    engine: RefCell<mdns::Mdns>,
    interfaces: RefCell<Vec<Interface>>,
    mouths: RefCell<Vec<Mouth>>,
    failed: RefCell<Option<String>>,
    ear: Ear,
}

/// mDNS while it runs.
pub struct Mdns {
    shared: Rc<Shared>,
    task: JoinHandle<()>,
}

impl Mdns {
    /// Announces this node and listens for others. Must be called inside the runtime's `LocalSet`.
    ///
    /// # Errors
    /// In words: the name cannot be announced.
    pub fn start(id: NodeId, name: &str, port: u16, listen: &[IpAddr], ear: Ear) -> Result<Self, String> {
        let mut seed = [0; 8];
        // who hears a question at the same time should not answer at the same time
        let _ = SystemRandom::new().fill(&mut seed);
        let engine = mdns::Mdns::new(id, name, port, VERSION, u64::from_ne_bytes(seed))
            .ok_or_else(|| format!("{name} is too long to be announced by mDNS"))?;
        let shared = Rc::new(Shared {
            start: Instant::now(),
            listen: listen.to_vec(),
            engine: RefCell::new(engine),
            interfaces: RefCell::default(),
            mouths: RefCell::default(),
            failed: RefCell::default(),
            ear,
        });
        let task = spawn(run(shared.clone()));
        Ok(Self { shared, task })
    }

    /// Why no interface lets us take part. Some that do not, as tunnels, are no trouble.
    pub fn failed(&self) -> Option<String> {
        self.shared.failed.borrow().clone()
    }

    /// Says goodbye, so that others need not wait for the announcement to expire.
    pub fn stop(self) {
        self.task.abort();
        self.shared.engine.borrow_mut().stop();
        self.shared.carry_out();
    }
}

impl Shared {
    /// Interfaces and their addresses come and go.
    fn look_around(&self) {
        let found = interfaces(&self.listen);
        if found == *self.interfaces.borrow() {
            return;
        }
        let (mut mouths, mut failed) = (Vec::new(), None);
        let mut before = self.mouths.take();
        for interface in &found {
            for is_v4 in [true, false] {
                let own = interface.addresses.iter().find(|(ip, _)| ip.is_ipv4() == is_v4);
                let Some((own, _)) = own else { continue };
                // the address that an IPv4 socket sends from may be another now
                let same =
                    |mouth: &Mouth| !is_v4 && mouth.interface == interface.index && !mouth.group.is_ipv4();
                let kept = before.iter().position(same).map(|at| before.swap_remove(at));
                match kept.map_or_else(|| open(interface.index, *own), Ok) {
                    Ok(mouth) => mouths.push(mouth),
                    Err(error) => {
                        let error = format!("no mDNS on {}: {error}", interface.name);
                        log::debug!("{error}");
                        failed = Some(error);
                    }
                }
            }
        }
        // when none is open, all are tried again at the next look
        let failed = failed.filter(|_| mouths.is_empty());
        self.interfaces.replace(if failed.is_none() { found.clone() } else { Vec::new() });
        self.mouths.replace(mouths);
        self.failed.replace(failed);
        self.engine.borrow_mut().set_interfaces(self.start.elapsed(), found);
    }

    fn carry_out(&self) {
        let mut engine = self.engine.borrow_mut();
        while let Some(output) = engine.poll_output() {
            match output {
                Output::Send { interface, to, payload } => {
                    for mouth in self.mouths.borrow().iter().filter(|mouth| mouth.interface == interface) {
                        let family = |to: &SocketAddr| to.is_ipv4() == mouth.group.is_ipv4();
                        if to.as_ref().is_none_or(family) {
                            // what an interface does not take now is said again later
                            let _ = mouth.socket.try_send_to(&payload, to.unwrap_or(mouth.group));
                        }
                    }
                }
                Output::Heard => self.ear.heard(&engine.heard()),
            }
        }
    }

    /// A datagram of any socket: through which interface, from whom, how long.
    fn poll_any(&self, context: &mut Context<'_>, datagram: &mut [u8]) -> Poll<(u32, SocketAddr, usize)> {
        let mut mouths = self.mouths.borrow_mut();
        for at in 0..mouths.len() {
            let mouth = &mouths[at];
            let mut buffer = ReadBuf::new(datagram);
            // an error of the interface: the socket itself is well, and what is wrong shows at the next look
            if let Poll::Ready(Ok(from)) = mouth.socket.poll_recv_from(context, &mut buffer) {
                let got = (mouth.interface, from, buffer.filled().len());
                // a flood on one interface does not silence the others
                mouths.rotate_left(at + 1);
                return Poll::Ready(got);
            }
        }
        Poll::Pending
    }
}

async fn run(shared: Rc<Shared>) {
    // one byte more, so that what was cut is seen
    let mut datagram = vec![0; MAX_DATAGRAM + 1];
    let mut look = interval(LOOK_AROUND);
    loop {
        let due = shared.engine.borrow().poll_timeout();
        let due = shared.start + due.unwrap_or(Duration::from_secs(3_600));
        tokio::select! {
            (interface, from, length) = poll_fn(|context| shared.poll_any(context, &mut datagram)) => {
                let now = shared.start.elapsed();
                shared.engine.borrow_mut().handle_datagram(now, interface, from, &datagram[..length]);
            }
            () = sleep_until(due) => shared.engine.borrow_mut().handle_timeout(shared.start.elapsed()),
            _ = look.tick() => shared.look_around(),
        }
        shared.carry_out();
    }
}

/// The interfaces of this machine with the addresses that are listened on.
fn interfaces(listen: &[IpAddr]) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for found in if_addrs::get_if_addrs().unwrap_or_default() {
        let (ip, up) = (found.ip(), found.is_oper_up());
        let listened = |own: &IpAddr| *own == ip || own.is_unspecified() && own.is_ipv4() == ip.is_ipv4();
        let Some(index) = found.index.filter(|_| up && !found.is_loopback() && listen.iter().any(listened))
        else {
            continue;
        };
        let length = match found.addr {
            if_addrs::IfAddr::V4(address) => address.prefixlen,
            if_addrs::IfAddr::V6(address) => address.prefixlen,
        };
        match interfaces.iter_mut().find(|interface| interface.index == index) {
            Some(interface) => interface.addresses.push((ip, length)),
            None => {
                let name = found.name.into_boxed_str();
                interfaces.push(Interface { index, name, addresses: vec![(ip, length)] });
            }
        }
    }
    for interface in &mut interfaces {
        interface.addresses.sort();
        interface.addresses.truncate(mdns::MAX_ADDRESSES);
    }
    interfaces.sort_by_key(|interface| interface.index);
    interfaces.truncate(mdns::MAX_INTERFACES);
    interfaces
}

/// A socket that hears the group on one interface, and nothing else: what comes to port 5353 alone stays with
/// others on this machine, who may have asked for it.
fn open(interface: u32, own: IpAddr) -> io::Result<Mouth> {
    let group = match own {
        IpAddr::V4(_) => SocketAddr::new(GROUP_V4.into(), PORT),
        IpAddr::V6(_) => SocketAddrV6::new(GROUP_V6, PORT, 0, interface).into(),
    };
    let socket = Socket::new(Domain::for_address(group), Type::DGRAM, Some(Protocol::UDP))?;
    // umdns, avahi and systemd-resolved listen too
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    match own {
        IpAddr::V4(own) => {
            socket.bind(&group.into())?;
            socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(interface))?;
            // the group as other interfaces hear it is for other sockets
            socket.set_multicast_all_v4(false)?;
            socket.set_multicast_if_v4(&own)?;
            socket.set_multicast_ttl_v4(HOPS)?;
            socket.set_ttl_v4(HOPS)?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            // the scope of the group binds it to the interface
            socket.bind(&group.into())?;
            socket.join_multicast_v6(&GROUP_V6, interface)?;
            socket.set_multicast_if_v6(interface)?;
            socket.set_multicast_hops_v6(HOPS)?;
            socket.set_unicast_hops_v6(HOPS)?;
        }
    }
    Ok(Mouth { interface, group, socket: UdpSocket::from_std(socket.into())? })
}
