//! A new device is let in by a password: at any node, without the node between learning it or being able to use
//! what it has seen, and without a home that can be guessed at or worn out. In virtual time, and at the end once
//! with real daemons and the real stretching.

use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use ring::{hmac, pbkdf2};
use serde_json::{Value, json};
use truca_core::scram::{Exchange, MIN_ITERATIONS, Secret};
use truca_core::wire::bytes::Bytes;
use truca_tests::Result;
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page::Page;
use truca_tests::sim::{Mesh, Person, encode};

const SECOND: Duration = Duration::from_secs(1);

/// What a browser has after its stretching, which is not what is tested here.
struct Password([u8; 32]);

impl Password {
    fn of(text: &str) -> Self {
        Self(digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("32 bytes"))
    }

    fn mac(key: &[u8], text: &str) -> [u8; 32] {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
            .as_ref()
            .try_into()
            .expect("32 bytes")
    }

    fn client_key(&self) -> [u8; 32] {
        Self::mac(&self.0, "Client Key")
    }

    fn secret(&self) -> Secret {
        let stored = digest(&SHA256, &self.client_key());
        Secret {
            salt: Bytes([5; 16]),
            iterations: MIN_ITERATIONS,
            stored: Bytes(stored.as_ref().try_into().expect("32 bytes")),
            server: Bytes(Self::mac(&self.0, "Server Key")),
        }
    }

    fn proof(&self, auth_message: &str) -> String {
        let signature = Self::mac(&self.secret().stored.0, auth_message);
        let proof: Vec<u8> = self.client_key().iter().zip(signature).map(|(a, b)| a ^ b).collect();
        encode(&proof)
    }
}

/// Three nodes in a line, of which the first is Núria's home, where she is.
fn mesh(seed: u64) -> (Mesh, Person) {
    let mut mesh = Mesh::new(seed, 3);
    for host in 0..3_usize {
        let peers: Vec<usize> = host.checked_sub(1).into_iter().collect();
        mesh.start(host, &peers);
    }
    mesh.run_until(20 * SECOND, Mesh::agrees).expect("agreement");
    let nuria = mesh.sign_in(0, "nuria");
    mesh.run(2 * SECOND);
    (mesh, nuria)
}

/// The same, and she has a password.
fn with_password(seed: u64) -> (Mesh, Person) {
    let (mut mesh, mut nuria) = mesh(seed);
    assert!(sets(&mut mesh, &mut nuria, Some("horse tram river"))["ok"].is_object());
    mesh.run(2 * SECOND);
    (mesh, nuria)
}

fn last(mesh: &Mesh, person: &Person, name: &str) -> Value {
    mesh.told(person, name).last().map_or(Value::Null, |value| (*value).clone())
}

fn devices(mesh: &mut Mesh, person: &mut Person) -> Value {
    mesh.ask(person, "devices", json!({}))["devices"].clone()
}

/// What a device asks to have its account's password set.
fn setting(mesh: &mut Mesh, by: &mut Person, password: Option<&str>) -> Value {
    let counter = devices(mesh, by)["counter"].as_u64().expect("a counter");
    let secret = password.map(|text| serde_json::to_value(Password::of(text).secret()).expect("JSON"));
    let lines = secret.iter().flat_map(|secret| {
        let texts =
            ["salt", "stored", "server"].map(|field| secret[field].as_str().expect("a text").to_owned());
        let [salt, stored, server] = texts;
        [salt, secret["iterations"].to_string(), stored, server]
    });
    let text = format!("truca-password-1\n{}\n{counter}\n", by.address);
    let text = lines.fold(text, |text, line| text + &line + "\n");
    let signature = encode(&by.key.sign(text.as_bytes()));
    json!({ "counter": counter, "secret": secret, "signature": signature })
}

fn sets(mesh: &mut Mesh, by: &mut Person, password: Option<&str>) -> Value {
    let body = setting(mesh, by, password);
    mesh.ask(by, "password", body)
}

/// What home has said to a new device that wants in: the salt, or how it ended.
fn begins(mesh: &mut Mesh, device: &mut Person) -> Value {
    let (address, key) = (device.address.clone(), encode(&device.key.point()));
    let body = json!({ "address": address, "key": key, "client": encode(&[8; 16]) });
    let answer = mesh.ask(device, "link_password", body);
    assert!(answer["ok"].is_object(), "{answer}");
    mesh.run(2 * SECOND);
    match last(mesh, device, "link_salt") {
        Value::Null => last(mesh, device, "link_ended"),
        salt => salt,
    }
}

/// The proof of a device that knows a password, as it is sent; and what both ends sign.
fn proof(mesh: &Mesh, device: &Person, password: &str, salt: &Value) -> (Value, String) {
    let (secret, key) = (Password::of(password).secret(), Bytes(device.key.point()));
    let server = Bytes::from_text(salt["server"].as_str().expect("a nonce")).expect("16 bytes");
    let (address, client) = (device.address.parse().expect("an address"), Bytes([8; 16]));
    let at = mesh.node(device.host).id();
    let message =
        secret.auth_message(&Exchange { address: &address, at, key: &key, client: &client, server: &server });
    let proof = Password::of(password).proof(&message);
    (json!({ "key": key, "client": client, "server": server, "proof": proof }), message)
}

/// A new device tries to get in by a password. How it ended: `linked`, or why not.
fn tries(mesh: &mut Mesh, device: &mut Person, password: &str) -> String {
    let salt = begins(mesh, device);
    if let Some(reason) = salt["reason"].as_str() {
        return reason.to_owned();
    }
    let (body, message) = proof(mesh, device, password, &salt);
    mesh.ask(device, "link_prove", body);
    mesh.run(2 * SECOND);
    match last(mesh, device, "link_proved")["signature"].as_str() {
        Some(signature) => {
            let ours = Password::mac(&Password::of(password).secret().server.0, &message);
            assert_eq!(signature, encode(&ours), "home knows the password too");
            "linked".to_owned()
        }
        None => last(mesh, device, "link_ended")["reason"].as_str().expect("a reason").to_owned(),
    }
}

/// The same from a page of its own.
fn somebody_tries(mesh: &mut Mesh, of: &Person, host: usize, password: &str) -> String {
    let mut device = mesh.new_device(of, host);
    tries(mesh, &mut device, password)
}

#[test]
fn a_new_device_at_any_node_is_let_in_by_the_password_and_the_others_are_told() {
    let (mut mesh, mut nuria) = with_password(81);
    assert_eq!(devices(&mut mesh, &mut nuria)["password"], true);
    let mut phone = mesh.new_device(&nuria, 2);
    let found = mesh.ask(&mut phone, "find", json!({ "text": "nuria" }));
    assert_eq!(found["found"]["people"][0]["password"], true);
    assert_eq!(tries(&mut mesh, &mut phone, "horse tram river"), "linked");
    assert_eq!(last(&mesh, &nuria, "account_changed")["counter"], devices(&mut mesh, &mut nuria)["counter"]);
    assert_eq!(devices(&mut mesh, &mut nuria)["devices"].as_array().map(Vec::len), Some(2));
    mesh.sign_in_again(&mut phone, 2);
    // and home is not needed any more
    mesh.kill(0);
    mesh.run_until(60 * SECOND, |mesh| mesh.node(1).alive().len() == 2).expect("home's death is known");
    mesh.sign_in_again(&mut phone, 1);
}

#[test]
fn a_wrong_password_lets_nobody_in_and_after_five_not_even_the_right_one_does_for_a_while() {
    let (mut mesh, nuria) = with_password(82);
    for _ in 0..5 {
        assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse"), "wrong_password");
    }
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse tram river"), "too_often");
    assert_eq!(somebody_tries(&mut mesh, &nuria, 1, "horse tram river"), "too_often", "at any node");
    let counters = mesh.status(0)["counters"]["devices"].clone();
    assert_eq!((&counters["wrong_passwords"], &counters["too_often"]), (&json!(5), &json!(2)));
    mesh.run(900 * SECOND);
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse tram river"), "linked");
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse"), "wrong_password", "and it begins anew");
}

#[test]
fn one_node_guesses_at_many_accounts_only_so_often() {
    let (mut mesh, nuria) = with_password(83);
    let mut people = vec![nuria];
    for name in ["pep", "anna", "biel", "carla", "dolors"] {
        let mut one = mesh.sign_in(0, name);
        sets(&mut mesh, &mut one, Some("horse tram river"));
        people.push(one);
    }
    mesh.run(2 * SECOND);
    // five sixes are 30, of which a guess in 30 s is forgiven
    let ends: Vec<String> =
        (0..5).flat_map(|_| people.clone()).map(|one| somebody_tries(&mut mesh, &one, 2, "horse")).collect();
    let wrong = ends.iter().filter(|end| *end == "wrong_password").count();
    assert!((20..30).contains(&wrong), "{wrong} of {}", ends.len());
    assert_eq!(ends.last().map(String::as_str), Some("too_often"));
    assert_eq!(
        somebody_tries(&mut mesh, &people[5], 1, "horse tram river"),
        "linked",
        "another node is not to blame"
    );
}

#[test]
fn a_proof_that_was_overheard_lets_in_nobody_again_and_no_other_key() {
    let (mut mesh, mut nuria) = with_password(84);
    let mut phone = mesh.new_device(&nuria, 2);
    let salt = begins(&mut mesh, &mut phone);
    let (body, _) = proof(&mesh, &phone, "horse tram river", &salt);
    // the node in the middle puts a key of its own in the place of the phone's
    let mut thief = mesh.new_device(&nuria, 2);
    begins(&mut mesh, &mut thief);
    let mut swapped = body.clone();
    swapped["key"] = json!(encode(&thief.key.point()));
    mesh.ask(&mut thief, "link_prove", swapped.clone());
    mesh.run(2 * SECOND);
    assert_eq!(last(&mesh, &thief, "link_ended")["reason"], "expired", "the nonce is the phone's");
    // with a nonce that home has made for the thief's key it is a proof of something else
    let mut thief = mesh.new_device(&nuria, 2);
    swapped["key"] = json!(encode(&thief.key.point()));
    swapped["server"] = begins(&mut mesh, &mut thief)["server"].clone();
    mesh.ask(&mut thief, "link_prove", swapped);
    mesh.run(2 * SECOND);
    assert_eq!(last(&mesh, &thief, "link_ended")["reason"], "wrong_password");
    // at another node it is nothing either
    let mut other = mesh.new_device(&nuria, 1);
    begins(&mut mesh, &mut other);
    mesh.ask(&mut other, "link_prove", body.clone());
    mesh.run(2 * SECOND);
    assert_eq!(last(&mesh, &other, "link_ended")["reason"], "expired");
    // it is good once: the phone is taken out, and its proof said again
    mesh.ask(&mut phone, "link_prove", body.clone());
    mesh.run(2 * SECOND);
    assert!(last(&mesh, &phone, "link_proved").is_object());
    let (counter, device) =
        (devices(&mut mesh, &mut nuria)["counter"].clone(), phone.key.device().to_string());
    let text = format!("truca-revoke-1\n{}\n{device}\n{counter}\n", nuria.address);
    let signature = encode(&nuria.key.sign(text.as_bytes()));
    mesh.ask(&mut nuria, "revoke", json!({ "device": device, "counter": counter, "signature": signature }));
    mesh.run(2 * SECOND);
    let mut again = mesh.new_device(&nuria, 2);
    begins(&mut mesh, &mut again);
    mesh.ask(&mut again, "link_prove", body);
    mesh.run(2 * SECOND);
    assert_eq!(last(&mesh, &again, "link_ended")["reason"], "expired");
    assert_eq!(devices(&mut mesh, &mut nuria)["devices"].as_array().map(Vec::len), Some(1));
    // the password, set by a device that is still in, is still there
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse tram river"), "linked");
}

#[test]
fn a_proof_is_good_for_two_minutes_and_for_one_life_of_home() {
    let (mut mesh, nuria) = with_password(85);
    let mut slow = mesh.new_device(&nuria, 2);
    let salt = begins(&mut mesh, &mut slow);
    mesh.run(60 * SECOND);
    let (body, _) = proof(&mesh, &slow, "horse tram river", &salt);
    mesh.ask(&mut slow, "link_prove", body);
    mesh.run(2 * SECOND);
    assert!(last(&mesh, &slow, "link_proved").is_object(), "an old phone may take its time");

    let mut late = mesh.new_device(&nuria, 2);
    let salt = begins(&mut mesh, &mut late);
    mesh.run((2 * 64 + 1) * SECOND);
    let (body, _) = proof(&mesh, &late, "horse tram river", &salt);
    mesh.ask(&mut late, "link_prove", body);
    mesh.run(2 * SECOND);
    assert_eq!(last(&mesh, &late, "link_ended")["reason"], "expired");

    let mut phone = mesh.new_device(&nuria, 2);
    let salt = begins(&mut mesh, &mut phone);
    mesh.run(70 * SECOND); // what is set is on flash
    mesh.kill(0);
    mesh.start(0, &[1]);
    mesh.run_until(60 * SECOND, Mesh::agrees).expect("agreement");
    let (body, _) = proof(&mesh, &phone, "horse tram river", &salt);
    mesh.ask(&mut phone, "link_prove", body);
    mesh.run(2 * SECOND);
    let ended = last(&mesh, &phone, "link_ended")["reason"].clone();
    assert!(ended == "expired" || ended == "home_away", "{ended}");
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse tram river"), "linked", "it outlives a restart");
}

#[test]
fn every_way_in_which_a_password_does_not_work_is_told_to_the_new_device() {
    let (mut mesh, mut nuria) = mesh(86);
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse"), "no_password");
    sets(&mut mesh, &mut nuria, Some("horse tram river"));
    mesh.run(2 * SECOND);
    sets(&mut mesh, &mut nuria, Some("another one for me"));
    mesh.run(2 * SECOND);
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse tram river"), "wrong_password", "it was changed");
    sets(&mut mesh, &mut nuria, None);
    mesh.run(2 * SECOND);
    assert_eq!(devices(&mut mesh, &mut nuria)["password"], Value::Null);
    assert_eq!(
        somebody_tries(&mut mesh, &nuria, 2, "another one for me"),
        "no_password",
        "it was taken away"
    );
    sets(&mut mesh, &mut nuria, Some("horse tram river"));
    mesh.run(2 * SECOND);
    // one proof for each asking, and one asking at a time
    let mut phone = mesh.new_device(&nuria, 2);
    let salt = begins(&mut mesh, &mut phone);
    let body =
        json!({ "address": nuria.address, "key": encode(&phone.key.point()), "client": encode(&[8; 16]) });
    assert_eq!(mesh.ask(&mut phone, "link_password", body)["error"]["code"], "wrong_state");
    let (body, _) = proof(&mesh, &phone, "horse", &salt);
    mesh.ask(&mut phone, "link_prove", body.clone());
    assert_eq!(mesh.ask(&mut phone, "link_prove", body)["error"]["code"], "wrong_state");
    // home is off
    mesh.kill(0);
    let mut phone = mesh.new_device(&nuria, 2);
    begins(&mut mesh, &mut phone);
    mesh.run(60 * SECOND);
    assert_eq!(last(&mesh, &phone, "link_ended")["reason"], "home_away");
}

#[test]
fn only_a_device_of_the_account_sets_its_password_and_an_old_setting_brings_nothing_back() {
    let (mut mesh, mut nuria) = with_password(87);
    let mut pep = mesh.sign_in(1, "pep");
    mesh.run(2 * SECOND);
    // somebody else's device signs for Núria's account
    let counter = devices(&mut mesh, &mut nuria)["counter"].clone();
    let text = format!("truca-password-1\n{}\n{counter}\n", nuria.address);
    let signature = encode(&pep.key.sign(text.as_bytes()));
    mesh.ask(&mut pep, "password", json!({ "counter": counter, "signature": signature }));
    mesh.ask(&mut nuria, "password", json!({ "counter": counter, "signature": signature }));
    mesh.run(2 * SECOND);
    assert_eq!(last(&mesh, &nuria, "link_ended")["reason"], "refused");
    assert_eq!(devices(&mut mesh, &mut nuria)["password"], true);
    // what was said before is said again
    let old = setting(&mut mesh, &mut nuria, Some("the first of all"));
    mesh.ask(&mut nuria, "password", old.clone());
    mesh.run(2 * SECOND);
    sets(&mut mesh, &mut nuria, Some("the second of all"));
    mesh.run(2 * SECOND);
    mesh.ask(&mut nuria, "password", old);
    mesh.run(2 * SECOND);
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "the first of all"), "wrong_password");
    // one that would be guessed cheaply is not taken
    let mut cheap = setting(&mut mesh, &mut nuria, Some("horse"));
    cheap["secret"]["iterations"] = json!(4096);
    let secret = &cheap["secret"];
    let text = |field: &str| secret[field].as_str().unwrap().to_owned();
    let text = format!(
        "truca-password-1\n{}\n{}\n{}\n4096\n{}\n{}\n",
        nuria.address,
        cheap["counter"],
        text("salt"),
        text("stored"),
        text("server")
    );
    cheap["signature"] = json!(encode(&nuria.key.sign(text.as_bytes())));
    mesh.ask(&mut nuria, "password", cheap);
    mesh.run(2 * SECOND);
    assert_eq!(last(&mesh, &nuria, "link_ended")["reason"], "refused");
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "the second of all"), "linked");
}

#[test]
fn a_password_goes_with_the_device_that_set_it_and_a_device_at_another_node_sets_one() {
    let (mut mesh, mut nuria) = with_password(88);
    let mut phone = mesh.new_device(&nuria, 2);
    assert_eq!(tries(&mut mesh, &mut phone, "horse tram river"), "linked");
    mesh.sign_in_again(&mut phone, 2);
    mesh.run(2 * SECOND);
    sets(&mut mesh, &mut phone, Some("what the thief knows"));
    mesh.run(2 * SECOND);
    assert_eq!(somebody_tries(&mut mesh, &nuria, 1, "horse tram river"), "wrong_password");
    let (counter, device) =
        (devices(&mut mesh, &mut nuria)["counter"].clone(), phone.key.device().to_string());
    let text = format!("truca-revoke-1\n{}\n{device}\n{counter}\n", nuria.address);
    let signature = encode(&nuria.key.sign(text.as_bytes()));
    mesh.ask(&mut nuria, "revoke", json!({ "device": device, "counter": counter, "signature": signature }));
    mesh.run(2 * SECOND);
    assert_eq!(devices(&mut mesh, &mut nuria)["password"], Value::Null);
    assert_eq!(somebody_tries(&mut mesh, &nuria, 1, "what the thief knows"), "no_password");
}

#[test]
fn a_password_goes_with_the_account_and_with_its_devices() {
    let (mut mesh, nuria) = with_password(89);
    mesh.administer(0, "account_set", &json!({ "address": nuria.address, "reset_devices": true }));
    mesh.run(2 * SECOND);
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse tram river"), "no_password");

    let (mut mesh, nuria) = with_password(90);
    let mut phone = mesh.new_device(&nuria, 2);
    let salt = begins(&mut mesh, &mut phone);
    mesh.administer(0, "account_delete", &json!({ "address": nuria.address }));
    mesh.run(2 * SECOND);
    let (body, _) = proof(&mesh, &phone, "horse tram river", &salt);
    mesh.ask(&mut phone, "link_prove", body);
    mesh.run(2 * SECOND);
    assert_eq!(last(&mesh, &phone, "link_ended")["reason"], "refused");
    // and whoever has the name next has not got the password
    let mut next = mesh.sign_in(0, "nuria");
    mesh.run(2 * SECOND);
    assert_eq!(devices(&mut mesh, &mut next)["password"], Value::Null);
    assert_eq!(somebody_tries(&mut mesh, &next, 2, "horse tram river"), "no_password");
}

#[test]
fn a_home_that_lost_its_state_says_so_once_and_then_everybody_knows() {
    let (mut mesh, nuria) = with_password(91);
    mesh.forget(0);
    mesh.kill(0);
    mesh.start(0, &[1]);
    mesh.run_until(90 * SECOND, Mesh::agrees).expect("agreement");
    mesh.run(20 * SECOND);
    assert_eq!(somebody_tries(&mut mesh, &nuria, 2, "horse tram river"), "no_password");
    mesh.run(2 * SECOND);
    let mut phone = mesh.new_device(&nuria, 2);
    let found = mesh.ask(&mut phone, "find", json!({ "text": "nuria" }));
    assert_eq!(found["found"]["people"][0]["password"], Value::Null);
}

#[tokio::test]
async fn two_real_daemons_let_a_device_in_after_a_restart_and_keep_what_they_know_to_themselves() -> Result {
    let mut casa = Daemon::start(Options::default())?;
    let options = Options { name: "torre".into(), peers: vec![casa.page()], ..Options::default() };
    let mut torre = Daemon::start(options)?;
    torre.ctl_until("status", |status| status["members_alive"] == 2)?;
    let mut nuria = Page::open(casa.page()).await?;
    nuria.sign_in("nuria").await?;

    let mut salted = [0; 32];
    let rounds = NonZeroU32::new(MIN_ITERATIONS).ok_or("no rounds")?;
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &[5; 16], b"horse tram river", &mut salted);
    let password = Password(salted);
    let secret = serde_json::to_value(password.secret())?;
    let text = |field: &str| secret[field].as_str().unwrap_or_default().to_owned();
    let (salt, stored, server) = (text("salt"), text("stored"), text("server"));
    let rounds = MIN_ITERATIONS.to_string();
    let lines = ["truca-password-1", &nuria.address, "1", &salt, &rounds, &stored, &server];
    let signature = nuria.device.sign(&lines)?;
    nuria.ask("password", json!({ "counter": 1, "secret": secret, "signature": signature })).await?;
    nuria.event_where("account_changed", |changed| changed["counter"] == 2).await?;

    casa.stop()?;
    let state = casa.state().join("state");
    assert_eq!(fs::metadata(&state)?.permissions().mode() & 0o777, 0o600);
    casa.restart()?;
    torre.ctl_until("members", |members| {
        let members = members["members"].as_array().into_iter().flatten();
        members.filter(|member| member["state"] == "alive").count() == 1
    })?;

    let mut phone = Page::open(torre.page()).await?;
    let (address, key) = (nuria.address.clone(), phone.device.key());
    let client = encode(&[8; 16]);
    phone.ask("link_password", json!({ "address": address, "key": key, "client": client })).await?;
    let asked = phone.event("link_salt").await?;
    assert_eq!((&asked["salt"], &asked["iterations"]), (&json!(salt), &json!(MIN_ITERATIONS)));
    let bytes = |value: &Value| Bytes::from_text(value.as_str().unwrap_or_default()).ok_or("16 bytes");
    let (server, client) = (bytes(&asked["server"])?, Bytes([8; 16]));
    let (address, point) = (address.parse()?, Bytes::from_text(&key).ok_or("65 bytes")?);
    let at = phone.node.parse()?;
    let exchange = Exchange { address: &address, at, key: &point, client: &client, server: &server };
    let message = password.secret().auth_message(&exchange);
    let proof = password.proof(&message);
    phone
        .ask("link_prove", json!({ "key": key, "client": client, "server": server, "proof": proof }))
        .await?;
    let signature = phone.event("link_proved").await?["signature"].clone();
    assert_eq!(signature, json!(encode(&Password::mac(&password.secret().server.0, &message))));

    assert_eq!(casa.ctl("status")?["counters"]["devices"]["by_password"], 1);

    // what is kept of it has not left home: not into any record, and not into the other's file
    let kept = fs::read(&state)?;
    let server_key = password.secret().server.0;
    assert!(kept.windows(32).any(|window| window == server_key));
    torre.stop()?;
    let theirs = fs::read(torre.state().join("state"))?;
    assert!(!theirs.windows(32).any(|window| window == server_key));
    Ok(())
}
