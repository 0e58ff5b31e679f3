//! Many datagrams with one system call: `recvmmsg` and `sendmmsg` of Linux, which neither std nor tokio has, and
//! `UDP_SEGMENT` (Linux 4.18), by which a run of datagrams of one length to one address goes through the kernel as
//! one: a picture of video is such a run.
//!
//! Sockets are non-blocking, and nothing waits for room: what the kernel does not take now is lost and counted, as
//! on the network. Where the kernel or an interface does not cut runs, datagrams go one by one.

use std::cell::Cell;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::{io, ptr};

use socket2::{Domain, Protocol, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use truca_core::turn::{HEADROOM, TAILROOM};

/// A larger datagram is dropped: nothing that a browser sends comes near it (its packets fit in 1,280 bytes).
pub const MAX_DATAGRAM: usize = 2048;

/// How many datagrams a task handles before it lets the others run, and one system call takes.
pub const BUDGET: usize = 32;

/// Binds a UDP socket. An IPv6 one takes no IPv4 traffic, so that `0.0.0.0` and `::` can stand side by side.
///
/// Must be called inside the runtime.
pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

/// Room for one datagram, and for what a relay writes around it.
pub type Slot = [u8; HEADROOM + MAX_DATAGRAM + TAILROOM];

/// Datagrams as they come in. One for all sockets: its pages are touched as far as bursts reach.
#[derive(Debug)]
pub struct Inbox {
    slots: Box<[Slot]>,
    /// Of each slot: from where, and how long; no source when the datagram was cut.
    heads: [(Option<SocketAddr>, usize); BUDGET],
    count: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        // zeroed by the system, which gives a page when it is first written to
        let slots = vec![[0; HEADROOM + MAX_DATAGRAM + TAILROOM]; BUDGET].into();
        Self { slots, heads: [(None, 0); BUDGET], count: 0 }
    }
}

impl Inbox {
    /// Takes what has come to a socket, up to [`BUDGET`] datagrams. Whether more may be waiting.
    pub fn receive(&mut self, socket: &Socket) -> bool {
        self.count = 0;
        let received = socket.udp.try_io(Interest::READABLE, || {
            self.count = receive(&socket.udp, &mut self.slots, &mut self.heads)?;
            // the kernel had no more: the next one will be told of, and no call is needed to hear of none
            if self.count < BUDGET { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        !received.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// What came: the source, the slot, and how many bytes of it behind [`HEADROOM`].
    pub fn datagrams(&mut self) -> impl Iterator<Item = (SocketAddr, &mut Slot, usize)> {
        let came = self.slots.iter_mut().zip(&self.heads).take(self.count);
        came.filter_map(|(slot, (from, length))| Some(((*from)?, slot, *length)))
    }
}

/// A UDP socket that sends in batches.
#[derive(Debug)]
pub struct Socket {
    udp: UdpSocket,
    /// Whether runs go as one. Not any more, once the interface behind it could not.
    runs: Cell<bool>,
}

impl Socket {
    /// Takes a socket.
    pub fn new(udp: UdpSocket) -> Rc<Self> {
        let runs = Cell::new(knows_runs(&udp));
        Rc::new(Self { udp, runs })
    }

    /// The socket itself.
    pub fn udp(&self) -> &UdpSocket {
        &self.udp
    }
}

/// Datagrams on their way out, of one socket at a time.
#[derive(Debug, Default)]
pub struct Outgoing<'a> {
    by: Option<Rc<Socket>>,
    waiting: [Option<(SocketAddr, &'a [u8])>; BUDGET],
    count: usize,
    unsent: u32,
}

impl<'a> Outgoing<'a> {
    /// Sends a datagram soon: with those that follow, and at the latest by [`Self::flush`].
    pub fn push(&mut self, by: &Rc<Socket>, to: SocketAddr, bytes: &'a [u8]) {
        if self.count == BUDGET || self.by.as_ref().is_some_and(|other| !Rc::ptr_eq(other, by)) {
            self.send();
        }
        if self.by.is_none() {
            self.by = Some(by.clone());
        }
        self.waiting[self.count] = Some((to, bytes));
        self.count += 1;
    }

    /// Sends what waits, and says how much was lost since the last time.
    pub fn flush(&mut self) -> u32 {
        self.send();
        mem::take(&mut self.unsent)
    }

    fn send(&mut self) {
        let count = mem::take(&mut self.count);
        let Some(by) = self.by.take() else { return };
        let mut first = 0;
        while first < count {
            let error = match send(&by, &self.waiting[first..count]) {
                Ok(sent) => {
                    first += sent;
                    continue;
                }
                Err(error) => error,
            };
            let cannot = [libc::EIO, libc::EINVAL, libc::EMSGSIZE].map(Some).contains(&error.raw_os_error());
            if cannot && by.runs.replace(false) {
                // no checksums in its hardware, or a datagram longer than it takes whole: one by one, then
                continue;
            }
            // full: so it is for those behind. No route: only this one
            let lost = if error.kind() == io::ErrorKind::WouldBlock { count - first } else { 1 };
            self.unsent = self.unsent.wrapping_add(lost as u32);
            first += lost;
        }
    }
}

/// An address of either family, as system calls have it.
#[repr(C)]
#[derive(Clone, Copy)]
union Name {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

#[allow(unsafe_code)] // system calls, and what they fill
fn receive(
    socket: &UdpSocket,
    slots: &mut [Slot],
    heads: &mut [(Option<SocketAddr>, usize); BUDGET],
) -> io::Result<usize> {
    // SAFETY: all of these are plain data of C, for which zeros are values
    let (mut names, mut parts, mut messages) = unsafe {
        (
            mem::zeroed::<[Name; BUDGET]>(),
            mem::zeroed::<[libc::iovec; BUDGET]>(),
            mem::zeroed::<[libc::mmsghdr; BUDGET]>(),
        )
    };
    let mut count: libc::c_uint = 0;
    for (((slot, name), part), message) in slots.iter_mut().zip(&mut names).zip(&mut parts).zip(&mut messages)
    {
        part.iov_base = slot[HEADROOM..].as_mut_ptr().cast();
        part.iov_len = MAX_DATAGRAM;
        message.msg_hdr.msg_name = ptr::from_mut(name).cast();
        message.msg_hdr.msg_namelen = size_of::<Name>() as libc::socklen_t;
        message.msg_hdr.msg_iov = part;
        message.msg_hdr.msg_iovlen = 1;
        count += 1;
    }
    // SAFETY: each message points to a name and to MAX_DATAGRAM bytes of a slot, and these outlive the call
    let received =
        unsafe { libc::recvmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, 0, ptr::null_mut()) };
    let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
    for ((message, name), head) in messages.iter().zip(&names).zip(heads).take(received) {
        let cut = message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        *head = (if cut { None } else { name.read() }, (message.msg_len as usize).min(MAX_DATAGRAM));
    }
    Ok(received)
}

/// What tells the kernel the length of each datagram of a run.
#[repr(C)]
#[derive(Clone, Copy)]
struct Segment {
    head: libc::cmsghdr,
    length: u16,
}

/// Bytes of a run: what an IP packet holds, headers subtracted.
const MAX_RUN: usize = 65_000;

/// How many of them are one run: of one length, but for the last, and to one address.
fn run(waiting: &[Option<(SocketAddr, &[u8])>]) -> usize {
    let Some(Some((to, first))) = waiting.first() else { return 1 };
    let (mut count, mut total) = (1, first.len());
    for (other, bytes) in waiting[1..].iter().flatten() {
        total += bytes.len();
        if other != to || bytes.len() > first.len() || bytes.is_empty() || total > MAX_RUN {
            break;
        }
        count += 1;
        if bytes.len() < first.len() {
            break;
        }
    }
    count
}

/// How many of them were sent: one at least, or an error of the first.
#[allow(unsafe_code)] // a system call
fn send(by: &Socket, waiting: &[Option<(SocketAddr, &[u8])>]) -> io::Result<usize> {
    // SAFETY: all of these are plain data of C, for which zeros are values
    let (mut names, mut parts, mut segments, mut messages) = unsafe {
        (
            mem::zeroed::<[Name; BUDGET]>(),
            mem::zeroed::<[libc::iovec; BUDGET]>(),
            mem::zeroed::<[Segment; BUDGET]>(),
            mem::zeroed::<[libc::mmsghdr; BUDGET]>(),
        )
    };
    for (part, (_, bytes)) in parts.iter_mut().zip(waiting.iter().flatten()) {
        part.iov_base = bytes.as_ptr().cast_mut().cast();
        part.iov_len = bytes.len();
    }
    let (mut rest, mut left, mut count) = (waiting, &mut parts[..], 0);
    let mut runs = [0; BUDGET];
    for (((name, segment), message), run_of) in
        names.iter_mut().zip(&mut segments).zip(&mut messages).zip(&mut runs)
    {
        let Some(Some((to, bytes))) = rest.first() else { break };
        *run_of = if by.runs.get() { run(rest) } else { 1 };
        let (these, others) = left.split_at_mut(*run_of);
        let head = &mut message.msg_hdr;
        head.msg_namelen = name.write(*to);
        head.msg_name = ptr::from_mut(name).cast();
        head.msg_iov = these.as_mut_ptr();
        head.msg_iovlen = *run_of as _;
        if *run_of > 1 {
            // shorter than a slot
            segment.length = bytes.len() as u16;
            segment.head.cmsg_level = libc::SOL_UDP;
            segment.head.cmsg_type = libc::UDP_SEGMENT;
            segment.head.cmsg_len = (mem::offset_of!(Segment, length) + size_of::<u16>()) as _;
            head.msg_control = ptr::from_mut(segment).cast();
            head.msg_controllen = size_of::<Segment>() as _;
        }
        (rest, left) = (&rest[*run_of..], others);
        count += 1;
    }
    // musl's own sendmmsg is one call for each message where pointers have 64 bits
    // SAFETY: each message points to a name, to a run of parts and to its segment, each part to bytes that are only
    // read, and all of these outlive the call
    let sent = unsafe {
        libc::syscall(libc::SYS_sendmmsg, by.udp.as_raw_fd(), messages.as_mut_ptr(), count as libc::c_uint, 0)
    };
    let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
    Ok(runs[..sent].iter().sum())
}

/// Whether the kernel knows of runs: an older one would send them as one datagram.
#[allow(unsafe_code)] // a system call
fn knows_runs(socket: &UdpSocket) -> bool {
    let (none, size) = (0 as libc::c_int, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: it reads one number, which outlives the call
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            ptr::from_ref(&none).cast(),
            size,
        )
    };
    set == 0
}

#[allow(unsafe_code)] // one of two forms, told apart by their family
impl Name {
    fn read(&self) -> Option<SocketAddr> {
        // SAFETY: the family stands at the same place in both forms, and every bit pattern is a value of both
        let (family, v4, v6) = unsafe { (libc::c_int::from(self.v4.sin_family), self.v4, self.v6) };
        match family {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
            }
            libc::AF_INET6 => {
                let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
                let port = u16::from_be(v6.sin6_port);
                Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
            }
            _ => None,
        }
    }

    /// How many bytes of it count.
    fn write(&mut self, to: SocketAddr) -> libc::socklen_t {
        match to {
            SocketAddr::V4(to) => {
                // SAFETY: plain data of C, for which zeros are a value
                let mut v4: libc::sockaddr_in = unsafe { mem::zeroed() };
                v4.sin_family = libc::AF_INET as libc::sa_family_t;
                v4.sin_port = to.port().to_be();
                v4.sin_addr.s_addr = u32::from_ne_bytes(to.ip().octets());
                self.v4 = v4;
                size_of::<libc::sockaddr_in>() as libc::socklen_t
            }
            SocketAddr::V6(to) => {
                // SAFETY: plain data of C, for which zeros are a value
                let mut v6: libc::sockaddr_in6 = unsafe { mem::zeroed() };
                v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                v6.sin6_port = to.port().to_be();
                v6.sin6_addr.s6_addr = to.ip().octets();
                v6.sin6_flowinfo = to.flowinfo();
                v6.sin6_scope_id = to.scope_id();
                self.v6 = v6;
                size_of::<libc::sockaddr_in6>() as libc::socklen_t
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, future)
    }

    fn socket(address: &str) -> Option<(Rc<Socket>, SocketAddr)> {
        let socket = Socket::new(bind(address.parse().unwrap()).ok()?);
        let at = socket.udp().local_addr().unwrap();
        Some((socket, at))
    }

    /// What comes to a socket, until it is so many: with how many calls, and everything.
    async fn received(socket: &Socket, count: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let (mut inbox, mut all) = (Inbox::default(), Vec::new());
        while all.len() < count {
            socket.udp().readable().await.unwrap();
            inbox.receive(socket);
            all.extend(
                inbox
                    .datagrams()
                    .map(|(from, slot, length)| (from, slot[HEADROOM..HEADROOM + length].to_vec())),
            );
        }
        all
    }

    /// Three pictures, each of packets of one length and a shorter one, to two places in turn; and empty ones.
    fn burst(to: [SocketAddr; 2]) -> Vec<(SocketAddr, Vec<u8>)> {
        let lengths = (0..60).map(|n: u8| (n, if n % 10 == 9 { 500 } else { 1000 + usize::from(n / 10) }));
        let mut all: Vec<_> =
            lengths.map(|(n, length)| (to[usize::from(n / 20) % 2], vec![n; length])).collect();
        all.insert(7, (to[0], Vec::new()));
        all.push((to[1], vec![9; MAX_DATAGRAM]));
        all
    }

    async fn everything_arrives(by: &Rc<Socket>, from: SocketAddr, to: &str) {
        let ((one, at_one), (other, at_other)) = (socket(to).unwrap(), socket(to).unwrap());
        let burst = burst([at_one, at_other]);
        let mut outgoing = Outgoing::default();
        for (to, bytes) in &burst {
            outgoing.push(by, *to, bytes);
        }
        assert_eq!(outgoing.flush(), 0);
        for (socket, at) in [(one, at_one), (other, at_other)] {
            let sent: Vec<_> =
                burst.iter().filter(|(to, _)| *to == at).map(|(_, b)| (from, b.clone())).collect();
            assert!(received(&socket, sent.len()).await == sent, "all of them, in order");
        }
    }

    #[test]
    fn a_burst_arrives_as_it_was_pushed_over_either_family() {
        run(async {
            for address in ["127.0.0.1:0", "[::1]:0"] {
                // a machine without IPv6 tests IPv4 only
                let Some((by, from)) = socket(address) else { continue };
                let runs = by.runs.get();
                everything_arrives(&by, from, address).await;
                assert_eq!(by.runs.get(), runs, "loopback cuts runs where the kernel does");
            }
        });
    }

    #[test]
    #[allow(unsafe_code)] // a system call
    fn where_runs_are_not_cut_datagrams_go_one_by_one() {
        run(async {
            let (by, from) = socket("127.0.0.1:0").unwrap();
            let on: libc::c_int = 1;
            // without checksums the kernel refuses runs, as it does for an interface that cannot make them
            // SAFETY: it reads one number, which outlives the call
            let set = unsafe {
                libc::setsockopt(
                    by.udp.as_raw_fd(),
                    libc::SOL_SOCKET,
                    libc::SO_NO_CHECK,
                    ptr::from_ref(&on).cast(),
                    4,
                )
            };
            assert_eq!(set, 0);
            everything_arrives(&by, from, "127.0.0.1:0").await;
            assert!(!by.runs.get());
        });
    }

    #[test]
    fn what_cannot_be_sent_is_counted_and_the_others_go() {
        run(async {
            let ((by, from), (to, at)) = (socket("127.0.0.1:0").unwrap(), socket("127.0.0.1:0").unwrap());
            let mut outgoing = Outgoing::default();
            for to in [at, "255.255.255.255:9".parse().unwrap(), at] {
                outgoing.push(&by, to, b"hello");
            }
            assert_eq!((outgoing.flush(), outgoing.flush()), (1, 0));
            assert_eq!(received(&to, 2).await, [(from, b"hello".to_vec()), (from, b"hello".to_vec())]);
        });
    }

    #[test]
    fn what_was_cut_is_nobodys() {
        run(async {
            let ((by, from), (to, at)) = (socket("127.0.0.1:0").unwrap(), socket("127.0.0.1:0").unwrap());
            by.udp().send_to(&[7; MAX_DATAGRAM + 1], at).await.unwrap();
            by.udp().send_to(b"whole", at).await.unwrap();
            assert_eq!(received(&to, 1).await, [(from, b"whole".to_vec())]);
        });
    }

    #[test]
    fn a_run_is_of_one_length_and_to_one_address() {
        let (here, there) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        let of = |all: &[(SocketAddr, usize)]| {
            let bytes = [0; MAX_DATAGRAM];
            let waiting: Vec<_> = all.iter().map(|(to, length)| Some((*to, &bytes[..*length]))).collect();
            super::run(&waiting)
        };
        assert_eq!(of(&[(here, 10), (here, 10), (here, 9), (here, 9)]), 3);
        assert_eq!(of(&[(here, 10), (here, 11)]), 1);
        assert_eq!(of(&[(here, 10), (here, 0)]), 1);
        assert_eq!(of(&[(here, 10), (there, 10)]), 1);
        assert_eq!(of(&[(here, MAX_DATAGRAM); BUDGET]), MAX_RUN / MAX_DATAGRAM);
    }
}
