//! The node: a switchboard between the doors and the rooms. It owns the rooms and the ground on which they stand,
//! hands what comes in to the room that it is for, and sees to what a room wants of the others.
//!
//! Sans-IO like the cores: the runtime (`run.rs`) and the simulation drive it by `handle` calls with a time,
//! and carry out what [`Node::poll_output`] says. Randomness and signatures come from [`Keys`].
//!
//! A room sees the [`ground`] (the directory, the membership, who is here, what is due) and names no other room
//! (`daemon/tests/rooms.rs` holds that): what it wants of others it *says* ([`said`]), and here it is done. [`links`] talks to
//! other nodes; [`records`] compares directories and holds records until they are checked; [`pages`] has the sockets and
//! sessions of browsers; [`people`] signs them in; [`linking`] lets new devices in; [`calls`] translates between calls
//! and the two wires; [`servers`] chooses STUN and grants relaying; [`owner`] does what the owner says.

pub mod admin;
pub mod admission;
mod admit;
mod bans;
mod calls;
mod ground;
mod learn;
mod linking;
mod links;
pub mod news;
mod own;
pub mod owner;
mod pages;
mod people;
mod records;
pub(crate) mod report;
mod requests;
mod said;
mod saving;
pub mod servers;
pub mod state;
mod telephones;
mod who;

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;
use truca_core::Time;
use truca_core::directory::sync::gossip_key;
use truca_core::directory::{Directory, Limits};
use truca_core::gossip::Gossip;
use truca_core::ice::Side;
use truca_core::id::NodeId;
use truca_core::sorted::{Map, Set};
use truca_core::turn::Secrets;
use truca_core::wire::node::Frame;

use crate::event::{LinkId, NodePoint};
use admin::{Answer, Arguments, Call, Refusal};
use ground::Ground;
pub use ground::{Keys, Settings};
pub use said::Output;
use said::{Happened, Job, Said};
use servers::Way;
use state::Saved;

/// One node.
pub struct Node {
    ground: Ground,
    links: links::Links,
    records: records::Records,
    pages: pages::Pages,
    linking: linking::Linking,
    calls: calls::Calls,
    servers: servers::Servers,
    owner: owner::Owner,
}

impl Node {
    /// A node that starts now with what it saved last time.
    pub fn new(now: Time, keys: Box<dyn Keys>, settings: Settings, saved: Saved) -> Self {
        let id = NodeId::of_point(&keys.point());
        let mut seed = [0; 8];
        keys.random(&mut seed);
        let secret = keys.agreement_secret();
        let generation = saved.generation.wrapping_add(1);
        // what the owner allows at home says nothing of other homes: all directories must agree
        let defaults = Limits::default();
        let accounts_per_home = defaults.accounts_per_home.max(settings.max_accounts);
        let directory = Directory::new(id, Limits { accounts_per_home, ..defaults });
        let gossip = Gossip::new(id, generation, secret, u64::from_be_bytes(seed), gossip_key)
            .of_community(settings.admission.community());
        let own = own::Own::new(now, &*keys, &settings, &saved, Gossip::agreement(secret));
        let (bans, owner) = owner::Owner::new(saved.owner);
        let mut node = Self {
            ground: Ground::new(keys, settings, id, own, (directory, gossip), bans),
            links: links::Links::default(),
            records: records::Records::default(),
            pages: pages::Pages::default(),
            linking: linking::Linking::new(saved.passwords),
            calls: calls::Calls::default(),
            servers: servers::Servers::default(),
            owner,
        };
        let ground = &mut node.ground;
        let own = ground.own.encoded();
        ground.learn(now, &own);
        for account in &saved.accounts {
            ground.learn(now, account);
        }
        node.links.peers(ground, now);
        for peer in saved.neighbours {
            node.links.candidate(ground, now, peer, None, "saved");
        }
        node.hear(now);
        node.records.start(&mut node.ground, now);
        let saved = node.to_save();
        node.ground.outputs.push_front(Output::Save(saved));
        node.ground.own.saving.give(now);
        node
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.ground.id
    }

    /// The directory, to look at.
    pub fn directory(&self) -> &Directory {
        &self.ground.directory
    }

    /// The members that are alive, this node included.
    pub fn alive(&self) -> &Set<NodeId> {
        &self.ground.alive
    }

    /// The addresses of this node, best first.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.ground.settings.addresses
    }

    /// Those of them that other nodes tell too: a gateway's, which is another router elsewhere.
    pub fn shared_addresses(&self) -> Vec<IpAddr> {
        let others = || self.ground.directory.nodes().filter(|node| node.id() != self.ground.id);
        let told = |address: &&IpAddr| others().any(|node| node.body.addresses.contains(address));
        self.addresses().iter().filter(told).copied().collect()
    }

    /// How often a member was declared dead, as far as this node heard.
    pub fn deaths(&self) -> u32 {
        self.ground.deaths
    }

    /// STUN of other nodes to which the ways should be looked up, nearest first.
    pub fn stun_elsewhere(&self) -> Vec<SocketAddr> {
        self.servers.stun_elsewhere(&self.ground)
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.ground.outputs.pop_front()?;
        self.ground.traffic.count(&output);
        Some(output)
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        let jobs = self.ground.jobs.first().map(|(at, _)| *at);
        [jobs, self.ground.gossip.poll_timeout(), self.calls.poll_timeout()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.ground.gossip.handle_timeout(now);
        self.calls.timeout(now);
        while let Some(&(at, job)) = self.ground.jobs.first().filter(|(at, _)| *at <= now) {
            self.ground.not_due(at, job);
            self.due(now, job);
            self.hear(now);
        }
        self.settle(now);
    }

    fn due(&mut self, now: Time, job: Job) {
        let ground = &mut self.ground;
        match job {
            Job::Windows => {
                ground.windows_due(now);
                self.servers.update(ground);
                self.pages.update(ground, now, None);
            }
            Job::Session(session) => self.pages.session_due(ground, now, session),
            Job::Dial(address) => self.links.dial_due(ground, now, address),
            Job::LinkIdle(link) => {
                let needed = self.links.other(link).is_some_and(|id| self.calls.need(id));
                self.links.link_idle(ground, now, link, needed);
            }
            Job::Reach(id) => self.calls.reach_due(ground, id),
            Job::Learn => self.records.learn_some(ground, now),
            Job::Prove => self.records.prove_due(ground, now),
            Job::Sync => self.records.sync_due(ground, now),
            Job::Wishes => self.linking.wishes_due(ground, now),
            Job::Renew => {
                if ground.restarts() {
                    self.pages.end_sessions(ground, now);
                }
                ground.renew_due(now);
            }
            Job::Save => {
                if ground.save_due(now) {
                    let saved = self.to_save();
                    self.ground.put(Output::Save(saved));
                }
            }
        }
    }

    /// Does what rooms want of one another, until none wants anything.
    fn hear(&mut self, now: Time) {
        while let Some(said) = self.ground.said.pop_front() {
            let ground = &mut self.ground;
            match said {
                Said::Deliver(id, frame) => self.links.deliver(ground, now, id, frame),
                Said::Undeliverable(id, Frame::Call(frame)) => self.calls.undeliverable(now, id, *frame),
                Said::Undeliverable(id, Frame::Devices(frame)) => {
                    self.linking.undeliverable(ground, id, &frame);
                }
                // nothing else waits
                Said::Undeliverable(..) => {}
                Said::Send(link, frame) => self.links.send_frame(ground, now, link, &frame),
                Said::Close(link) => self.links.close_link(ground, now, link),
                Said::MakeRoom(id) => self.links.make_room(ground, now, id, &self.calls.needed()),
                Said::Reach(id) => self.links.reach_for_call(ground, now, id),
                Said::Compare(id) => match self.links.to(id) {
                    Some(link) => self.records.compare(ground, link),
                    None if self.links.may_reach() => self.links.reach(ground, now, id, None, true),
                    // when half a mesh comes back at once, what one of them has the others mostly have too
                    None => self.records.sync_soon(ground, now),
                },
                Said::CompareOver(link) => self.records.compare(ground, link),
                Said::Candidate(at, source) => self.links.candidate(ground, now, at, None, source),
                Said::Arrived(record) => self.records.take_in(ground, now, record, None),
                Said::Tell(session, event) => self.pages.tell_call(ground, now, session, event),
                Said::Expel(session, reason) => self.pages.expel(ground, now, session, reason),
                Said::Happened(happened) => self.happened(now, &happened),
            }
        }
    }

    fn happened(&mut self, now: Time, happened: &Happened) {
        let ground = &mut self.ground;
        self.records.happened(ground, now, happened);
        self.pages.happened(ground, happened);
        self.calls.happened(ground, now, happened);
        self.linking.happened(ground, happened);
        self.servers.happened(happened);
        self.links.happened(ground, now, happened);
    }

    /// Moves what rooms and cores have to say to where it belongs, until they are quiet.
    fn settle(&mut self, now: Time) {
        loop {
            self.hear(now);
            if let Some(output) = self.ground.gossip.poll_output() {
                self.ground.on_gossip(now, output);
            } else if !self.calls.settle(&mut self.ground, now) {
                break;
            }
        }
        self.calls.news(&mut self.ground);
    }

    fn to_save(&self) -> Saved {
        let mut saved = self.ground.to_save();
        saved.neighbours = self.links.neighbours(&self.ground);
        self.owner.save(&self.ground, &mut saved);
        self.linking.save(&mut saved);
        saved
    }

    // What drivers tell.

    /// A membership datagram came in.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, payload: &[u8]) {
        self.ground.datagram(now, from, payload);
        self.settle(now);
    }

    /// Somebody may be listening at this address.
    pub fn candidate(&mut self, now: Time, address: SocketAddr, id: Option<NodeId>, source: &'static str) {
        self.links.candidate(&mut self.ground, now, address, id, source);
    }

    /// The owner wants a link to this address, and to nobody else than `id` there.
    pub fn peer(&mut self, now: Time, address: SocketAddr, id: Option<NodeId>) {
        self.links.peer(&mut self.ground, now, address, id);
    }

    /// A link that [`Output::Dial`] asked for could not be opened.
    pub fn dial_failed(&mut self, now: Time, remote: SocketAddr, why: &str) {
        self.links.dial_failed(&mut self.ground, now, remote, why);
        self.settle(now);
    }

    /// A link is open; the other side has proven that it has the key `point`.
    pub fn link_opened(
        &mut self,
        now: Time,
        link: LinkId,
        point: &NodePoint,
        remote: SocketAddr,
        dialled: bool,
    ) {
        self.links.link_opened(&mut self.ground, now, link, point, remote, dialled);
        self.settle(now);
    }

    /// A frame came over a link. One that does not read closes it.
    pub fn link_frame(&mut self, now: Time, link: LinkId, bytes: &[u8]) {
        let ground = &mut self.ground;
        if let Some((from, frame)) = self.links.link_frame(ground, now, link, bytes) {
            let understood = match frame {
                Frame::Call(frame) => {
                    self.calls.frame(ground, now, from, *frame);
                    true
                }
                Frame::Devices(frame) => self.linking.frame(ground, now, from, *frame),
                frame => self.records.frame(ground, now, (link, from), frame),
            };
            if !understood {
                self.links.misread(ground, now, link, from);
            }
        }
        self.settle(now);
    }

    /// A link is gone.
    pub fn link_closed(&mut self, now: Time, link: LinkId) {
        self.links.link_closed(&mut self.ground, now, link);
        self.settle(now);
    }

    /// The states that [`Output::Save`] gave out are on flash, up to the one of this number, from 1 on.
    pub fn saved(&mut self, number: u32) {
        self.ground.saved(number);
    }

    /// What was to be saved could not be: it is tried again.
    pub fn save_failed(&mut self, now: Time) {
        self.ground.save_soon(now);
    }

    // What the owner wants.

    /// The addresses or the name of this node changed, or who may be a member.
    pub fn set_settings(&mut self, now: Time, settings: Settings) {
        if settings.admission != self.ground.settings.admission {
            self.admit_anew(now, settings.admission.clone());
        }
        let ground = &mut self.ground;
        if settings.trusted != ground.settings.trusted {
            self.servers.grant_anew(ground, now);
        }
        ground.set_settings(now, settings);
        self.links.peers(ground, now);
        self.settle(now);
    }

    /// What relaying is granted by; `None` while this node does not relay.
    pub fn set_turn(&mut self, now: Time, secrets: Option<Secrets>) {
        self.servers.set_turn(&mut self.ground, now, secrets);
    }

    /// By which interfaces other nodes are reached, and what these are called.
    pub fn set_sides(&mut self, now: Time, sides: Map<IpAddr, Side>, names: Map<Side, String>) {
        self.servers.set_sides(&mut self.ground, now, sides, names);
    }

    /// What was found out of the ways of LANs into the mesh; `None`: the owner wants nobody to be told.
    pub fn set_ways(&mut self, now: Time, ways: Option<Vec<Way>>) {
        self.servers.set_ways(&mut self.ground, now, ways);
    }

    /// Says goodbye: to members, so that nobody has to find out, and to pages, which come back.
    pub fn stop(&mut self, now: Time) {
        self.ground.gossip.leave(now);
        self.pages.stop(&mut self.ground);
        self.settle(now);
        let saved = self.to_save();
        self.ground.put(Output::Save(saved));
    }

    /// Does what a method says, when the node is the one to do it.
    ///
    /// # Errors
    /// Why it was not done; then nothing has changed. [`Refusal::Method`] for what the runtime answers.
    pub fn administer(&mut self, now: Time, call: Call, arguments: &Arguments) -> Answer {
        let ground = &mut self.ground;
        let answer = match call {
            Call::Status => self.status(now),
            Call::Members => self.links.members(ground),
            Call::Links => self.links.view(ground, now),
            Call::Accounts => ground.accounts(arguments.text("filter"), arguments.number("limit")),
            Call::Sessions => self.pages.sessions(ground, now),
            Call::Ice => self.servers.decisions(ground),
            Call::AccountSet | Call::AccountDelete | Call::Bans | Call::Ban | Call::Unban | Call::Reports => {
                self.owner.administer(ground, now, call, arguments)?
            }
            Call::Discovery | Call::Stun | Call::Settings | Call::Reload => return Err(Refusal::Method),
        };
        self.settle(now);
        Ok(answer)
    }

    fn status(&self, now: Time) -> Value {
        let mut status = self.ground.status(now);
        let (sockets, requests, refusals) = self.pages.status();
        status["sockets"] = sockets.into();
        status["calls"] = self.calls.status().into();
        status["links"] = self.links.len().into();
        let counters = &mut status["counters"];
        counters["page_requests"] = requests.into();
        counters["page_refusals"] = refusals.into();
        counters["records_dropped"] = self.records.status().into();
        counters["devices"] = serde_json::json!(self.linking.status());
        status
    }
}

#[cfg(test)]
mod tests;
