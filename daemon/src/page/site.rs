//! What every visitor shares, and by which door each came in.
//!
//! Made by `run.rs`, read by the page server and `ws.rs`.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
};

use tokio::sync::mpsc;

use super::place::Place;
use crate::{event::Event, outbox::Waiting};

/// What pages have done, for the control socket.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests answered.
    pub requests: Cell<u32>,
    /// WebSockets that are open now.
    pub sockets: Cell<u32>,
    /// WebSockets refused because there were too many.
    pub refused: Cell<u32>,
}

/// What every visitor needs. One for the daemon, shared as `Rc`.
#[derive(Debug)]
pub struct Site {
    /// Where events go.
    pub events: mpsc::Sender<Event>,
    /// The port of the page, for the link on the explaining page.
    pub https_port: u16,
    /// SHA-256 of the certificate that browsers are shown; changes with it.
    pub fingerprint: RefCell<String>,
    /// At which of our names pages should be.
    pub place: RefCell<Place>,
    /// What pages have done.
    pub counters: Counters,
    /// Bytes of messages that wait to be written.
    pub waiting: Waiting,
    /// The last `PageId`.
    pub(super) last: Cell<u32>,
}

impl Site {
    /// No visitors yet.
    pub fn new(events: mpsc::Sender<Event>, https_port: u16, fingerprint: String) -> Self {
        Self {
            events,
            https_port,
            fingerprint: RefCell::new(fingerprint),
            place: RefCell::default(),
            counters: Counters::default(),
            waiting: Waiting::default(),
            last: Cell::new(0),
        }
    }
}

/// By which door a visitor came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// TLS: the page.
    Https,
    /// Plain, on a listener that only this machine reaches: the page (loopback is a secure context).
    Loopback,
    /// Plain, on the network: why there will be a warning, and the way to the page.
    Explain,
}

/// One connection.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// The visitor's address.
    pub remote: SocketAddr,
    /// The address of ours that it reached.
    pub local: SocketAddr,
    /// By which door.
    pub door: Door,
}
