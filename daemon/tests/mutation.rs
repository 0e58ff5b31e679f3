//! A link whose bytes are changed on the way.

#![allow(clippy::unwrap_used)] // a test that cannot go on says where

mod house;

use std::{
    cell::Cell,
    rc::Rc,
    sync::{Mutex, PoisonError},
};

use house::{House, house, local};
use log::{Level, LevelFilter, Log, Metadata, Record};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    task::spawn_local,
};
use trucad::{
    event::{Event, LinkOut},
    mesh::link,
};

/// Keeps warnings.
struct Warnings(Mutex<Vec<String>>);

static WARNINGS: Warnings = Warnings(Mutex::new(Vec::new()));

impl Log for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Carries bytes to a house, and changes the one that comes after as many as `flip` says.
async fn radio(to: &House, flip: Rc<Cell<Option<usize>>>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, to) = (listener.local_addr().unwrap(), to.tls);
    spawn_local(async move {
        while let Ok((near, _)) = listener.accept().await {
            let flip = flip.clone();
            let (mut near_read, mut near_write) = near.into_split();
            let (mut far_read, mut far_write) = TcpStream::connect(to).await.unwrap().into_split();
            spawn_local(async move {
                let mut buffer = [0; 2048];
                while let Ok(length @ 1..) = near_read.read(&mut buffer).await {
                    if let Some(after) = flip.get() {
                        if let Some(byte) = buffer[..length].get_mut(after) {
                            *byte ^= 0x10;
                            flip.set(None);
                        } else {
                            flip.set(Some(after - length));
                        }
                    }
                    if far_write.write_all(&buffer[..length]).await.is_err() {
                        break;
                    }
                }
            });
            spawn_local(async move { copy(&mut far_read, &mut near_write).await });
        }
    });
    address
}

#[tokio::test]
async fn a_link_with_any_byte_changed_is_closed_counted_and_logged_once() {
    log::set_logger(&WARNINGS).unwrap();
    log::set_max_level(LevelFilter::Warn);
    local(async {
        let (mut casa, mut torre) = (house("casa"), house("torre"));
        let flip = Rc::new(Cell::new(None));
        let through = radio(&torre, flip.clone()).await;
        let frame = b"a frame of a link".to_vec();
        // 5 bytes of TLS header, the frame and its length, a byte of content type, 16 of authenticator
        // (RFC 8446 section 5.2)
        let length = 5 + 4 + frame.len() + 1 + 16;
        let broken = |house: &House| house.shared.links.counters.broken.get();
        // bytes 1 and 2 are a version that must be ignored (RFC 8446 section 5.1): they say nothing
        for at in (0..=length).filter(|at| !(1..=2).contains(at)) {
            link::dial(through, &casa.shared.links);
            let Some(Event::LinkOpened { out, .. }) = casa.events.recv().await else { panic!() };
            let Some(Event::LinkOpened { out: _back, .. }) = torre.events.recv().await else { panic!() };
            flip.set((at < length).then_some(at));
            let before = broken(&torre);
            out.try_send(LinkOut::Frame(frame.clone())).unwrap();
            if at == length {
                assert!(
                    matches!(torre.events.recv().await, Some(Event::LinkFrame { .. })),
                    "unchanged it arrives"
                );
                break;
            }
            // a length that became larger is waited for: the end of the stream shows that it is missing
            out.try_send(LinkOut::Close).unwrap();
            let event = torre.events.recv().await;
            assert!(matches!(event, Some(Event::LinkClosed { .. })), "byte {at}: {event:?}");
            assert_eq!(broken(&torre), before + 1, "byte {at} is counted");
            assert!(matches!(casa.events.recv().await, Some(Event::LinkClosed { .. })));
        }
        let warnings = WARNINGS.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("was changed on the way"), "{warnings:?}");
    })
    .await;
}
