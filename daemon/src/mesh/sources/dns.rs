//! Looks for `_truca._tcp` in the zones of some domains: for networks with classical routing, where nothing else
//! tells who is there. Every [`PERIOD`]; a server that does not answer is asked again after [`RETRY`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};
use truca_core::discovery::host::{self, Family};
use truca_core::discovery::srv::{self, Target};
use truca_core::discovery::{Bad, Heard, Hint, MAX_ADDRESSES};

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

/// Asks one server after the other for the services of a domain.
async fn look_up(domain: &str, servers: &[SocketAddr]) -> Result<Vec<Target>, String> {
    let question = srv::question(random_id()?, domain).ok_or("it is no domain name")?;
    ask_all(&question, servers, srv::answer).await
}

/// The addresses of a host: the file `hosts`, else the servers of `resolv.conf`.
pub async fn addresses(host: &str) -> Result<Vec<IpAddr>, String> {
    let file = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let mut found = host::of_hosts(&file, host);
    if !found.is_empty() {
        return Ok(found);
    }
    let servers = system_servers();
    let mut failed = None;
    for family in [Family::V4, Family::V6] {
        let question = host::question(random_id()?, host, family).ok_or("it is no host name")?;
        // a server that fails at one family may have answered for the other
        match ask_all(&question, &servers, host::answer).await {
            Ok(more) => found.extend(more),
            Err(why) => failed = Some(why),
        }
    }
    failed.filter(|_| found.is_empty()).map_or(Ok(found), Err)
}

/// Who does not see the question cannot answer it: the port is the system's choice, and this is random too.
fn random_id() -> Result<u16, String> {
    let mut id = [0; 2];
    SystemRandom::new().fill(&mut id).map_err(|_| "no random numbers")?;
    Ok(u16::from_be_bytes(id))
}

async fn ask_all<T>(
    question: &[u8],
    servers: &[SocketAddr],
    read: fn(&[u8], &[u8]) -> Result<T, Bad>,
) -> Result<T, String> {
    let mut why = String::from("there is no name server to ask");
    for server in servers.iter().take(MAX_SERVERS) {
        match timeout(PATIENCE, ask(question, *server)).await {
            Ok(Ok(answer)) => match read(question, &answer) {
                Ok(read) => return Ok(read),
                Err(bad) => why = format!("{server}: {bad}"),
            },
            Ok(Err(error)) => why = format!("{server}: {error}"),
            Err(_) => why = format!("{server} does not answer"),
        }
    }
    Err(why)
}

/// What a server answers to the question.
async fn ask(question: &[u8], server: SocketAddr) -> std::io::Result<Vec<u8>> {
    let any =
        if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; srv::MAX_ANSWER + 1];
    loop {
        let length = socket.recv(&mut answer).await?;
        // another id: somebody guesses, and the true answer may still come
        if answer[..length].starts_with(&question[..2]) {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

async fn resolve(target: &Target, heard: &mut Heard) {
    match addresses(&target.host).await {
        Ok(found) => heard.hints.extend(
            found
                .into_iter()
                .take(MAX_ADDRESSES)
                .map(|ip| Hint { port: Some(target.port), ..Hint::router(ip) }),
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
