//! STUN and TURN, opened on the addresses that there are now and as the owner has decided.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::task;
use truca_core::stun::{Change, Discovery};
use truca_core::turn::{self, Policy, Secrets, Via};

use super::Running;
use crate::host::config::Config;
use crate::host::interfaces;
use crate::listen;
use crate::mesh::batch::{self, Socket};
use crate::mesh::ice::{Path, relay_addresses, stream};
use crate::mesh::stun;
use crate::task::spawn;

/// What serves STUN and TURN at an address.
pub(super) struct Serving {
    via: Via,
    socket: Rc<Socket>,
    udp: task::JoinHandle<io::Result<()>>,
    tcp: Option<task::JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Answers STUN on every address that there is now.
    pub(super) fn serve_stun(&mut self) {
        if self.config.stun_port == 0 {
            return;
        }
        let ips = interfaces::stun_addresses(&self.config.listen);
        let (first, second) = (self.config.stun_port, self.config.stun_other_port);
        let two = |ip: &&IpAddr| second != 0 && self.other_address(**ip, &ips).is_some();
        let others = ips.iter().filter(two).map(|ip| SocketAddr::new(*ip, second));
        let wanted: Vec<SocketAddr> =
            ips.iter().map(|ip| SocketAddr::new(*ip, first)).chain(others).collect();
        self.stun.retain(|address, serving| {
            let keep = wanted.contains(address) && !serving.udp.is_finished();
            if !keep {
                serving.udp.abort();
                if let Some(tcp) = &serving.tcp {
                    tcp.abort();
                }
                self.ice.remove(serving.via);
            }
            keep
        });
        let mut failed = Vec::new();
        for address in wanted {
            if self.stun.contains_key(&address) {
                continue;
            }
            match batch::bind(address) {
                Ok(socket) => {
                    let socket = Socket::new(socket);
                    let via = self.ice.add_socket(socket.clone());
                    let udp = spawn(stun::serve(socket.clone(), via, self.ice.clone()));
                    let tcp = match listen::bind(address) {
                        // RFC 5780 is for UDP
                        _ if address.port() != first => None,
                        Ok(listener) => Some(spawn(stream::listen(listener, self.ice.clone()))),
                        Err(error) => {
                            failed.push(format!("no TURN over TCP: {error}"));
                            None
                        }
                    };
                    self.stun.insert(address, Serving { via, socket, udp, tcp });
                }
                Err(error) => failed.push(format!("no STUN on UDP {address}: {error}")),
            }
        }
        self.trouble("no_stun", (!failed.is_empty()).then(|| failed.join("; ")));
        let path = |own: &SocketAddr| {
            let port = if own.port() == first { second } else { first };
            let discovery =
                Discovery { origin: *own, other: SocketAddr::new(self.other_address(own.ip(), &ips)?, port) };
            let at = |ip, port| Some(self.stun.get(&discovery.from(Change { ip, port }))?.socket.clone());
            let others = [at(true, false)?, at(false, true)?, at(true, true)?];
            Some((*own, Path { discovery, others }))
        };
        self.ice.set_paths(self.stun.keys().filter_map(path));
    }

    /// Another address of ours that others know, for those who ask at this one.
    fn other_address(&self, own: IpAddr, served: &[IpAddr]) -> Option<IpAddr> {
        let known = interfaces::addresses(&self.config.addresses, &self.config.listen);
        let like = |ip: &IpAddr| {
            *ip != own && ip.is_ipv4() == own.is_ipv4() && ip.is_loopback() == own.is_loopback()
        };
        known.into_iter().find(|ip| like(ip) && served.contains(ip))
    }

    /// Relays, and grants pages to, if the owner wants it and there is an address to relay at.
    pub(super) fn serve_turn(&mut self) {
        let now = self.now();
        let Config { turn, addresses, listen, stun_port, .. } = &self.config;
        let known = interfaces::addresses(addresses, listen);
        let (ipv4, ipv6) = relay_addresses(&known);
        if !turn.enabled || *stun_port == 0 || ipv4.is_none() && ipv6.is_none() {
            self.ice.set_turn(None, [0; 32]);
            if self.grants.take().is_some() {
                self.node.set_turn(now, None);
            }
            return;
        }
        let own = interfaces::own_addresses();
        let policy = Policy { allowed: turn.allow.clone(), refused: turn.deny.clone(), own };
        let (first, last) = turn.ports;
        let settings = turn::Settings { ipv4, ipv6, ports: first..=last, policy, limits: turn.limits };
        let told = match &mut self.grants {
            Some(secrets) if now < secrets.rotates_at() => secrets.clone(),
            Some(secrets) => {
                secrets.rotate(now, &random());
                let secrets = secrets.clone();
                self.node.set_turn(now, Some(secrets.clone()));
                secrets
            }
            None => {
                let secrets = self.grants.insert(Secrets::new(now, &random())).clone();
                self.node.set_turn(now, Some(secrets.clone()));
                secrets
            }
        };
        self.ice.set_turn(Some((settings, told)), random());
    }
}

/// Random bytes.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // without random numbers no token would be safe: better no daemon than that
    SystemRandom::new().fill(&mut bytes).expect("random numbers");
    bytes
}
