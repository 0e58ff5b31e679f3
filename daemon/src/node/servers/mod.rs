//! The STUN servers for a page: our own, our own word on how the mesh sees it, and that of other nodes.
//!
//! Which other nodes are given is decided in [`truca_core::ice::choice`], from what membership measures and from
//! the ways that the driver has asked the kernel for ([`Servers::set_sides`]); what clients of a LAN can be told, in
//! [`truca_core::ice::masquerade`] ([`Servers::set_ways`]). What relaying a page is granted, too.

use std::net::{IpAddr, SocketAddr};

use truca_core::Time;
use truca_core::directory::record::Key;
use truca_core::ice::choice::{Candidate, choose};
use truca_core::ice::masquerade::Verdict;
use truca_core::ice::{Lan, Side};
use truca_core::id::NodeId;
use truca_core::name::Address;
use truca_core::signal::call::SessionId;
use truca_core::sorted::Map;
use truca_core::turn::Secrets;
use truca_core::wire::page::{IceServer, Notice};

use super::ground::Ground;
use super::said::Happened;

mod decisions;

/// How many nodes' ways the driver is asked for: the nearest, among which those on other sides are, since each
/// side begins with a neighbour.
pub const MAX_LOOKED_UP: usize = 32;

/// One way of a LAN into the mesh, and what was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The LAN.
    pub lan: Lan,
    /// Its interface.
    pub from: String,
    /// The interface that leads into the mesh.
    pub to: String,
    /// What becomes of packets.
    pub verdict: Verdict,
    /// Where clients of the LAN are told so, while they are.
    pub at: Option<SocketAddr>,
}

/// What pages are told of.
#[derive(Debug, Default)]
pub(super) struct Servers {
    sides: Map<IpAddr, Side>,
    names: Map<Side, String>,
    /// By kind of address.
    chosen: Map<Kind, Vec<(NodeId, SocketAddr)>>,
    /// Ways are others than when it was chosen.
    stale: bool,
    /// What relaying is granted by, while this node relays.
    turn: Option<Secrets>,
    /// Counts what was granted before this, so that pages are told of what is new.
    grants: u32,
    /// What each session was told.
    told: Map<SessionId, Told>,
    /// `None`: the owner does not want clients to be told.
    ways: Option<Vec<Way>>,
}

/// What a session was told.
#[derive(Debug)]
struct Told {
    /// The address of ours that the page reached, from which it can reach our STUN too.
    local: IpAddr,
    /// Its own address, as we see it.
    client: IpAddr,
    stun: Vec<SocketAddr>,
    /// [`Servers::grants`] when it was granted relaying.
    granted: u32,
}

/// Addresses that can reach one another: of one family, and both on loopback or both not.
type Kind = (bool, bool);

fn kind(ip: IpAddr) -> Kind {
    (ip.is_ipv6(), ip.is_loopback())
}

impl Servers {
    /// STUN of other nodes to which the ways should be looked up, nearest first.
    pub(super) fn stun_elsewhere(&self, ground: &Ground) -> Vec<SocketAddr> {
        let chosen = self.chosen.values().flatten().map(|(_, at)| *at);
        let mut found: Vec<SocketAddr> = chosen.collect();
        let mut candidates: Vec<_> = self.stun_candidates(ground).collect();
        candidates.sort_by_key(|(_, one)| (one.rtt_ms.unwrap_or(u32::MAX), one.server));
        for (_, Candidate { server: (_, at), .. }) in candidates {
            if found.len() >= MAX_LOOKED_UP {
                break;
            }
            if !found.contains(&at) {
                found.push(at);
            }
        }
        found
    }

    /// By which interfaces other nodes are reached, and what these are called.
    pub(super) fn set_sides(
        &mut self,
        ground: &mut Ground,
        now: Time,
        sides: Map<IpAddr, Side>,
        names: Map<Side, String>,
    ) {
        (self.sides, self.names) = (sides, names);
        self.stale = true;
        ground.windows_soon(now);
    }

    /// What was found out of the ways of LANs into the mesh; `None`: the owner wants nobody to be told.
    pub(super) fn set_ways(&mut self, ground: &mut Ground, now: Time, ways: Option<Vec<Way>>) {
        if self.ways != ways {
            self.ways = ways;
            ground.windows_soon(now);
        }
    }

    /// What relaying is granted by; `None` while this node does not relay.
    pub(super) fn set_turn(&mut self, ground: &mut Ground, now: Time, secrets: Option<Secrets>) {
        self.turn = secrets;
        self.grant_anew(ground, now);
    }

    /// What was granted is not what would be granted now.
    pub(super) fn grant_anew(&mut self, ground: &mut Ground, now: Time) {
        self.grants = self.grants.wrapping_add(1);
        ground.windows_soon(now);
    }

    /// What a page is told when it has signed in, or come back: it is at `client`, and reached us at `local`.
    pub(super) fn enter(
        &mut self,
        ground: &mut Ground,
        session: SessionId,
        (local, client): (IpAddr, IpAddr),
        account: &Address,
    ) -> Vec<IceServer> {
        self.choose_servers(ground);
        let stun = self.stun_for(ground, local, client);
        let servers = self.ice_for(ground, &stun, local, session, account);
        self.told.insert(session, Told { local, client, stun, granted: self.grants });
        servers
    }

    /// What others have said and done that matters here.
    pub(super) fn happened(&mut self, happened: &Happened) {
        if let Happened::Over(session) | Happened::Moved(session) = happened {
            self.told.remove(session);
        }
    }

    /// Tells pages for which something is new.
    pub(super) fn update(&mut self, ground: &mut Ground) {
        self.choose_servers(ground);
        // what is granted is computed for those only for whom something is new
        let mut news = Vec::new();
        for (session, told) in &self.told {
            let Some(known) = ground.who.session(*session) else { continue };
            let Some(page) = known.page else { continue };
            let stun = self.stun_for(ground, told.local, told.client);
            if stun != told.stun || told.granted != self.grants {
                let servers = self.ice_for(ground, &stun, told.local, *session, &known.own.address);
                news.push((*session, page, stun, servers));
            }
        }
        for (session, page, stun, servers) in news {
            if let Some(told) = self.told.get_mut(&session) {
                (told.stun, told.granted) = (stun, self.grants);
            }
            ground.tell(page, &Notice::Ice { servers });
        }
    }

    /// Chooses anew, when something has changed.
    fn choose_servers(&mut self, ground: &mut Ground) {
        let stale = std::mem::take(&mut self.stale);
        if !std::mem::take(&mut ground.moved) && !stale {
            return;
        }
        let mut found: Map<Kind, Vec<Candidate<(NodeId, SocketAddr)>>> = Map::new();
        for (kind, candidate) in self.stun_candidates(ground) {
            found.entry(kind).or_default().push(candidate);
        }
        let before = std::mem::take(&mut self.chosen);
        let choose = |(kind, candidates): (Kind, Vec<_>)| {
            (kind, choose(&candidates, before.get(&kind).map_or(&[], Vec::as_slice)))
        };
        self.chosen = found.into_iter().map(choose).collect();
    }

    /// Every member that offers STUN, for each kind of address that it has.
    fn stun_candidates<'a>(
        &'a self,
        ground: &'a Ground,
    ) -> impl Iterator<Item = (Kind, Candidate<(NodeId, SocketAddr)>)> + 'a {
        ground.alive.iter().filter(|id| **id != ground.id).flat_map(move |id| {
            let body = ground.directory.node(id).map(|record| &record.body);
            let body = body.filter(|b| b.stun_port > 0 && ground.directory.is_checked(&Key::Node(*id)));
            let at = body.and_then(|_| Some(ground.gossip.address(*id)?.ip()));
            // where it was heard; and where it says that it is, for pages of the other family
            let mut others = body.into_iter().flat_map(|body| body.addresses.iter().copied());
            let usable = |ip: &IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
            let other = at.and_then(|at| {
                let ours = &ground.settings.addresses;
                others.find(|ip| ip.is_ipv6() != at.is_ipv6() && usable(ip) && !ours.contains(ip))
            });
            let (rtt_ms, loss_pct) = ground.gossip.measures(*id);
            let port = body.map_or(0, |body| body.stun_port);
            [at, other].into_iter().flatten().filter(usable).map(move |ip| {
                let side = self.sides.get(&ip).copied();
                (kind(ip), Candidate { server: (*id, SocketAddr::new(ip, port)), side, rtt_ms, loss_pct })
            })
        })
    }

    /// The STUN servers for a page at `client` that reached us at `local`: our own there, which makes browsers show
    /// real addresses; our own word on how the mesh sees it, where that is certain; and other nodes', which see the
    /// page from outside its router.
    fn stun_for(&self, ground: &Ground, local: IpAddr, client: IpAddr) -> Vec<SocketAddr> {
        let ways = self.ways.iter().flatten();
        let told = ways.filter_map(|way| match client {
            IpAddr::V4(client) if way.lan.has_client(client) => way.at,
            _ => None,
        });
        let chosen = self.chosen.get(&kind(local)).into_iter().flatten().map(|(_, at)| *at);
        own_stun(ground, local).into_iter().chain(told).chain(chosen).collect()
    }

    /// These, and our own TURN with what this session is granted.
    fn ice_for(
        &self,
        ground: &Ground,
        stun: &[SocketAddr],
        local: IpAddr,
        session: SessionId,
        account: &Address,
    ) -> Vec<IceServer> {
        let server = |urls, username, credential| IceServer { urls, username, credential };
        let mut servers: Vec<IceServer> =
            stun.iter().map(|at| server(vec![format!("stun:{at}")], None, None)).collect();
        if let (Some(own), Some(secrets)) = (own_stun(ground, local), &self.turn) {
            // stands for the account in the quota: who could choose it would share somebody else's
            let hash = ring::digest::digest(&ring::digest::SHA256, account.to_string().as_bytes());
            let tag = hash.as_ref().iter().take(8).fold(0, |tag, byte| tag << 8 | u64::from(*byte));
            let (user, password) = secrets.grant(session.0, tag);
            let mut urls = ["udp", "tcp"].map(|by| format!("turn:{own}?transport={by}")).to_vec();
            // a browser asks nobody whether to trust a certificate here
            let trusted = ground.settings.trusted.as_ref();
            urls.extend(trusted.map(|host| format!("turns:{host}:{}?transport=tcp", ground.settings.port)));
            servers.push(server(urls, Some(user), Some(password)));
        }
        servers
    }
}

/// Our own STUN and TURN, for a page that reached us at `local`.
fn own_stun(ground: &Ground, local: IpAddr) -> Option<SocketAddr> {
    (ground.settings.stun_port > 0).then(|| SocketAddr::new(local, ground.settings.stun_port))
}

#[cfg(test)]
mod tests;
