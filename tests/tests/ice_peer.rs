//! Our STUN and TURN as an ICE agent that is not ours sees them (`webrtc-ice`): it gathers what a browser gathers, and
//! two of them that have nothing but relays reach each other.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page::Page;
use webrtc_ice::agent::Agent;
use webrtc_ice::agent::agent_config::AgentConfig;
use webrtc_ice::candidate::{Candidate, CandidateType};
use webrtc_ice::network_type::NetworkType;
use webrtc_ice::url::Url;
use webrtc_util::Conn as _;

type Found = Arc<dyn Candidate + Send + Sync>;

/// The servers of a page that signed in, as the agent takes them.
async fn servers(node: &Daemon, name: &str) -> (Page, Vec<Url>) {
    let mut page = Page::open(node.page()).await.unwrap();
    let signed_in = page.sign_in(name).await.unwrap();
    let text = |server: &Value, field: &str| server[field].as_str().unwrap_or_default().to_owned();
    let mut all = Vec::new();
    for server in signed_in["ice"].as_array().unwrap() {
        for url in server["urls"].as_array().unwrap() {
            let mut url = Url::parse_url(url.as_str().unwrap()).unwrap();
            (url.username, url.password) = (text(server, "username"), text(server, "credential"));
            all.push(url);
        }
    }
    (page, all)
}

/// An agent, and all that it has gathered.
async fn agent(urls: Vec<Url>, types: &[CandidateType], is_controlling: bool) -> (Arc<Agent>, Vec<Found>) {
    let config = AgentConfig {
        urls,
        network_types: vec![NetworkType::Udp4],
        candidate_types: types.to_vec(),
        is_controlling,
        include_loopback: true,
        // what is slow to be accepted is all that there is
        relay_acceptance_min_wait: Some(Duration::ZERO),
        ..AgentConfig::default()
    };
    let agent = Arc::new(Agent::new(config).await.unwrap());
    let (tell, mut told) = mpsc::unbounded_channel();
    agent.on_candidate(Box::new(move |found| {
        let tell = tell.clone();
        Box::pin(async move { drop(tell.send(found)) })
    }));
    agent.gather_candidates().unwrap();
    let mut all = Vec::new();
    // the last is none
    while let Some(found) = timeout(Duration::from_secs(20), told.recv()).await.unwrap().unwrap() {
        all.push(found);
    }
    (agent, all)
}

#[tokio::test]
async fn an_agent_gathers_its_reflexive_address_and_a_relay() {
    let node = Daemon::start(Options::default()).unwrap();
    let (_page, urls) = servers(&node, "anna").await;
    let types = [CandidateType::ServerReflexive, CandidateType::Relay];
    let (agent, found) = agent(urls, &types, true).await;
    let all: Vec<String> = found.iter().map(|found| found.marshal()).collect();
    let of = |kind| found.iter().filter(move |found| found.candidate_type() == kind);
    assert!(of(CandidateType::ServerReflexive).count() >= 1, "{all:?}");
    assert!(of(CandidateType::ServerReflexive).all(|found| found.address() == "127.0.0.1"), "{all:?}");
    assert!(of(CandidateType::Relay).any(|found| (24576..=24831).contains(&found.port())), "{all:?}");
    agent.close().await.unwrap();
}

#[tokio::test]
async fn two_agents_with_relays_alone_reach_each_other() {
    let node = Daemon::start(Options::default()).unwrap();
    let (_anna, one) = servers(&node, "anna").await;
    let (_biel, other) = servers(&node, "biel").await;
    let (one, ones) = agent(one, &[CandidateType::Relay], true).await;
    let (other, others) = agent(other, &[CandidateType::Relay], false).await;
    for (agent, found) in [(&one, &others), (&other, &ones)] {
        assert!(!found.is_empty());
        for candidate in found {
            let read =
                webrtc_ice::candidate::candidate_base::unmarshal_candidate(&candidate.marshal()).unwrap();
            let read: Found = Arc::new(read);
            agent.add_remote_candidate(&read).unwrap();
        }
    }
    let (ones, others) = (one.get_local_user_credentials().await, other.get_local_user_credentials().await);
    let ((_stay, cancel), (_stay_too, cancel_too)) = (mpsc::channel(1), mpsc::channel(1));
    let both = async {
        let (dialled, accepted) =
            tokio::join!(one.dial(cancel, others.0, others.1), other.accept(cancel_too, ones.0, ones.1));
        (dialled.unwrap(), accepted.unwrap())
    };
    let (dialled, accepted) = timeout(Duration::from_secs(30), both).await.unwrap();
    for n in 0..100_u8 {
        let mut heard = [0; 2048];
        dialled.send(&[n; 1000]).await.unwrap();
        let length = timeout(Duration::from_secs(5), accepted.recv(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard[..length], [n; 1000]);
        accepted.send(&[n; 10]).await.unwrap();
        let length = timeout(Duration::from_secs(5), dialled.recv(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard[..length], [n; 10]);
    }
    let pair = one.get_selected_candidate_pair().unwrap().to_string();
    assert_eq!(pair.matches("relay").count(), 2, "{pair}");
    let counters = node.ctl("stun").unwrap()["turn"]["counters"].clone();
    assert!(counters["to_peers"].as_u64().unwrap() >= 200, "{counters:#}");
    assert!(counters["to_clients"].as_u64().unwrap() >= 200, "{counters:#}");
    one.close().await.unwrap();
    other.close().await.unwrap();
}
