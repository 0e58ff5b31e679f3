//! Drivers against what they meet: sockets and files of the kind that the real daemons have.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::LocalSet;
use tokio::time::timeout;
use truca_core::discovery::bmx;

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);

/// A node's sources, and what they want tried.
struct House {
    plan: Plan,
    sources: Sources,
    events: mpsc::Receiver<Event>,
}

impl House {
    fn new(from: impl IntoIterator<Item = (Source, From)>) -> Self {
        let plan = Plan {
            id: NodeId([1; 16]),
            port: 8443,
            addresses: vec!["10.1.1.1".parse().unwrap()],
            loopback: true,
            from: from.into_iter().collect(),
            publish: true,
            probe: true,
            avoid: Vec::new(),
        };
        let (sender, events) = mpsc::channel(64);
        Self { sources: Sources::start(&plan, sender), plan, events }
    }

    /// The next address to try.
    async fn candidate(&mut self) -> (SocketAddr, Option<NodeId>) {
        match timeout(PATIENCE, self.events.recv()).await {
            Ok(Some(Event::Candidate { address, id, .. })) => (address, id),
            other => panic!("{other:?}, {}", self.sources.report()),
        }
    }

    /// Looks at the report until this holds of a source.
    async fn until(&self, source: Source, enough: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE * 4;
        loop {
            let report = self.sources.report();
            let all = report["sources"].as_array().unwrap();
            let found = all.iter().find(|found| found["source"] == source.name()).unwrap();
            if enough(found) {
                return found.clone();
            }
            assert!(Instant::now() < end, "{report:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn candidates(&self) -> Vec<String> {
        let report = self.sources.report();
        let all = report["candidates"].as_array().unwrap();
        all.iter().map(|found| found["address"].as_str().unwrap().to_owned()).collect()
    }
}

fn run<F: Future>(paused: bool, test: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(paused).build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

fn fixture(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A directory that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("truca-sources-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn routers_that_babeld_names_are_tried_and_vanish_with_it() {
    run(false, async {
        let babeld = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = babeld.local_addr().unwrap();
        let mut house = House::new([(Source::Babeld, From::Sockets(vec![at]))]);
        let (mut stream, _) = babeld.accept().await.unwrap();
        let mut command = [0; 8];
        stream.read_exact(&mut command).await.unwrap();
        assert_eq!(&command, b"monitor\n");
        stream.write_all(&fixture("babeld/node1-dump.txt")).await.unwrap();
        let heard = house.until(Source::Babeld, |state| state["state"] == "heard").await;
        // the neighbour's interface does not exist here
        assert_eq!((&heard["addresses"], &heard["malformed"]), (&json!(4), &json!(0)));
        let mut tried = vec![house.candidate().await.0, house.candidate().await.0];
        tried.push(house.candidate().await.0);
        tried.push(house.candidate().await.0);
        tried.sort();
        let expected =
            ["10.13.0.2:8443", "10.13.0.3:8443", "[fd0d:fe46:8ce8::2]:8443", "[fd0d:fe46:8ce8::3]:8443"];
        assert_eq!(tried, expected.map(|address| address.parse().unwrap()));
        // a route goes, garbage comes
        stream.write_all(b"flush route 55788c764520 prefix 10.13.0.3/32\nadd route\n").await.unwrap();
        house.until(Source::Babeld, |state| state["addresses"] == 3 && state["malformed"] == 1).await;
        drop(stream);
        house.until(Source::Babeld, |state| state["state"] == "absent" && state["addresses"] == 0).await;
        assert_eq!(house.candidates(), [""; 0]);
    });
}

#[test]
fn somebody_else_on_babelds_port_is_told_from_it() {
    run(false, async {
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = other.local_addr().unwrap();
        let house = House::new([(Source::Babeld, From::Sockets(vec![at]))]);
        let (mut stream, _) = other.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let state = house.until(Source::Babeld, |state| state["malformed"] == 1).await;
        assert!(state["last"].as_str().unwrap().contains("no babeld"), "{state}");
        assert_eq!(house.candidates(), [""; 0]);
    });
}

#[test]
fn bmx6_is_followed_through_half_written_files_absent_moments_and_restarts() {
    // paused time: it goes on only when nothing runs, on the helper thread neither
    run(true, async {
        let folder = Folder::new();
        let house = House::new([(Source::Bmx6, From::Directory(folder.0.clone()))]);
        house.until(Source::Bmx6, |state| state["state"] == "absent").await;

        let name = "node4.7350B9767ABA59964D41";
        let originator = fixture(&format!("bmx6/node2/json/originators/{name}"));
        folder.write("json/status", &fixture("bmx6/node2/json/status"));
        folder.write(&format!("json/originators/{name}"), &originator[..40]);
        let state = house.until(Source::Bmx6, |state| state["state"] == "heard").await;
        assert_eq!((&state["addresses"], &state["malformed"]), (&json!(0), &json!(1)), "half a file");

        folder.write(&format!("json/originators/{name}"), &originator);
        let own = "node2.778C04026941A6A668EF";
        folder.write(
            &format!("json/originators/{own}"),
            &fixture(&format!("bmx6/node2/json/originators/{own}")),
        );
        house.until(Source::Bmx6, |state| state["addresses"] == 1).await;
        assert_eq!(house.candidates(), ["[fd66:66:66:2:200:ff:fe04:1]:8443"], "and not its own node");

        let description = fixture(&format!("bmx6/node2/json/descriptions/{name}"));
        folder.write(&format!("json/descriptions/{name}"), &description);
        house.until(Source::Bmx6, |state| state["addresses"] == 2).await;
        assert!(house.candidates().contains(&"10.202.4.1:8443".to_owned()));

        // an advert, written in place, in two steps; somebody else's message, and one that is none
        let advert = Advert::new(NodeId([4; 16]), 9443, &["10.202.4.1".parse().unwrap()]).encode();
        folder.write(&format!("sms/rcvdSms/{name}:chat"), b"hello");
        folder.write(&format!("sms/rcvdSms/{name}:truca"), &advert[..20]);
        folder.write("sms/rcvdSms/evil:truca", &[0xff; 300]);
        house.until(Source::Bmx6, |state| state["malformed"].as_u64() >= Some(3)).await;
        folder.write(&format!("sms/rcvdSms/{name}:truca"), &advert);
        house.until(Source::Bmx6, |state| state["addresses"] == 3).await;
        assert!(house.candidates().contains(&"10.202.4.1:9443".to_owned()));

        // bmx6 starts anew: for a moment there is nothing
        fs::remove_dir_all(&folder.0).unwrap();
        house.until(Source::Bmx6, |state| state["state"] == "absent").await;
        assert_eq!(house.candidates(), [""; 0]);
        folder.write(&format!("json/originators/{name}"), &originator);
        house.until(Source::Bmx6, |state| state["addresses"] == 1).await;
    });
}

#[test]
fn our_advert_is_published_once_and_follows_our_addresses() {
    use std::os::unix::fs::MetadataExt as _;
    run(true, async {
        let folder = Folder::new();
        folder.write("json/originators/x", br#"{"primaryIp":"fd00::1"}"#);
        folder.write("sms/sendSms/chat", b"hello");
        let mut house = House::new([(Source::Bmx6, From::Directory(folder.0.clone()))]);
        let file = folder.0.join("sms/sendSms/truca");
        house.until(Source::Bmx6, |state| state["read"].as_u64() >= Some(1)).await;
        let advert = Advert::decode(&fs::read(&file).unwrap()).unwrap();
        assert_eq!(advert, Advert::new(house.plan.id, 8443, &house.plan.addresses));
        let about = fs::metadata(&file).unwrap();
        house.until(Source::Bmx6, |state| state["read"].as_u64() >= Some(5)).await;
        let same = fs::metadata(&file).unwrap();
        assert_eq!(
            (about.ino(), about.mtime_nsec()),
            (same.ino(), same.mtime_nsec()),
            "a change floods the mesh"
        );
        house.plan.addresses.push("fd00::7".parse().unwrap());
        house.sources.look_around(&house.plan);
        let read = house.until(Source::Bmx6, |_| true).await["read"].as_u64();
        house.until(Source::Bmx6, |state| state["read"].as_u64() > read.map(|read| read + 1)).await;
        assert_eq!(Advert::decode(&fs::read(&file).unwrap()).unwrap().addresses, house.plan.addresses);
        let names = fs::read_dir(folder.0.join("sms/sendSms")).unwrap().count();
        assert_eq!(names, 2, "nothing is left beside it");
        // switched off: it is taken away, and nothing else
        house.plan.publish = false;
        house.sources.configure(&house.plan);
        house.until(Source::Bmx6, |state| state["state"] == "heard").await;
        assert!(!file.exists());
        assert_eq!(fs::read(folder.0.join("sms/sendSms/chat")).unwrap(), b"hello");
    });
}

#[test]
fn a_directory_full_of_files_is_read_up_to_a_bound() {
    run(true, async {
        let folder = Folder::new();
        for n in 0..2_100 {
            let file = format!(r#"{{"primaryIp":"10.1.{}.{}"}}"#, n / 250, n % 250 + 1);
            folder.write(&format!("json/originators/n{n}"), file.as_bytes());
        }
        folder.write(&format!("json/originators/{}", "x".repeat(200)), b"{}");
        folder.write("json/originators/long", &vec![b' '; bmx::MAX_FILE + 1]);
        let house = House::new([(Source::Bmx7, From::Directory(folder.0.clone()))]);
        let state = house.until(Source::Bmx7, |state| state["state"] == "heard").await;
        assert!(state["malformed"].as_u64() >= Some(52), "{state}");
        assert_eq!(house.sources.report()["candidates"].as_array().unwrap().len(), MAX_SHOWN);
    });
}

#[test]
fn both_olsr_daemons_are_asked_and_what_is_none_is_counted() {
    run(false, async {
        let (olsrd, oonf) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = nobody.local_addr().unwrap();
        drop(nobody);
        let house = House::new([
            (Source::Olsr, From::Sockets(vec![gone, olsrd.local_addr().unwrap()])),
            (Source::Oonf, From::Sockets(vec![oonf.local_addr().unwrap()])),
        ]);
        let answer = async |listener: &TcpListener, question: &[u8], answer: &[u8]| {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; question.len()];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked, question);
            stream.write_all(answer).await.unwrap();
        };
        answer(&olsrd, b"GET /routes HTTP/1.0\r\n\r\n", &fixture("olsr/jsoninfo-routes.http")).await;
        house.until(Source::Olsr, |state| state["addresses"] == 7).await;
        answer(&oonf, b"/olsrv2info json route\n", b"Error, unknown command 'olsrv2info'\n").await;
        house.until(Source::Oonf, |state| state["state"] == "broken" && state["malformed"] == 1).await;
    });
}

#[test]
fn dns_names_nodes_and_a_forged_answer_does_not() {
    run(false, async {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let at = server.local_addr().unwrap();
        let domains = From::Domains(vec!["mesh.example".into()], vec![at]);
        let mut house = House::new([(Source::Dns, domains)]);
        let mut question = [0; 512];
        let (length, client) = server.recv_from(&mut question).await.unwrap();
        let mut answer = question[..length].to_vec();
        (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
        answer.extend(
            b"\xc0\x0c\x00\x21\x00\x01\x00\x00\x01\x00\x00\x11\x00\x01\x00\x00\x20\xfc\x09localhost\x00",
        );
        let mut forged = answer.clone();
        forged[0] ^= 0xff;
        let end = forged.len();
        forged[end - 12] ^= 1;
        server.send_to(&forged, client).await.unwrap();
        server.send_to(&answer, client).await.unwrap();
        house.until(Source::Dns, |state| state["state"] == "heard").await;
        let (address, id) = house.candidate().await;
        assert!(address.ip().is_loopback() && address.port() == 8444 && id.is_none(), "{address}");
    });
}

#[test]
fn a_source_that_is_switched_off_takes_its_addresses_with_it_and_others_go_on() {
    run(true, async {
        let (six, seven) = (Folder::new(), Folder::new());
        six.write("json/originators/x", br#"{"primaryIp":"fd00::6"}"#);
        seven.write("json/originators/x", br#"{"primaryIp":"fd00::7"}"#);
        let from = [
            (Source::Bmx6, From::Directory(six.0.clone())),
            (Source::Bmx7, From::Directory(seven.0.clone())),
        ];
        let mut house = House::new(from);
        house.until(Source::Bmx6, |state| state["addresses"] == 1).await;
        let read = house.until(Source::Bmx7, |state| state["addresses"] == 1).await["read"].as_u64();
        house.plan.from.remove(&Source::Bmx6);
        house.sources.configure(&house.plan);
        house.until(Source::Bmx6, |state| state["state"] == "off").await;
        assert_eq!(house.candidates(), ["[fd00::7]:8443"]);
        house.until(Source::Bmx7, |state| state["read"].as_u64() > read).await;
        house.plan.from.insert(Source::Bmx6, From::Directory(six.0.clone()));
        house.sources.configure(&house.plan);
        house.until(Source::Bmx6, |state| state["addresses"] == 1).await;
    });
}

#[test]
fn without_probing_only_announcements_are_tried() {
    run(true, async {
        let folder = Folder::new();
        folder.write("json/originators/x", br#"{"primaryIp":"fd00::6"}"#);
        let advert = Advert::new(NodeId([4; 16]), 9443, &["10.202.4.1".parse().unwrap()]).encode();
        folder.write("sms/rcvdSms/x:truca", &advert);
        let mut house = House::new([]);
        house.plan.probe = false;
        house.plan.from.insert(Source::Bmx6, From::Directory(folder.0.clone()));
        house.sources.configure(&house.plan);
        house.until(Source::Bmx6, |state| state["addresses"] == 1).await;
        assert_eq!(house.candidate().await, ("10.202.4.1:9443".parse().unwrap(), Some(NodeId([4; 16]))));
    });
}

/// A bus with one object, whose methods are answered so. Gives back what was invoked.
async fn serve_ubus(listener: &tokio::net::UnixListener, answer: Option<&str>) -> Option<(String, Value)> {
    use truca_core::ubus::blobmsg;
    use truca_core::ubus::message::{Attribute, Kind, Message};
    let (mut stream, _) = listener.accept().await.unwrap();
    let say = |kind, sequence, attributes| Message { kind, sequence, peer: 1, attributes }.encode().unwrap();
    stream.write_all(&say(Kind::Hello, 0, vec![])).await.unwrap();
    let (mut received, mut invoked) = (Vec::new(), None);
    while stream.read_buf(&mut received).await.unwrap_or(0) > 0 {
        while let Some((message, length)) = Message::decode(&received).unwrap() {
            received.drain(..length);
            let data = match (message.kind, answer) {
                (Kind::Lookup, Some(_)) => Some(Attribute::Object(7)),
                (Kind::Invoke, Some(answer)) => {
                    let arguments = blobmsg::to_json(blobmsg::read(message.data()).unwrap());
                    invoked = Some((message.method().unwrap().to_owned(), Value::Object(arguments)));
                    let Value::Object(answer) = serde_json::from_str(answer).unwrap() else {
                        panic!("{answer}")
                    };
                    let mut bytes = Vec::new();
                    blobmsg::write_json(&mut bytes, &answer);
                    Some(Attribute::Data(bytes))
                }
                _ => None,
            };
            let status = if data.is_some() { 0 } else { 4 };
            if let Some(data) = data {
                stream
                    .write_all(&say(Kind::Data, message.sequence, vec![Attribute::Object(7), data]))
                    .await
                    .unwrap();
            }
            let over = say(Kind::Status, message.sequence, vec![Attribute::Status(status)]);
            stream.write_all(&over).await.unwrap();
        }
    }
    invoked
}

#[test]
fn umdns_is_asked_by_ubus_and_its_absence_is_no_error() {
    run(false, async {
        let folder = Folder::new();
        let bus = folder.0.join("ubus.sock");
        let house = House::new([(Source::Umdns, From::Bus(bus.clone()))]);
        let state = house.until(Source::Umdns, |state| state["state"] == "absent").await;
        assert_eq!(state["malformed"], 0);
        let listener = tokio::net::UnixListener::bind(&bus).unwrap();
        // a bus without umdns
        let house = House::new([(Source::Umdns, From::Bus(bus.clone()))]);
        assert_eq!(serve_ubus(&listener, None).await, None);
        house.until(Source::Umdns, |state| state["state"] == "absent").await;
        let mut house = House::new([(Source::Umdns, From::Bus(bus))]);
        let id = NodeId([9; 16]);
        let answer =
            format!(r#"{{"_truca._tcp":{{"x":{{"port":8443,"txt":["id={id}"],"ipv4":["10.0.0.9"]}}}}}}"#);
        let (method, arguments) = serve_ubus(&listener, Some(&answer)).await.unwrap();
        assert_eq!(
            (method.as_str(), arguments),
            ("browse", json!({"service": "_truca._tcp", "array": true}))
        );
        assert_eq!(serve_ubus(&listener, Some("{}")).await.unwrap().0, "update");
        assert_eq!(house.candidate().await, ("10.0.0.9:8443".parse().unwrap(), Some(id)));
    });
}

#[test]
fn shared_state_is_told_of_us_and_tells_of_others() {
    run(false, async {
        let folder = Folder::new();
        let bus = folder.0.join("ubus.sock");
        let listener = tokio::net::UnixListener::bind(&bus).unwrap();
        let mut house = House::new([(Source::SharedState, From::Bus(bus.clone()))]);
        let other = Advert::new(NodeId([9; 16]), 8444, &["10.0.0.9".parse().unwrap()]);
        let answer =
            format!(r#"{{"data":{},"error":0}}"#, truca_core::discovery::shared_state::entry(&other));
        let (method, arguments) = serve_ubus(&listener, Some(&answer)).await.unwrap();
        assert_eq!((method.as_str(), arguments), ("get", json!({"data_type": "truca"})));
        let (method, arguments) = serve_ubus(&listener, Some(r#"{"data":{},"error":0}"#)).await.unwrap();
        assert_eq!((method.as_str(), &arguments["data_type"]), ("insert", &json!("truca")));
        let own: Value = serde_json::from_str(arguments["json"].as_str().unwrap()).unwrap();
        let id = house.plan.id.to_string();
        assert_eq!(own, json!({ id: { "v": 1, "port": 8443, "at": ["10.1.1.1"] } }));
        assert_eq!(house.candidate().await, ("10.0.0.9:8444".parse().unwrap(), Some(other.id)));
        // the type is not registered
        let house = House::new([(Source::SharedState, From::Bus(bus))]);
        serve_ubus(&listener, Some(r#"{"data":{},"error":1}"#)).await.unwrap();
        let state = house.until(Source::SharedState, |state| state["state"] == "broken").await;
        assert!(state["last"].as_str().unwrap().contains("docs/discovery.md"), "{state}");
    });
}

#[test]
fn bmx6_is_told_of_our_message_until_its_description_carries_it() {
    run(false, async {
        let folder = Folder::new();
        let own = "node2.778C04026941A6A668EF";
        folder.write("json/status", &fixture("bmx6/node2/json/status"));
        folder.write(
            &format!("json/originators/{own}"),
            &fixture(&format!("bmx6/node2/json/originators/{own}")),
        );
        folder.write("sms/sendSms/chat", b"hello");
        let listener = tokio::net::UnixListener::bind(folder.0.join("sock")).unwrap();
        let house = House::new([(Source::Bmx6, From::Directory(folder.0.clone()))]);
        let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        let mut told = [0; 15];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"syncSms=truca #");
        assert!(folder.0.join("sms/sendSms/truca").exists(), "the message is there before it is told of");
        // as bmx6 without its SMS plugin answers
        stream.write_all(b"ERROR apply_stream_opts: invalid argument: syncSms=truca\n$").await.unwrap();
        drop((stream, listener));
        house.until(Source::Bmx6, |state| state["malformed"] == 1).await;
        // with a description that carries it, nobody is told
        let description = String::from_utf8(fixture(&format!("bmx6/node2/json/descriptions/{own}"))).unwrap();
        folder.write(
            &format!("json/descriptions/{own}"),
            description.replace("mesh-users", "truca").as_bytes(),
        );
        fs::remove_file(folder.0.join("sock")).unwrap();
        let listener = tokio::net::UnixListener::bind(folder.0.join("sock")).unwrap();
        let house = House::new([(Source::Bmx6, From::Directory(folder.0.clone()))]);
        house.until(Source::Bmx6, |state| state["state"] == "heard").await;
        assert!(timeout(Duration::from_millis(300), listener.accept()).await.is_err());
    });
}
