use super::*;

const MS: Duration = Duration::from_millis(1);

/// A link of some nodes, in virtual time.
struct Link {
    now: Time,
    nodes: Vec<Mdns>,
    /// How often each node sent to all.
    sent: Vec<usize>,
    /// Whether a datagram from the first to the second gets there; counts what was asked.
    gets_there: Box<dyn FnMut(usize, usize) -> bool>,
}

fn address(node: usize) -> IpAddr {
    IpAddr::from([10, 0, (node >> 8) as u8, node as u8 + 1])
}

fn interface(node: usize) -> Interface {
    let local = format!("fe80::{:x}", node + 1).parse().unwrap();
    Interface { index: 3, name: "mesh0".into(), addresses: vec![(address(node), 16), (local, 64)] }
}

fn node(at: usize) -> Mdns {
    let id = NodeId(core::array::from_fn(|i| (at >> (8 * (i % 2))) as u8 ^ (i as u8 * 17)));
    Mdns::new(id, "casa", 8443, 1, at as u64).unwrap()
}

impl Link {
    fn new(count: usize) -> Self {
        let mut nodes: Vec<Mdns> = (0..count).map(node).collect();
        for (at, node) in nodes.iter_mut().enumerate() {
            node.set_interfaces(Time::ZERO, vec![interface(at)]);
        }
        Self { now: Time::ZERO, sent: vec![0; count], nodes, gets_there: Box::new(|_, _| true) }
    }

    fn carry(&mut self) {
        let from = |at: usize| SocketAddr::new(address(at), PORT);
        for at in 0..self.nodes.len() {
            while let Some(output) = self.nodes[at].poll_output() {
                let Output::Send { interface: 3, to, payload } = output else { continue };
                assert!(payload.len() <= MOST, "{}", payload.len());
                self.sent[at] += usize::from(to.is_none());
                for other in 0..self.nodes.len() {
                    // the group has the sender, too
                    let is_for = to.is_none_or(|to| to == from(other));
                    if is_for && (at == other || (self.gets_there)(at, other)) {
                        self.nodes[other].handle_datagram(self.now, 3, from(at), &payload);
                    }
                }
            }
        }
    }

    fn run(&mut self, until: Duration) {
        loop {
            self.carry();
            let due = self.nodes.iter().filter_map(Mdns::poll_timeout).min().unwrap();
            assert!(due >= self.now || self.now == Time::ZERO, "a timeout in the past is for ever");
            if due > until {
                self.now = until;
                return;
            }
            self.now = due.max(self.now);
            for node in &mut self.nodes {
                node.handle_timeout(self.now);
            }
        }
    }

    fn knows(&self, at: usize) -> Vec<IpAddr> {
        let mut known: Vec<IpAddr> = self.nodes[at].heard().hints.iter().map(|hint| hint.ip).collect();
        known.retain(IpAddr::is_ipv4);
        known.sort();
        known
    }

    fn all_know_all(&self) -> bool {
        let count = self.nodes.len();
        (0..count).all(|at| self.knows(at).len() == count - 1)
    }
}

#[test]
fn nodes_of_a_link_know_each_other_in_a_second_and_grow_quiet() {
    let mut link = Link::new(5);
    link.run(Duration::from_secs(1));
    assert!(link.all_know_all());
    let hint = link.nodes[0].heard().hints.into_iter().find(|hint| hint.interface.is_some()).unwrap();
    assert_eq!((hint.interface.as_deref(), hint.port), (Some("mesh0"), Some(8443)));
    assert!(hint.id.is_some());
    link.run(Duration::from_secs(3_600));
    let first = link.sent.clone();
    // in an hour of peace: questions with known answers, and few of them
    link.run(Duration::from_secs(7_200));
    for (node, sent) in link.sent.iter().enumerate() {
        assert!(first[node] < 30 && sent - first[node] < 8, "{first:?} {:?}", link.sent);
    }
    link.run(Duration::from_secs(100_000));
    assert!(link.all_know_all(), "what expires is asked for in time");
}

#[test]
fn loss_delays_and_hides_nobody() {
    let mut link = Link::new(8);
    let mut random = SmallRng::seed_from_u64(7);
    link.gets_there = Box::new(move |_, _| random.next_u32() % 10 >= 3);
    link.run(Duration::from_secs(65));
    assert!(link.all_know_all());
    link.run(Duration::from_secs(50_000));
    assert!(link.all_know_all());
}

#[test]
fn who_says_goodbye_is_forgotten_at_once_and_who_dies_when_its_time_is_over() {
    let mut link = Link::new(3);
    link.run(Duration::from_secs(10));
    link.nodes[0].stop();
    link.carry();
    assert_eq!(link.knows(1), [address(2)]);
    link.gets_there = Box::new(|from, _| from == 1);
    link.run(Duration::from_secs(10 + 4_400));
    assert_eq!(link.knows(1).len(), 1);
    link.run(Duration::from_secs(10 + 4_700));
    assert_eq!(link.knows(1).len(), 0);
}

#[test]
fn another_address_is_told_and_an_interface_that_goes_takes_its_hints() {
    let mut link = Link::new(2);
    link.run(Duration::from_secs(10));
    let mut changed = interface(0);
    changed.addresses[0].0 = IpAddr::from([10, 0, 9, 9]);
    link.nodes[0].set_interfaces(link.now, vec![changed]);
    link.run(Duration::from_secs(11));
    assert_eq!(link.knows(1), [IpAddr::from([10, 0, 9, 9])]);
    link.nodes[1].set_interfaces(link.now, Vec::new());
    assert_eq!(link.nodes[1].poll_output(), Some(Output::Heard));
    assert!(link.knows(1).is_empty());
    assert_eq!(link.nodes[1].poll_timeout(), None);
}

/// What `node` answers to a question, at `from`'s wish.
fn answers(node: &mut Mdns, now: Time, from: &str, question: &[u8]) -> Vec<(Option<SocketAddr>, Vec<u8>)> {
    while node.poll_output().is_some() {}
    node.handle_datagram(now, 3, from.parse().unwrap(), question);
    node.handle_timeout(now);
    let mut sent = Vec::new();
    while let Some(output) = node.poll_output() {
        if let Output::Send { to, payload, .. } = output
            && payload[2] & 0x80 != 0
        {
            sent.push((to, payload));
        }
    }
    sent
}

fn question(id: u16, name: &[&str], kind: u16, class: u16) -> Vec<u8> {
    let mut message = [&id.to_be_bytes()[..], &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in name {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(kind.to_be_bytes());
    message.extend(class.to_be_bytes());
    message
}

/// A node that has announced itself and is quiet.
fn settled() -> (Mdns, Time) {
    let mut link = Link::new(1);
    link.run(Duration::from_secs(100));
    (link.nodes.remove(0), link.now)
}

#[test]
fn a_plain_resolver_is_answered_alone_and_as_plain_dns_has_it() {
    let (mut node, now) = settled();
    let asked = question(0xbeef, &["_TRUCA", "_tcp", "Local"], PTR, 1);
    let said = answers(&mut node, now, "10.0.0.9:40000", &asked);
    let (to, payload) = &said[0];
    assert_eq!((said.len(), *to), (1, Some("10.0.0.9:40000".parse().unwrap())));
    assert_eq!((&payload[..2], &payload[4..8]), (&[0xbe, 0xef][..], &[0, 1, 0, 5][..]));
    assert!(
        payload[12..].to_ascii_lowercase().starts_with(&asked[12..].to_ascii_lowercase()),
        "the question"
    );
    let read = message::read(payload).unwrap();
    assert!(matches!(&read.said[0], Said::Instance { ttl: 10, .. }), "{read:?}");
    // no bit that plain resolvers take for another class
    assert!(!payload.windows(2).any(|pair| pair == [0x80, 1]));
    // a neighbour of the link only, and not as fast as it likes
    assert_eq!(answers(&mut node, now, "192.0.2.1:40000", &asked), []);
    let count: usize = (0..100).map(|_| answers(&mut node, now, "10.0.0.9:40000", &asked).len()).sum();
    assert_eq!(count, usize::from(MAX_UNICAST) - 1);
}

#[test]
fn everything_that_is_ours_is_answered_and_nothing_else() {
    let (mut node, now) = settled();
    let [instance, host] = node.names.clone();
    let label = |name: &str| name.split('.').next().unwrap().replace("\\032", " ");
    let (instance, host) = (label(&instance), label(&host));
    let tcp = ["_truca", "_tcp", "local"];
    let of = |first: &str| [&[first.to_owned()][..], &tcp.map(str::to_owned)].concat();
    let ask = |node: &mut Mdns, labels: &[&str], kind| {
        answers(node, now, "10.0.0.9:40000", &question(1, labels, kind, 1)).len()
    };
    let instance: Vec<String> = of(&instance);
    let instance: Vec<&str> = instance.iter().map(String::as_str).collect();
    for (labels, kind, answered) in [
        (&tcp[..], PTR, 1),
        (&tcp, ANY, 1),
        (&tcp, TXT, 0),
        (&instance, SRV, 1),
        (&instance, TXT, 1),
        (&instance, A, 0),
        (&[&host, "local"], A, 1),
        (&[&host, "local"], AAAA, 1),
        (&["other", "local"], A, 0),
        (&["_services", "_dns-sd", "_udp", "local"], PTR, 1),
        (&["_http", "_tcp", "local"], PTR, 0),
    ] {
        assert_eq!(ask(&mut node, labels, kind), answered, "{labels:?} {kind}");
    }
}

#[test]
fn many_questions_to_all_are_answered_once_a_second() {
    let (mut node, mut now) = settled();
    let asked = question(0, &["_truca", "_tcp", "local"], PTR, 1);
    let mut said = 0;
    for _ in 0..5_000 {
        now += MS;
        said += answers(&mut node, now, "10.0.0.9:5353", &asked).len();
    }
    assert_eq!(said, 5);
    // who knows it is not told
    let (mut other, mut own) = (Link::new(2), Vec::new());
    other.run(Duration::from_secs(100));
    other.nodes[1].ask(other.now, 0);
    while let Some(output) = other.nodes[1].poll_output() {
        if let Output::Send { payload, .. } = output {
            own = payload;
        }
    }
    let now = other.now;
    answers(&mut other.nodes[0], now, "10.0.0.2:5353", &own);
    assert_eq!(other.nodes[0].on[0].answer_at, None);
    answers(&mut other.nodes[0], now, "10.0.0.2:5353", &asked);
    assert!(other.nodes[0].on[0].answer_at.is_some());
}

#[test]
fn what_is_missing_is_asked_for_a_few_times() {
    let mut node = node(0);
    node.set_interfaces(Time::ZERO, vec![interface(0)]);
    let whole = message::answer(
        &Own { instance: "torre é".into(), host: "torre".into(), port: 9, text: vec!["id=x".into()] },
        &[],
        false,
        Answer::All,
    );
    // the instance alone
    let mut first = whole.clone();
    first[7] = 1;
    let mut now = Duration::from_secs(1);
    node.handle_datagram(now, 3, "10.0.0.2:5353".parse().unwrap(), &first);
    let mut asked = 0;
    for _ in 0..60_000 {
        now += MS;
        node.handle_timeout(now);
        while let Some(output) = node.poll_output() {
            if let Output::Send { payload, .. } = output {
                let read = message::read(&payload).unwrap();
                asked += read.questions.iter().filter(|question| question.kind == SRV).count();
                assert!(
                    read.questions
                        .iter()
                        .all(|q| q.kind != SRV || q.name.starts_with("torre\\032\\195\\169."))
                );
            }
        }
    }
    assert_eq!(asked, usize::from(ASKS));
    node.handle_datagram(now, 3, "10.0.0.2:5353".parse().unwrap(), &whole);
    assert_eq!(node.instances.values().next().unwrap().at, Some(("torre.local".into(), 9)));
}

#[test]
fn a_crowd_of_instances_is_bounded_and_counted() {
    let mut node = node(0);
    node.set_interfaces(Time::ZERO, vec![interface(0)]);
    let from = "10.0.0.2:5353".parse().unwrap();
    for count in 0..1_000 {
        let own = Own {
            instance: format!("x{count}").into(),
            host: "x".into(),
            port: 1,
            text: vec!["id=".into(), String::new()],
        };
        let addresses: Vec<IpAddr> = (0..20).map(address).collect();
        let said = message::answer(&own, &addresses, true, Answer::All);
        node.handle_datagram(Duration::from_secs(1), 3, from, &said);
    }
    assert_eq!(node.instances.len(), MAX_INSTANCES);
    assert_eq!(node.counters(), Counters { malformed: 0, skipped: 1_000 - MAX_INSTANCES as u32 });
    assert_eq!(node.heard().hints.len(), MAX_INSTANCES * MAX_ADDRESSES / 2);
    // answers from other ports are nobody's, and known answers that do not fit are left out
    node.ask(Duration::from_secs(2), 0);
    while let Some(output) = node.poll_output() {
        assert!(!matches!(output, Output::Send { payload, .. } if payload.len() > MOST));
    }
}

#[test]
fn forged_and_cut_datagrams_are_counted_and_change_nothing() {
    let own = Own { instance: "torre".into(), host: "torre".into(), port: 9, text: vec!["id=x".into()] };
    let whole = message::answer(&own, &[address(1)], false, Answer::All);
    let mut node = node(0);
    node.set_interfaces(Time::ZERO, vec![interface(0)]);
    let from = "10.0.0.2:5353".parse().unwrap();
    for length in 0..whole.len() {
        node.handle_datagram(Time::ZERO, 3, from, &whole[..length]);
    }
    node.handle_datagram(Time::ZERO, 3, from, &[0; MAX_DATAGRAM + 1]);
    assert_eq!(node.counters().malformed, whole.len() as u32 + 1);
    node.handle_datagram(Time::ZERO, 9, from, &whole);
    node.handle_datagram(Time::ZERO, 3, "10.0.0.2:5354".parse().unwrap(), &whole);
    assert!(node.instances.is_empty());
    node.handle_datagram(Time::ZERO, 3, from, &whole);
    assert_eq!(node.heard().hints.len(), 1);
}

#[test]
fn a_name_that_fits_no_label_is_refused() {
    assert!(Mdns::new(NodeId([1; 16]), &"x".repeat(56), 1, 1, 0).is_some());
    assert!(Mdns::new(NodeId([1; 16]), &"x".repeat(57), 1, 1, 0).is_none());
}
