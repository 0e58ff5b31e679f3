//! A router in a box: a MIPS board with a real kernel, our real package installed on its flash, and the people of a
//! village at it. `make router` (`tools/router.sh`) builds what it boots from and starts this in namespaces of its own.
//!
//! `docs/router.md` says what the box is and what it shows. The sentences follow each other: what one leaves behind,
//! the next one finds.

mod cuts;
mod machine;
mod network;
mod report;
mod village;

use std::{
    env,
    net::{Ipv4Addr, UdpSocket},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::time::sleep;
use truca_tests::{
    Result,
    daemon::{Daemon, Options},
    page::Page,
    visit::{converse, get, sees},
};

use cuts::Cuts;
use machine::Machine;
use report::{Report, median};
use village::Village;

const CASA: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const TORRE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 3);

/// Resident memory of a node at which nobody is (docs/sizes.md).
const IDLE_KIB: f64 = 2_048.0;
/// People at one router.
const PEOPLE: u8 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("router: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<bool> {
    let path = |name: &str| {
        env::var_os(name).map(PathBuf::from).ok_or(format!("{name} is not set: run make router"))
    };
    let (image, folder) = (path("ROUTER_IMAGE")?, path("ROUTER_FOLDER")?);
    if env::var_os("ROUTER_CONSOLE").is_some_and(|value| !value.is_empty()) {
        network::plug(&["casa"])?;
        println!("router: {CASA} in the network of process {}; Ctrl-A X switches it off", std::process::id());
        Machine::new("casa", CASA, &image, &folder)?.by_hand().await?;
        return Ok(true);
    }
    let cuts = Cuts::from_environment()?;
    let mut report = Report::new(path("ROUTER_OUT")?)?;
    println!("router: seed {}, {} power cuts", cuts.seed, cuts.count);
    network::plug(&["casa", "torre"])?;
    let mut casa = Machine::new("casa", CASA, &image, &folder)?;

    let began = casa.power_on().await;
    report.holds("a router that was never on boots, in 1970", began.and(in_1970(&mut casa).await));
    report.holds("the package installs itself and its node serves", installed(&mut casa, &report).await);
    report.holds("idle, it takes no more than 2,048 KiB", idle(&mut casa, &report).await);
    report.holds("the firewall lets in what is ours, and nothing else", firewall(&mut casa).await);
    report.holds("loaded twice, its rules are there once", firewall_twice(&mut casa).await);
    report.holds("the page loads, byte for byte", page(&casa, &report).await);
    report.holds("STUN tells a telephone its address", stun(&casa, &report));
    let mut village = Village::new(cuts.seed);
    report.holds(
        "a hundred people are at it, and two of them talk",
        people(&mut casa, &mut village, &report).await,
    );
    report.holds("a program that takes all memory does not take the node", hog(&mut casa).await);
    report.holds(
        "a node that the kernel has ended comes back, with its people",
        ended(&mut casa, &mut village).await,
    );
    report.holds(
        "people of two boxes and of a node outside ring each other",
        three(&casa, &image, &folder).await,
    );
    let survived = cuts.run(&mut casa, &mut village, &mut report).await?;
    report.figure("power_cuts_survived", survived.into(), "")?;
    Ok(report.all_held())
}

async fn in_1970(casa: &mut Machine) -> Result {
    let year = casa.run("date +%Y").await?;
    if year.trim() == "1970" { Ok(()) } else { Err(format!("it is {year}").into()) }
}

async fn installed(casa: &mut Machine, report: &Report) -> Result {
    casa.run("until grep -q 'ready:' /tmp/log/messages; do sleep 0.2; done").await?;
    let used = casa.run("df -k /overlay | tail -n 1 | awk '{ print $3 }'").await?;
    report.figure("flash_kib", used.trim().parse()?, "KiB")?;
    let user = casa.run("stat -c %U /proc/$(pidof trucad)").await?;
    if user.trim() != "truca" {
        return Err(format!("it runs as {user}").into());
    }
    Ok(())
}

/// Resident memory when two looks, a second apart, find the same.
async fn at_rest(casa: &mut Machine) -> Result<f64> {
    let (_, mut before) = casa.daemon().await?;
    for _ in 0..20 {
        sleep(Duration::from_secs(1)).await;
        let (_, now) = casa.daemon().await?;
        if (now - before).abs() < 0.5 {
            return Ok(now);
        }
        before = now;
    }
    Err(format!("its memory does not come to rest: {before} KiB").into())
}

/// Before anybody has been there.
async fn idle(casa: &mut Machine, report: &Report) -> Result {
    let kib = at_rest(casa).await?;
    report.figure("rss_kib_idle", kib, "KiB")?;
    if kib > IDLE_KIB { Err(format!("{kib} KiB").into()) } else { Ok(()) }
}

/// The owner's rules drop what they do not know, so that the page is reached at all shows that ours are before them.
async fn firewall(casa: &mut Machine) -> Result {
    drop(casa.first_page().await?);
    casa.run(
        "nc -l -p 9999 -e true & echo $! >/tmp/nc.pid; until cat /proc/net/tcp /proc/net/tcp6 | grep -q :270F; do sleep 0.1; done",
    )
    .await?;
    let other =
        tokio::time::timeout(Duration::from_secs(2), tokio::net::TcpStream::connect((casa.ip, 9999))).await;
    casa.run("kill $(cat /tmp/nc.pid)").await?;
    match other {
        Ok(Ok(_)) => Err("a port that is nobody's business is open".into()),
        _ => Ok(()),
    }
}

async fn firewall_twice(casa: &mut Machine) -> Result {
    let open = ". /lib/functions.sh; . /lib/functions/truca.sh; truca_plain_firewall open";
    let ours = "nft list ruleset | grep -c truca";
    let once = casa.run(ours).await?;
    casa.run(open).await?;
    casa.run(open).await?;
    let twice = casa.run(ours).await?;
    if once != twice {
        return Err(format!("first {once}, then {twice}\n{}", casa.run("nft list ruleset").await?).into());
    }
    drop(casa.first_page().await?);
    Ok(())
}

async fn page(casa: &Machine, report: &Report) -> Result {
    let mut script = Vec::new();
    let mut all = 0.0;
    for asset in trucad::page::assets::ASSETS {
        let from = Instant::now();
        let (head, body) = get(casa.page(), asset.path).await?;
        let ms = from.elapsed().as_secs_f64() * 1_000.0;
        if !head.starts_with("HTTP/1.1 200 OK\r\n") || body != asset.brotli {
            return Err(format!(
                "{}: {} bytes instead of {}\n{head}",
                asset.path,
                body.len(),
                asset.brotli.len()
            )
            .into());
        }
        all += ms;
        if asset.path.ends_with(".js") {
            script.push(ms);
        }
    }
    report.figure("page_ms", all, "ms")?;
    report.figure("script_ms", median(script), "ms")
}

/// A Binding request (RFC 8489) and what answers it, written from the RFC.
fn stun(casa: &Machine, report: &Report) -> Result {
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    let socket = UdpSocket::bind((network::HERE, 0))?;
    socket.connect(casa.stun())?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut times = Vec::new();
    for turn in 0..50_u8 {
        let id = [turn; 12];
        let request = [&[0, 1, 0, 0][..], &COOKIE, &id].concat();
        let from = Instant::now();
        socket.send(&request)?;
        let mut answer = [0; 512];
        let size = socket.recv(&mut answer)?;
        times.push(from.elapsed().as_secs_f64() * 1_000.0);
        let answer = &answer[..size];
        if answer[..2] != [1, 1] || answer[4..8] != COOKIE || answer[8..20] != id {
            return Err(format!("not the answer: {answer:02x?}").into());
        }
        // XOR-MAPPED-ADDRESS of IPv4: port and address under the cookie
        let port = (socket.local_addr()?.port() ^ 0x2112).to_be_bytes();
        let address: Vec<u8> =
            network::HERE.octets().iter().zip(COOKIE).map(|(one, other)| one ^ other).collect();
        let mapped = [&[0, 0x20, 0, 8, 0, 1][..], &port, &address].concat();
        if !answer.windows(mapped.len()).any(|part| part == mapped) {
            return Err(format!("not our address: {answer:02x?}").into());
        }
        std::thread::sleep(Duration::from_millis(40));
    }
    report.figure("stun_ms", median(times), "ms")
}

async fn people(casa: &mut Machine, village: &mut Village, report: &Report) -> Result {
    let telephones = network::telephones(PEOPLE)?;
    let mut pages: Vec<Page> = Vec::new();
    let from = Instant::now();
    for (number, address) in telephones.iter().enumerate() {
        if number + 1 == usize::from(PEOPLE) {
            let kib = at_rest(casa).await?;
            report.figure("rss_kib_99", kib, "KiB")?;
        }
        let page = Page::open_from(*address, casa.page()).await?;
        pages.push(village.sign_in(page).await?);
    }
    println!("router: {PEOPLE} people have signed in after {} s", from.elapsed().as_secs());
    let (last, others) = pages.split_last_mut().ok_or("nobody")?;
    let first = others.first_mut().ok_or("only one")?;
    sees(first, last).await?;
    converse(first, last).await?;
    for page in pages {
        village.told(page).await?;
    }
    Ok(())
}

/// More than there is, taken by a program that the kernel ends for it.
const HOG: &str =
    "echo 1 >/proc/sys/vm/overcommit_memory; dd if=/dev/zero of=/dev/null bs=64M count=1; [ $? = 137 ]";

async fn hog(casa: &mut Machine) -> Result {
    let (before, _) = casa.daemon().await?;
    casa.run(HOG).await?;
    let (after, _) = casa.daemon().await?;
    drop(casa.first_page().await?);
    if before == after { Ok(()) } else { Err(format!("it was {before} and is {after}").into()) }
}

async fn ended(casa: &mut Machine, village: &mut Village) -> Result {
    let (before, _) = casa.daemon().await?;
    // the first that the kernel thinks of
    casa.run("echo 1000 >/proc/$(pidof trucad)/oom_score_adj").await?;
    casa.run(HOG).await?;
    let page = casa.first_page().await?;
    let (after, _) = casa.daemon().await?;
    if before == after {
        return Err("the kernel has not ended it".into());
    }
    village.all_here(casa, page).await
}

/// Found by mDNS: nobody was told of anybody.
async fn three(casa: &Machine, image: &Path, folder: &Path) -> Result {
    let mut torre = Machine::new("torre", TORRE, image, folder)?;
    torre.power_on().await?;
    let outside = Daemon::start(Options {
        name: "fora".into(),
        listen: Some(network::HERE.into()),
        mdns: true,
        ..Options::default()
    })?;
    let (mut anna, mut pep, mut joan) =
        (casa.first_page().await?, torre.first_page().await?, Page::open(outside.page()).await?);
    anna.sign_in("anna").await?;
    pep.sign_in("pep").await?;
    joan.sign_in("joan").await?;
    outside.ctl_until("status", |status: &Value| status["members_alive"].as_u64() >= Some(2))?;
    meet(&mut anna, &mut pep).await?;
    meet(&mut pep, &mut joan).await?;
    meet(&mut joan, &mut anna).await?;
    torre.power_cut().await
}

/// They see each other, and one calls the other.
async fn meet(one: &mut Page, other: &mut Page) -> Result {
    sees(one, other).await?;
    sees(other, one).await?;
    converse(one, other).await
}
