//! Looks for `_truca._tcp` in the zones of some domains: for networks with classical routing, where nothing else
//! tells who is there. Every [`PERIOD`]; a server that does not answer is asked again after [`RETRY`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::{UdpSocket, lookup_host};
use tokio::time::{sleep, timeout};
use truca_core::discovery::srv::{self, Target};
use truca_core::discovery::{Heard, Hint, MAX_ADDRESSES};

use super::{Ear, jittered};

/// How often.
const PERIOD: Duration = Duration::from_secs(10 * 60);
/// How long after nobody answered.
const RETRY: Duration = Duration::from_secs(60);
/// How long a server may take (resolv.conf's default).
const PATIENCE: Duration = Duration::from_secs(5);
/// Most servers that are asked (resolv.conf's `MAXNS`).
const MAX_SERVERS: usize = 3;

/// Looks until the task is dropped.
pub async fn listen(ear: Ear, domains: Vec<String>, servers: Vec<SocketAddr>) {
    loop {
        let servers = if servers.is_empty() { system_servers() } else { servers.clone() };
        let (mut heard, mut complete) = (Heard::default(), true);
        for domain in &domains {
            match look_up(domain, &servers).await {
                Ok(targets) => {
                    for target in targets {
                        resolve(&target, &mut heard).await;
                    }
                }
                Err(why) => {
                    complete = false;
                    ear.broken(format_args!("{domain}: {why}"));
                }
            }
        }
        // what was known stands while a server is silent: it was true a moment ago
        if complete {
            ear.heard(&heard);
        }
        sleep(jittered(if complete { PERIOD } else { RETRY })).await;
    }
}

/// Asks one server after the other.
async fn look_up(domain: &str, servers: &[SocketAddr]) -> Result<Vec<Target>, String> {
    let mut why = String::from("there is no name server to ask");
    for server in servers.iter().take(MAX_SERVERS) {
        match timeout(PATIENCE, ask(domain, *server)).await {
            Ok(Ok(targets)) => return Ok(targets),
            Ok(Err(error)) => why = format!("{server}: {error}"),
            Err(_) => why = format!("{server} does not answer"),
        }
    }
    Err(why)
}

/// The port is the system's choice and the id random: who does not see the question cannot answer it.
async fn ask(domain: &str, server: SocketAddr) -> Result<Vec<Target>, Box<dyn std::error::Error>> {
    let any =
        if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let mut id = [0; 2];
    SystemRandom::new().fill(&mut id).map_err(|_| "no random numbers")?;
    let question = srv::question(u16::from_be_bytes(id), domain).ok_or("it is no domain name")?;
    socket.send(&question).await?;
    let mut answer = [0; srv::MAX_ANSWER + 1];
    loop {
        let length = socket.recv(&mut answer).await?;
        match srv::answer(&question, &answer[..length]) {
            // somebody guesses: the true answer may still come
            Err(truca_core::discovery::Bad::Foreign) if answer[..2] != question[..2] => {}
            answer => return Ok(answer?),
        }
    }
}

async fn resolve(target: &Target, heard: &mut Heard) {
    match lookup_host((target.host.as_str(), target.port)).await {
        Ok(found) => heard.hints.extend(
            found.take(MAX_ADDRESSES).map(|at| Hint { port: Some(at.port()), ..Hint::router(at.ip()) }),
        ),
        Err(error) => {
            log::debug!("dns: {}: {error}", target.host);
            heard.skipped += 1;
        }
    }
}

/// The servers of `resolv.conf`.
fn system_servers() -> Vec<SocketAddr> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers =
        text.lines().filter_map(|line| line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok());
    servers.map(|ip| SocketAddr::new(ip, 53)).collect()
}
