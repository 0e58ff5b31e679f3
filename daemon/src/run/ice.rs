//! STUN and TURN, opened on the addresses that there are now and as the owner has decided.

use std::io;
use std::net::SocketAddr;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::task;
use truca_core::turn::{self, Policy, Secrets, Via};

use super::Running;
use crate::host::config::Config;
use crate::host::interfaces;
use crate::listen;
use crate::mesh::batch::Socket;
use crate::mesh::ice::{relay_addresses, stream};
use crate::mesh::stun;
use crate::task::spawn;

/// What serves STUN and TURN at an address.
pub(super) struct Serving {
    via: Via,
    udp: task::JoinHandle<io::Result<()>>,
    tcp: Option<task::JoinHandle<io::Result<()>>>,
}

impl Running {
    /// Answers STUN on every address that there is now.
    pub(super) fn serve_stun(&mut self) {
        if self.config.stun_port == 0 {
            return;
        }
        let wanted: Vec<SocketAddr> = interfaces::stun_addresses(&self.config.listen)
            .into_iter()
            .map(|ip| SocketAddr::new(ip, self.config.stun_port))
            .collect();
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
            match stun::bind(address) {
                Ok(socket) => {
                    let socket = Socket::new(socket);
                    let via = self.ice.add_socket(socket.clone());
                    let udp = spawn(stun::serve(socket, via, self.ice.clone()));
                    let tcp = match listen::bind(address) {
                        Ok(listener) => Some(spawn(stream::listen(listener, self.ice.clone()))),
                        Err(error) => {
                            failed.push(format!("no TURN over TCP: {error}"));
                            None
                        }
                    };
                    self.stun.insert(address, Serving { via, udp, tcp });
                }
                Err(error) => failed.push(format!("no STUN on UDP {address}: {error}")),
            }
        }
        self.trouble("no_stun", (!failed.is_empty()).then(|| failed.join("; ")));
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
