//! Questions and answers over a real socket, and how they look.

use std::{future::Future, thread};

use tokio::task::LocalSet;

use super::*;

/// A directory of this test alone.
fn run_dir(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("truca-ctl-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    dir
}

/// Runs with a server whose node answers `status`, and says `accounts` back.
fn with_server<T: Send + 'static>(dir: &Path, client: impl FnOnce() -> T + Send + 'static) -> T {
    run(async {
        let server = Server::bind(dir).unwrap();
        let (events, mut inbox) = mpsc::channel(4);
        tokio::task::spawn_local(server.serve(events));
        tokio::task::spawn_local(async move {
            while let Some(event) = inbox.recv().await {
                if let Event::Ask { method, arguments, reply } = event {
                    let answer = match method.as_str() {
                        "status" => Ok(json!({"version": "0.1.0"})),
                        "accounts" => Ok(Value::Object(arguments)),
                        _ => Err(Refusal::Method),
                    };
                    let _ = reply.send(answer);
                }
            }
        });
        let client = thread::spawn(client);
        while !client.is_finished() {
            time::sleep(Duration::from_millis(1)).await;
        }
        client.join().unwrap()
    })
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, future)
}

fn raw(path: &Path, bytes: &[u8]) -> String {
    let mut stream = BlockingStream::connect(path).unwrap();
    stream.write_all(bytes).unwrap();
    let mut text = String::new();
    // A server that closes with something unread resets: what came before is what counts
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn a_question_is_answered_and_an_unknown_one_refused_with_words() {
    let dir = run_dir("answer");
    let at = dir.clone();
    with_server(&dir, move || {
        assert_eq!(ask(&at, "status", &Map::new()).unwrap(), json!({"version": "0.1.0"}));
        assert_eq!(
            ask(&at, "reboot", &Map::new()).unwrap_err().to_string(),
            "the daemon refuses: there is no such command"
        );
        let said = json!({"filter": "é".repeat(200), "limit": 3});
        assert_eq!(ask(&at, "accounts", said.as_object().unwrap()).unwrap(), said);
        let socket = path(&at);
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
        let unknown = raw(&socket, b"{\"command\":\"x\"}\n");
        assert!(unknown.contains("\"code\":\"unknown_command\"") && unknown.ends_with("}\n"), "{unknown}");
        for bad in [
            &b"\n"[..],
            b"[]\n",
            b"{\"command\":1}\n",
            b"{\"command\":\"status\",\"arguments\":[]}\n",
            b"{\"command\"\n",
            b"\xff\n",
        ] {
            assert!(raw(&socket, bad).contains("bad_request"), "{bad:?}");
        }
        assert!(raw(&socket, &[b' '; MAX_QUESTION]).contains("too_long"));
    });
    assert!(!path(&dir).exists(), "the socket goes with the server");
}

#[test]
fn those_who_only_hold_a_place_give_way_in_time() {
    let dir = run_dir("places");
    // in virtual time, which passes while everybody waits
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let server = Server::bind(&dir).unwrap();
        let (events, mut inbox) = mpsc::channel(4);
        tokio::task::spawn_local(server.serve(events));
        tokio::task::spawn_local(async move {
            while let Some(Event::Ask { reply, .. }) = inbox.recv().await {
                let _ = reply.send(Ok(json!({})));
            }
        });
        let mut silent = Vec::new();
        for _ in 0..MAX_ASKING {
            silent.push(UnixStream::connect(path(&dir)).await.unwrap());
        }
        let began = time::Instant::now();
        let mut asking = UnixStream::connect(path(&dir)).await.unwrap();
        asking.write_all(b"{\"command\":\"status\"}\n").await.unwrap();
        let mut answer = String::new();
        let answered = time::timeout(10 * PATIENCE, asking.read_to_string(&mut answer)).await;
        assert!(answered.is_ok(), "all places are taken for good");
        assert_eq!(answer, "{}\n");
        let waited = began.elapsed();
        assert!((PATIENCE..2 * PATIENCE).contains(&waited), "{waited:?}");
        // who held a place was shut out, and is not just silent any more
        let mut left = String::new();
        assert_eq!(time::timeout(PATIENCE, silent[0].read_to_string(&mut left)).await.unwrap().unwrap(), 0);
    });
}

#[test]
fn a_second_daemon_is_refused_and_a_dead_one_replaced() {
    run(async {
        let dir = run_dir("second");
        let first = Server::bind(&dir).unwrap();
        let refused = Server::bind(&dir).unwrap_err();
        assert!(matches!(refused, Error::InUse(_)), "{refused:?}");
        assert!(refused.to_string().starts_with("another trucad runs here already"));
        // Killed: the socket stays, and nobody listens
        let left = dir.join("left.sock");
        fs::hard_link(path(&dir), &left).unwrap();
        drop(first);
        fs::rename(&left, path(&dir)).unwrap();
        assert!(matches!(ask(&dir, "status", &Map::new()), Err(Error::NotRunning(_))));
        assert!(Server::bind(&dir).is_ok());
    });
}

#[test]
fn a_daemon_that_does_not_run_is_said_to_be_so() {
    let error = ask(&run_dir("none"), "status", &Map::new()).unwrap_err().to_string();
    assert!(error.starts_with("trucad is not running here"), "{error}");
}

#[test]
fn status_is_printed_with_units_and_without_control_characters() {
    let answer = json!({
        "version": "0.1.0", "node": {"id": "aaaq", "name": "ca\u{1b}[2Jsa"}, "uptime_s": 93784, "rss_kib": 3300,
        "pages": ["https://10.0.0.1:8443/", "https://[fd00::1]:8443/"], "members_alive": 3, "fingerprint": "",
        "warnings": [{"code": "alone", "level": "info", "text": "No other node is known."}],
        "counters": {"bad_datagrams": 2}
    });
    let text = print("status", &answer);
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "info                    No other node is known.",
            "node id                 aaaq",
            "node name               ca?[2Jsa",
            "version                 0.1.0",
            "uptime                  1 d 2 h",
            "pages                   https://10.0.0.1:8443/, https://[fd00::1]:8443/",
            "fingerprint             -",
            "members alive           3",
            "rss                     3.2 MiB",
            "counters bad datagrams  2",
        ]
    );
}

#[test]
fn lists_are_printed_as_tables_and_empty_ones_as_words() {
    let answer = json!({"links": [
        {"id": "aaaq", "name": "casa", "remote": "10.0.0.1:8443", "dialled": true, "age_s": 61, "in_bytes": 999, "out_bytes": 2048},
        {"id": "bbbq", "name": "torre", "remote": "10.0.0.22:8443", "dialled": false, "age_s": 3600, "in_bytes": 0, "out_bytes": 1},
    ]});
    assert_eq!(
        print("links", &answer),
        "NAME   REMOTE          DIALLED  AGE        IN     OUT    ID\n\
         casa   10.0.0.1:8443   yes      1 min 1 s  999 B  2 KiB  aaaq\n\
         torre  10.0.0.22:8443  no       1 h 0 min  0 B    1 B    bbbq\n"
    );
    let people = json!({"accounts": [{"address": "nuria@a", "display": "Núria", "devices": 2, "admin": false, "password": true, "here": true, "at": ["casa"]}]});
    assert_eq!(
        print("accounts", &people),
        "ADDRESS  NAME   ADMIN  DEVICES  PASSWORD  HERE  AT\nnuria@a  Núria  no     2        yes       yes   casa\n"
    );
    assert_eq!(print("members", &json!({"members": []})), "No other node is known.\n");
    let stun = json!({"addresses": ["10.0.0.1:3478"], "counters": {"requests": 7}});
    assert_eq!(print("stun", &stun), "addresses          10.0.0.1:3478\ncounters requests  7\n");
}
