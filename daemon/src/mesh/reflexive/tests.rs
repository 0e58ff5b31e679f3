//! Real sockets on loopback, where every address of 127.0.0.0/8 is the machine's own.

use tokio::task::LocalSet;
use tokio::time::timeout;

use super::*;

const LAN: Lan = Lan { address: Ipv4Addr::new(127, 9, 1, 1), prefix: 24 };
const MAPPED: Ipv4Addr = Ipv4Addr::new(10, 99, 101, 1);
const PATIENCE: Duration = Duration::from_secs(5);

fn run_here<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, future)
}

async fn client(ip: [u8; 4]) -> UdpSocket {
    UdpSocket::bind(SocketAddr::from((ip, 0))).await.unwrap()
}

/// What is answered to a question.
async fn told(client: &UdpSocket, at: SocketAddr) -> Option<SocketAddr> {
    client.send_to(&question(&[7; 12]), at).await.unwrap();
    let mut buffer = [0; MAX_MESSAGE];
    let (length, _) = timeout(PATIENCE, client.recv_from(&mut buffer)).await.unwrap().unwrap();
    answer(&buffer[..length], &[7; 12])
}

fn finding(side: Side, verdict: Verdict) -> Finding {
    Finding { lan: LAN, side, verdict }
}

/// Ports that are free now.
async fn ports() -> RangeInclusive<u16> {
    let own = UdpSocket::bind("127.9.1.1:0").await.unwrap().local_addr().unwrap().port().min(65_000);
    own..=own + 3
}

fn answers() -> (Answers, Rc<Ice>) {
    let ice = Ice::new(Instant::now(), 0, 0);
    (Answers::new(ice.clone(), 0, 0), ice)
}

#[test]
fn a_client_of_the_lan_is_told_the_address_of_the_side_and_its_own_port() {
    run_here(async {
        let (mut answers, ice) = answers();
        answers.set(&[finding(3, Verdict::Keeps(MAPPED))], ports().await).unwrap();
        let at = answers.at(LAN, 3).unwrap();
        let own = client([127, 9, 1, 101]).await;
        let port = own.local_addr().unwrap().port();
        assert_eq!(told(&own, at).await, Some(SocketAddr::from((MAPPED, port))));
        assert_eq!(ice.counters.get().answered, 1);
    });
}

#[test]
fn nobody_else_is_told_anything_and_noise_meets_silence() {
    run_here(async {
        let (mut answers, ice) = answers();
        answers.set(&[finding(3, Verdict::Keeps(MAPPED))], ports().await).unwrap();
        let at = answers.at(LAN, 3).unwrap();
        let strangers = [client([127, 9, 2, 101]).await, client([127, 9, 1, 1]).await];
        for stranger in &strangers {
            stranger.send_to(&question(&[7; 12]), at).await.unwrap();
        }
        let own = client([127, 9, 1, 101]).await;
        own.send_to(b"noise", at).await.unwrap();
        // what came before it was answered before it, if it was
        assert!(told(&own, at).await.is_some());
        for stranger in strangers {
            assert!(stranger.try_recv(&mut [0; 9]).is_err(), "{stranger:?}");
        }
        let seen = ice.counters.get();
        assert_eq!((seen.bad_source, seen.malformed, seen.answered), (2, 1, 1));
    });
}

#[test]
fn sides_have_ports_of_their_own_keep_them_and_close_with_their_verdict() {
    run_here(async {
        let (mut answers, _) = answers();
        let ports = ports().await;
        let keeps = |side| finding(side, Verdict::Keeps(MAPPED));
        answers.set(&[keeps(3), keeps(4)], ports.clone()).unwrap();
        let (west, east) = (answers.at(LAN, 3).unwrap(), answers.at(LAN, 4).unwrap());
        assert_eq!((west.port(), east.port()), (*ports.start(), ports.start() + 1));
        answers.set(&[finding(3, Verdict::Rewrites(MAPPED)), keeps(4)], ports.clone()).unwrap();
        assert_eq!((answers.at(LAN, 3), answers.at(LAN, 4)), (None, Some(east)));
        drop(UdpSocket::bind(west).await.expect("the port is free again"));
        answers.set(&[keeps(4), keeps(5), finding(6, Verdict::Routed)], ports.clone()).unwrap();
        assert_eq!((answers.at(LAN, 5), answers.at(LAN, 6)), (Some(west), None));
        // another address on that side is another answer
        answers.set(&[finding(4, Verdict::Keeps(Ipv4Addr::new(10, 99, 7, 7)))], ports).unwrap();
        assert_eq!(
            told(&client([127, 9, 1, 101]).await, answers.at(LAN, 4).unwrap()).await.unwrap().ip(),
            Ipv4Addr::new(10, 99, 7, 7)
        );
    });
}

#[test]
fn a_port_that_is_taken_is_passed_over_and_too_few_are_said() {
    run_here(async {
        let (mut answers, _) = answers();
        let ports = ports().await;
        let _other = UdpSocket::bind(SocketAddr::from((LAN.address, *ports.start()))).await.unwrap();
        let keeps = |side| finding(side, Verdict::Keeps(MAPPED));
        answers.set(&[keeps(3)], ports.clone()).unwrap();
        assert_eq!(answers.at(LAN, 3).unwrap().port(), ports.start() + 1);
        let few = *ports.start()..=ports.start() + 1;
        let failed = answers.set(&[keeps(3), keeps(4)], few).unwrap_err();
        assert!(failed.starts_with("no UDP port of "), "{failed}");
        assert!(answers.at(LAN, 3).is_some() && answers.at(LAN, 4).is_none());
    });
}

#[test]
fn what_becomes_of_a_lans_packets_is_asked_and_reported() {
    run_here(async {
        let (events, mut inbox) = mpsc::channel(8);
        let watch = Watch::start(Instant::now(), events);
        // a node that sees everybody as this router's other address, as behind its masquerade
        let elsewhere = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = elsewhere.local_addr().unwrap();
        spawn(async move {
            let (mut buffer, mut out) = ([0; MAX_MESSAGE], [0; MAX_ANSWER]);
            loop {
                let (length, from) = elsewhere.recv_from(&mut buffer).await.unwrap();
                assert_eq!(from.ip(), LAN.address, "asked from the LAN's address");
                let seen = SocketAddr::from((MAPPED, from.port()));
                let length = respond(&buffer[..length], seen, &mut out, &mut Default::default()).unwrap();
                elsewhere.send_to(&out[..length], from).await.unwrap();
            }
        });
        let topology =
            Topology { lans: vec![LAN], own: vec![LAN.address, MAPPED], sides: vec![(3, vec![at])] };
        watch.look(topology.clone(), false);
        let mut verdicts = Vec::new();
        while !verdicts.contains(&Verdict::Keeps(MAPPED)) {
            let event = timeout(PATIENCE, inbox.recv()).await.unwrap().unwrap();
            let Event::Findings(found) = event else { continue };
            verdicts.extend(found.iter().map(|found| found.verdict));
        }
        assert_eq!(verdicts, [Verdict::Waiting, Verdict::Keeps(MAPPED)]);
        watch.look(Topology::default(), false);
        let gone = timeout(PATIENCE, inbox.recv()).await.unwrap();
        assert!(matches!(gone, Some(Event::Findings(found)) if found.is_empty()));
        assert!(watch.shared.asking.borrow().is_empty(), "no socket stays open");
    });
}
