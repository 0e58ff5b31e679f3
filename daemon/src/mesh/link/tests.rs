//! Frames in pieces, too large, and cut off; deadlines in virtual time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::sign::CertifiedKey;
use tokio::{
    io::{DuplexStream, ReadBuf, duplex},
    task::{JoinHandle, LocalSet, spawn_local},
};

use super::*;
use crate::outbox::Outbox;
use crate::tls::provider::{P256Key, signing_key};

/// Not a point of anybody; links report whatever the handshake has proven.
const POINT: NodePoint = [4; 65];

struct Peer {
    wire: DuplexStream,
    events: mpsc::Receiver<Event>,
    out: Outbox<LinkOut>,
    links: Rc<Links>,
    task: JoinHandle<()>,
}

fn links() -> (Rc<Links>, mpsc::Receiver<Event>) {
    let (sender, events) = mpsc::channel(4);
    let key = Arc::new(P256Key::from_pkcs8(&P256Key::generate_pkcs8().unwrap()).unwrap());
    let key = Arc::new(CertifiedKey::new(Vec::new(), signing_key(key)));
    (Rc::new(Links::new(sender, Rc::new(Tls::new(&key, &key).unwrap()))), events)
}

async fn open() -> Peer {
    let (links, mut events) = links();
    let (wire, ours) = duplex(1 << 17);
    let remote = "10.1.1.1:8443".parse().unwrap();
    let task = spawn_local(serve(Stream::Memory(ours), POINT, remote, false, links.clone()));
    let Some(Event::LinkOpened { out, point: POINT, dialled: false, .. }) = events.recv().await else {
        panic!("the first event is LinkOpened");
    };
    Peer { wire, events, out, links, task }
}

impl Peer {
    /// The frames that came, up to `LinkClosed`; nothing follows it.
    async fn frames_until_closed(mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            match self.events.recv().await.expect("the channel outlives the link") {
                Event::LinkFrame { frame, .. } => frames.push(frame),
                Event::LinkClosed { .. } => break,
                other => panic!("unexpected {other:?}"),
            }
        }
        self.task.await.unwrap();
        assert_eq!(self.links.counters.open.get(), 0);
        assert!(self.events.try_recv().is_err());
        frames
    }
}

fn framed(frame: &[u8]) -> Vec<u8> {
    [&(frame.len() as u32).to_be_bytes(), frame].concat()
}

#[tokio::test]
async fn frames_that_come_byte_by_byte_arrive_whole() {
    LocalSet::new()
        .run_until(async {
            let mut peer = open().await;
            let large = vec![7; MAX_FRAME];
            for byte in [framed(b"hola"), framed(b"")].concat() {
                peer.wire.write_all(&[byte]).await.unwrap();
                tokio::task::yield_now().await;
            }
            peer.wire.write_all(&framed(&large)).await.unwrap();
            peer.wire.shutdown().await.unwrap();
            let links = peer.links.clone();
            assert_eq!(peer.frames_until_closed().await, [b"hola".to_vec(), Vec::new(), large]);
            assert_eq!(links.counters.bytes_in.get(), (4 + 4 + 4 + 4 + MAX_FRAME) as u64);
        })
        .await;
}

#[tokio::test]
async fn a_frame_announced_as_too_large_closes_the_link_and_is_counted() {
    LocalSet::new()
        .run_until(async {
            let mut peer = open().await;
            peer.wire.write_all(&framed(b"ok")).await.unwrap();
            peer.wire.write_all(&(MAX_FRAME as u32 + 1).to_be_bytes()).await.unwrap();
            let links = peer.links.clone();
            assert_eq!(peer.frames_until_closed().await, [b"ok".to_vec()]);
            assert_eq!(links.counters.oversize.get(), 1);
        })
        .await;
}

#[tokio::test]
async fn a_link_cut_within_a_frame_closes_without_it() {
    LocalSet::new()
        .run_until(async {
            let mut peer = open().await;
            peer.wire.write_all(&framed(b"whole")).await.unwrap();
            peer.wire.write_all(&[0, 0, 1, 0, b'x']).await.unwrap();
            peer.wire.shutdown().await.unwrap();
            assert_eq!(peer.frames_until_closed().await, [b"whole".to_vec()]);
        })
        .await;
}

/// Gives a byte or more at each read, and notes how much memory it was offered for them.
struct Trickle {
    bytes: Vec<u8>,
    given: usize,
    a_read: usize,
    /// What had been given before each read, and the room that it found.
    rooms: Vec<(usize, usize)>,
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (given, room) = (self.given, buffer.remaining());
        self.rooms.push((given, room));
        let next = self.a_read.min(room).min(self.bytes.len() - given);
        buffer.put_slice(&self.bytes[given..given + next]);
        self.given += next;
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn an_announced_length_takes_no_memory_before_its_bytes_come() {
    for (a_read, length) in [(100, MAX_FRAME), (1, 3_000), (usize::MAX, MAX_FRAME)] {
        let mut wire = Trickle { bytes: framed(&vec![7; length]), given: 0, a_read, rooms: Vec::new() };
        let frame = read_frame(&mut wire, &Counters::default()).await.unwrap().unwrap();
        assert_eq!((frame.len(), frame.capacity()), (length, length));
        for (given, room) in wire.rooms {
            // the room that is free and what has come are what is allocated
            let come = given.saturating_sub(4);
            assert!(room <= come.max(FIRST_READ), "{room} bytes are waiting for more when {come} have come");
        }
    }
    // and one that never comes costs no more than that
    let mut wire =
        Trickle { bytes: (MAX_FRAME as u32).to_be_bytes().to_vec(), given: 0, a_read: 4, rooms: Vec::new() };
    assert!(read_frame(&mut wire, &Counters::default()).await.is_err());
    assert_eq!(wire.rooms, [(0, 4), (4, FIRST_READ)]);
}

#[tokio::test]
async fn what_is_queued_before_close_is_sent() {
    LocalSet::new()
        .run_until(async {
            let mut peer = open().await;
            for frame in [b"one".to_vec(), vec![0; MAX_FRAME + 1], b"two".to_vec()] {
                peer.out.try_send(LinkOut::Frame(frame)).unwrap();
            }
            peer.out.try_send(LinkOut::Close).unwrap();
            let mut sent = Vec::new();
            peer.wire.read_to_end(&mut sent).await.unwrap();
            // The one over the limit is our own bug: it is logged, and the link lives.
            assert_eq!(sent, [framed(b"one"), framed(b"two")].concat());
            assert_eq!(peer.links.counters.bytes_out.get(), 14);
            peer.frames_until_closed().await;
        })
        .await;
}

#[tokio::test]
async fn a_node_that_drops_the_sender_closes_the_link() {
    LocalSet::new()
        .run_until(async {
            let mut peer = open().await;
            let (unused, _inlet) = outbox::open(&Waiting::default());
            drop(std::mem::replace(&mut peer.out, unused));
            peer.frames_until_closed().await;
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_closed_after_20_seconds() {
    LocalSet::new()
        .run_until(async {
            let peer = open().await;
            let before = tokio::time::Instant::now();
            for _ in 0..3 {
                peer.out.try_send(LinkOut::Frame(vec![0; MAX_FRAME])).unwrap();
            }
            peer.frames_until_closed().await;
            assert_eq!(before.elapsed().as_secs(), 20);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_cut_off_ends_at_once_and_holds_nothing() {
    LocalSet::new()
        .run_until(async {
            let mut peer = open().await;
            let before = tokio::time::Instant::now();
            for _ in 0..8 {
                peer.out.try_send(LinkOut::Frame(vec![0; MAX_FRAME])).unwrap();
            }
            assert!(peer.links.waiting.bytes() > 8 * MAX_FRAME);
            let (unused, _inlet) = outbox::open(&Waiting::default());
            std::mem::replace(&mut peer.out, unused).cut();
            assert_eq!(peer.links.waiting.bytes(), 0);
            peer.frames_until_closed().await;
            assert_eq!(before.elapsed().as_secs(), 0);
        })
        .await;
}

#[tokio::test]
async fn both_sides_can_send_much_at_once() {
    LocalSet::new()
        .run_until(async {
            // Both nodes write 1 MiB into pipes of 4 KiB: if one waited for its write, both would for ever.
            let (one, two) = duplex(4096);
            let mut ends = Vec::new();
            for wire in [one, two] {
                let (links, mut events) = links();
                let remote = "10.1.1.1:8443".parse().unwrap();
                spawn_local(serve(Stream::Memory(wire), POINT, remote, false, links));
                ends.push(spawn_local(async move {
                    let Some(Event::LinkOpened { out, .. }) = events.recv().await else { panic!() };
                    for _ in 0..16 {
                        out.try_send(LinkOut::Frame(vec![1; MAX_FRAME])).unwrap();
                    }
                    for _ in 0..16 {
                        let Some(Event::LinkFrame { frame, .. }) = events.recv().await else { panic!() };
                        assert_eq!(frame.len(), MAX_FRAME);
                    }
                    (out, events)
                }));
            }
            for end in ends {
                timeout(Duration::from_secs(5), end).await.unwrap().unwrap();
            }
        })
        .await;
}

#[tokio::test]
async fn dialling_where_nobody_listens_is_a_failed_dial() {
    LocalSet::new()
        .run_until(async {
            let (links, mut events) = links();
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            dial(address, &links);
            let Some(Event::DialFailed { remote, why }) = events.recv().await else { panic!() };
            assert_eq!(remote, address);
            assert!(why.contains("refused"), "{why}");
        })
        .await;
}
