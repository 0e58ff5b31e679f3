//! Deadlines and limits of a connection, in virtual time. Files, ALPN and sockets are in `daemon/tests/http.rs`.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    task::{LocalSet, spawn_local},
    time::sleep,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};

use super::*;
use crate::event::{Event, PageOut};
use crate::page::place::Place;

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: casa\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn visit(door: Door) -> (DuplexStream, mpsc::Receiver<Event>, Rc<Site>) {
    let (sender, events) = mpsc::channel(2);
    let site = Rc::new(Site::new(sender, 8443, "AB:CD".to_owned()));
    (visit_site(door, &site), events, site)
}

/// A further connection to a site.
fn visit_site(door: Door, site: &Rc<Site>) -> DuplexStream {
    let (wire, ours) = duplex(4096);
    let address = "10.1.1.1:8443".parse().unwrap();
    let visit = Visit { remote: address, local: address, door };
    let requests = serve(Stream::Memory(ours), visit, site.clone());
    spawn_local(async move {
        if let Some(socket) = requests.await {
            socket.run().await;
        }
    });
    wire
}

/// Everything until the end of the connection.
async fn rest(wire: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    wire.read_to_end(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_drop_by_drop_is_answered_408_after_ten_seconds() {
    LocalSet::new()
        .run_until(async {
            let (mut wire, _events, _) = visit(Door::Https);
            let before = Instant::now();
            for byte in b"\r\nGET / HT" {
                wire.write_all(&[*byte]).await.unwrap();
                sleep(Duration::from_millis(900)).await;
            }
            let answer = rest(&mut wire).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
            assert_eq!(before.elapsed().as_secs(), 10);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_page_is_led_from_a_shared_address_to_the_nodes_own_but_its_files_are_not() {
    LocalSet::new()
        .run_until(async {
            for (host, path, status) in [
                ("thisnode.info:8443", "/", "307 "),
                ("thisnode.info:8443", "/no-such-file", "404 "),
                ("10.1.1.1:8443", "/no-such-file", "404 "),
            ] {
                let (mut wire, _events, site) = visit(Door::Https);
                *site.place.borrow_mut() = Place {
                    shared: vec!["thisnode.info".to_owned()],
                    addresses: vec!["10.1.1.1".parse().unwrap()],
                    ..Place::default()
                };
                let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
                wire.write_all(head.as_bytes()).await.unwrap();
                let answer = rest(&mut wire).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{host}{path}: {answer}");
                assert_eq!(answer.contains("Location: https://10.1.1.1:8443/\r\n"), status == "307 ");
            }
        })
        .await;
}

#[test]
fn only_names_of_this_machine_are_served_in_the_clear() {
    for own in [
        "localhost",
        "LocalHost:18080",
        "127.0.0.1:8080",
        "127.0.0.2",
        "[::1]",
        "[::1]:8080",
        "a.localhost:1",
    ] {
        assert!(is_this_machine(own), "{own}");
    }
    for other in [
        "",
        "casa:8080",
        "evil.example",
        "10.1.1.1:8080",
        "localhost.evil.example",
        "127.0.0.1.evil:80",
        "[::2]",
    ] {
        assert!(!is_this_machine(other), "{other}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_closed_without_words_sooner_on_a_new_connection() {
    LocalSet::new()
        .run_until(async {
            let (mut wire, _events, _) = visit(Door::Https);
            let before = Instant::now();
            assert_eq!(rest(&mut wire).await, "");
            assert_eq!(before.elapsed().as_secs(), 10);

            let (mut wire, _events, _) = visit(Door::Https);
            let before = Instant::now();
            wire.write_all(b"HEAD / HTTP/1.1\r\nHost: casa\r\n\r\n").await.unwrap();
            let answer = rest(&mut wire).await;
            assert!(answer.contains("Connection: keep-alive"), "{answer}");
            assert_eq!(before.elapsed().as_secs(), 30);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_reading_is_closed() {
    LocalSet::new()
        .run_until(async {
            let (mut wire, _events, site) = visit(Door::Explain);
            let before = Instant::now();
            for _ in 0..9 {
                wire.write_all(b"GET / HTTP/1.1\r\nHost: casa\r\n\r\n").await.unwrap();
            }
            while Rc::strong_count(&site) > 1 {
                sleep(Duration::from_secs(1)).await;
            }
            assert!(before.elapsed() < Duration::from_secs(35));
        })
        .await;
}

#[tokio::test]
async fn the_hundredth_request_is_the_last() {
    LocalSet::new()
        .run_until(async {
            let (wire, _events, site) = visit(Door::Https);
            let (mut reader, mut writer) = tokio::io::split(wire);
            spawn_local(async move {
                for _ in 0..101 {
                    let _ = writer.write_all(b"HEAD /none HTTP/1.1\r\nHost: casa\r\n\r\n").await;
                }
            });
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).await.unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.matches("HTTP/1.1 404 ").count(), 100);
            assert_eq!(text.matches("Connection: close").count(), 1);
            assert_eq!(site.counters.requests.get(), 100);
        })
        .await;
}

#[tokio::test]
async fn a_head_over_8_kib_is_answered_431() {
    LocalSet::new()
        .run_until(async {
            let (mut wire, _events, _) = visit(Door::Https);
            let head = format!("GET / HTTP/1.1\r\nHost: casa\r\nX: {}", "x".repeat(MAX_HEAD));
            wire.write_all(head.as_bytes()).await.unwrap();
            let answer = rest(&mut wire).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        })
        .await;
}

#[test]
fn the_end_of_a_head_is_found_wherever_it_was_cut() {
    let head = b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest";
    for cut in 0..head.len() {
        let expected = (cut >= 24).then_some(24);
        assert_eq!(end_of_head(&head[..cut], 0), expected);
        if cut < 24 {
            assert_eq!(end_of_head(head, cut), Some(24), "cut at {cut}");
        }
    }
    assert_eq!(end_of_head(b"GET / HTTP/1.1\n\nrest", 0), Some(16));
}

/// Upgrades, and gives the page's end of the socket.
async fn socket(wire: DuplexStream) -> WebSocketStream<DuplexStream> {
    let mut wire = wire;
    wire.write_all(UPGRADE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(wire.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    WebSocketStream::from_raw_socket(wire, Role::Client, None).await
}

#[tokio::test(start_paused = true)]
async fn a_silent_page_is_asked_every_20_seconds_and_closed_after_45() {
    LocalSet::new()
        .run_until(async {
            let (wire, mut events, site) = visit(Door::Https);
            let socket = socket(wire).await;
            let before = Instant::now();
            let Some(Event::PageOpened { out: _out, .. }) = events.recv().await else { panic!() };
            // Not polled, so no pong is sent.
            assert!(matches!(events.recv().await, Some(Event::PageClosed { .. })));
            assert_eq!(before.elapsed().as_secs(), 45);
            drop(socket);
            sleep(Duration::from_secs(3)).await;
            assert_eq!(site.counters.sockets.get(), 0);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_answers_pings_stays() {
    LocalSet::new()
        .run_until(async {
            let (wire, mut events, _site) = visit(Door::Https);
            let mut socket = socket(wire).await;
            let pings = spawn_local(async move {
                let mut pings = 0;
                while let Ok(Some(Ok(message))) = timeout(Duration::from_secs(30), socket.next()).await {
                    pings += u32::from(message.is_ping());
                    if pings == 10 {
                        break;
                    }
                }
                pings
            });
            let Some(Event::PageOpened { out, .. }) = events.recv().await else { panic!() };
            assert_eq!(pings.await.unwrap(), 10);
            drop(out);
        })
        .await;
}

#[tokio::test]
async fn a_full_node_makes_the_page_wait_and_loses_nothing() {
    LocalSet::new()
        .run_until(async {
            let (wire, mut events, _site) = visit(Door::Https);
            let mut socket = socket(wire).await;
            let Some(Event::PageOpened { out, .. }) = events.recv().await else { panic!() };
            let sender = spawn_local(async move {
                for number in 0..200 {
                    socket.send(Message::text(format!("{number:0>500}"))).await.unwrap();
                }
                socket
            });
            // 100 kB are on the way; the queue holds 2 events and the pipe 4 KiB.
            sleep(Duration::from_millis(20)).await;
            assert!(!sender.is_finished());
            for number in 0..200 {
                let Some(Event::PageText { text, .. }) = events.recv().await else { panic!() };
                assert_eq!(text.trim_start_matches('0').parse().unwrap_or(0), number);
            }
            let _socket = sender.await.unwrap();
            drop(out);
        })
        .await;
}

#[tokio::test]
async fn what_is_queued_goes_out_before_the_close_and_long_text_in_pieces() {
    LocalSet::new()
        .run_until(async {
            let (wire, mut events, _site) = visit(Door::Https);
            let mut socket = socket(wire).await;
            let Some(Event::PageOpened { out, .. }) = events.recv().await else { panic!() };
            let long = "è".repeat(50_000);
            out.try_send(PageOut::Text(long.clone())).unwrap();
            out.try_send(PageOut::Text(String::new())).unwrap();
            out.try_send(PageOut::Close(4001)).unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(long));
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(""));
            let Message::Close(Some(frame)) = socket.next().await.unwrap().unwrap() else { panic!() };
            assert_eq!(u16::from(frame.code), 4001);
            assert!(matches!(events.recv().await, Some(Event::PageClosed { .. })));
            assert!(events.try_recv().is_err());
        })
        .await;
}

#[tokio::test]
async fn binary_and_oversize_messages_close_with_their_codes() {
    LocalSet::new()
        .run_until(async {
            let cases = [
                (Message::Binary(Bytes::from_static(b"x")), 1003),
                (Message::text("x".repeat(ws::MAX_MESSAGE + 1)), 1009),
            ];
            for (message, code) in cases {
                let (wire, mut events, _site) = visit(Door::Https);
                let (mut sink, mut stream) = socket(wire).await.split();
                spawn_local(async move {
                    let _ = sink.send(message).await;
                    sleep(Duration::from_secs(1)).await;
                });
                let Some(Event::PageOpened { out: _out, .. }) = events.recv().await else { panic!() };
                let Message::Close(Some(frame)) = stream.next().await.unwrap().unwrap() else { panic!() };
                assert_eq!(u16::from(frame.code), code);
                assert!(matches!(events.recv().await, Some(Event::PageClosed { .. })));
            }
        })
        .await;
}

#[tokio::test]
async fn the_largest_message_arrives_even_when_it_comes_with_the_request() {
    LocalSet::new()
        .run_until(async {
            let (mut wire, mut events, _site) = visit(Door::Https);
            let text = "x".repeat(ws::MAX_MESSAGE);
            let mut bytes = UPGRADE.as_bytes().to_vec();
            // A masked text frame whose mask is zero.
            bytes.extend_from_slice(&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
            bytes.extend_from_slice(text.as_bytes());
            wire.write_all(&bytes).await.unwrap();
            let Some(Event::PageOpened { out: _out, .. }) = events.recv().await else { panic!() };
            let Some(Event::PageText { text: got, .. }) = events.recv().await else { panic!() };
            assert_eq!(got, text);
        })
        .await;
}

#[tokio::test]
async fn the_513th_socket_is_refused_with_words() {
    LocalSet::new()
        .run_until(async {
            let (_, mut events, site) = visit(Door::Https);
            let mut open = Vec::new();
            // each is a socket that has been upgraded and whose page the node knows
            for n in 0..ws::MAX_SOCKETS {
                let mut wire = visit_site(Door::Https, &site);
                wire.write_all(UPGRADE.as_bytes()).await.unwrap();
                let Some(Event::PageOpened { page, out, .. }) = events.recv().await else { panic!("{n}") };
                let mut answer = [0; 12];
                wire.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"HTTP/1.1 101", "socket {n}");
                open.push((wire, page, out));
            }
            assert_eq!(site.counters.refused.get(), 0);
            let mut last = visit_site(Door::Https, &site);
            last.write_all(UPGRADE.replace("Upgrade\r", "Upgrade, close\r").as_bytes()).await.unwrap();
            let answer = rest(&mut last).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert_eq!(site.counters.refused.get(), 1);
            // one that goes leaves its place
            drop(open.pop());
            let Some(Event::PageClosed { .. }) = events.recv().await else { panic!("it is gone") };
            let mut wire = visit_site(Door::Https, &site);
            wire.write_all(UPGRADE.as_bytes()).await.unwrap();
            let Some(Event::PageOpened { out: _out, .. }) = events.recv().await else {
                panic!("it has a place")
            };
        })
        .await;
}
