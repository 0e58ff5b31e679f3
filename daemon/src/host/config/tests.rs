//! What a configuration says, and what is said about a wrong one.

use super::{options::TABLE, *};

fn read(text: &str) -> (Config, Vec<Warning>) {
    Config::read(Path::new("truca"), text.as_bytes(), &Overrides::default()).unwrap()
}

fn refused(text: &str) -> String {
    let error = Config::read(Path::new("truca"), text.as_bytes(), &Overrides::default()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

fn over(settings: &[(&'static str, &str)], peers: &[&str]) -> Overrides {
    let settings = settings
        .iter()
        .map(|(flag, value)| Setting { flag, row: options::of_flag(flag).unwrap(), value: (*value).into() })
        .collect();
    Overrides {
        file: None,
        settings,
        peers: peers.iter().map(|p| (*p).into()).collect(),
        ubus: None,
        syslog: false,
    }
}

#[test]
fn an_empty_file_means_the_defaults() {
    let (config, warnings) = read("");
    assert!(warnings.is_empty());
    assert_eq!(config.listen, ["0.0.0.0".parse::<IpAddr>().unwrap(), "::".parse().unwrap()]);
    assert_eq!((config.port, config.http_port, config.stun_port), (8443, 8080, 3478));
    assert_eq!(config.state, Path::new("/etc/truca"));
    assert_eq!(config.run_dir, Path::new("/var/run/truca"));
    assert_eq!(config.log_level, LevelFilter::Info);
    assert_eq!(
        config.limits,
        Limits { sessions: 512, accounts: 2000, sessions_per_account: 8, page_rate: 20, stun_rate: 50 }
    );
    assert!(
        config.mdns && config.peers.is_empty() && config.addresses.is_empty() && config.certificate.is_none()
    );
    assert!((1..=32).contains(&config.name.len()));
}

#[test]
fn every_default_is_allowed() {
    let mut draft = Draft::new();
    for row in TABLE {
        for value in row.default.split_whitespace() {
            assert!((row.put)(&mut draft, value).is_some(), "{} {}", row.section, row.option);
        }
        assert!(row.list || !row.default.contains(' '), "{} is no list", row.option);
    }
}

#[test]
fn a_full_file_is_understood() {
    let (config, warnings) = read(
        "config node 'main'
            option name 'casa'
            list listen '10.0.0.1'
            list listen 'fd00::1'
            option address '10.0.0.1'
            option port 9443
            option http_port 0
            option log_level debug
            option certificate /c.pem
            option key /k.pem
        config discovery
            option mdns off
        config limits
            option page_rate 0
        config peer
            option address torre.mesh
            option id aaaqeayeaudaocajbifqydiob4
        config peer
            option address fd00::2
            option port 1
            option enabled 0",
    );
    assert_eq!(warnings, []);
    assert_eq!(config.name, "casa");
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.addresses.len(), 1);
    assert_eq!((config.port, config.http_port), (9443, 0));
    assert_eq!(config.log_level, LevelFilter::Debug);
    assert_eq!(config.certificate, Some(("/c.pem".into(), "/k.pem".into())));
    assert!(!config.mdns);
    assert_eq!(config.limits.page_rate, 0);
    let id = Some("aaaqeayeaudaocajbifqydiob4".parse().unwrap());
    assert_eq!(config.peers, [Peer { host: "torre.mesh".into(), port: 8443, id }]);
}

#[test]
fn what_is_unknown_is_a_warning_with_its_line() {
    let (config, warnings) = read("config node\n option nmae casa\n option port 9\nconfig sip\n option a b");
    let warnings: Vec<String> = warnings.iter().map(Warning::to_string).collect();
    assert_eq!(warnings, ["line 2: section `node` has no option `nmae`", "line 4: unknown section `sip`"]);
    assert_eq!(config.port, 9);
}

#[test]
fn a_wrong_value_is_named_with_all_that_helps_to_mend_it() {
    assert_eq!(
        refused("config node\n option port 99999"),
        "truca line 2: section `node`, option `port`: `99999` is not allowed; it takes a port from 1 to 65535"
    );
    for text in [
        "config node\n option name 'Casa meva'",
        "config node\n option name ''",
        "config node\n option port +1",
        "config node\n option listen 224.0.0.1",
        "config node\n option address ::",
        "config node\n option state ''",
        "config node\n option log_level loud",
        "config node\n option log_level off",
        "config discovery\n option mdns maybe",
        "config limits\n option sessions 0",
        "config peer\n option address 'a b'",
        "config peer\n option id AAAA",
    ] {
        assert!(refused(text).starts_with("truca line 2: section `"), "{text}");
    }
    assert!(refused("config peer").contains("option `address`"));
    assert!(refused("config node\n option http_port 8443").contains("another port"));
    assert!(refused("config turn\n option ports 24831-24576").contains("24576-24831"));
    assert!(refused("config turn\n option ports 80-90").contains("above 1023"));
    assert!(refused("config turn\n list allow 10.0.0.0/33").contains("network"));
    assert!(refused("config turn\n option rate 63").contains("from 64"));
    assert!(refused("config node\n option stun_port 8443").contains("another port"));
    assert!(refused("config node\n option key /k.pem").contains("option `certificate`"));
    assert!(refused("config node\n option port '1").starts_with("truca line 2: this quote has no end"));
}

#[test]
fn a_list_item_replaces_the_default_and_an_option_replaces_the_list() {
    let addresses = |text| read(text).0.listen.iter().map(IpAddr::to_string).collect::<Vec<_>>();
    assert_eq!(addresses("config node\n list listen 10.0.0.1"), ["10.0.0.1"]);
    assert_eq!(
        addresses("config node\n list listen 10.0.0.1\n option port 9\n list listen 10.0.0.2"),
        ["10.0.0.1", "10.0.0.2"]
    );
    assert_eq!(addresses("config node\n list listen 10.0.0.1\n option listen 10.0.0.2"), ["10.0.0.2"]);
}

#[test]
fn the_command_line_goes_over_the_file() {
    let text = b"config node\n option name casa\n option port 9\n list listen 10.0.0.1\nconfig peer\n option address a";
    let overrides = over(
        &[("port", "10"), ("listen", "127.0.0.1"), ("listen", "::1"), ("log", "trace")],
        &["b:11", "[fd00::1]:12", "fd00::2", "c"],
    );
    let (config, _) = Config::read(Path::new("truca"), text, &overrides).unwrap();
    assert_eq!((config.name.as_str(), config.port, config.log_level), ("casa", 10, LevelFilter::Trace));
    assert_eq!(config.listen, ["127.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
    let peers: Vec<(&str, u16)> = config.peers.iter().map(|p| (p.host.as_str(), p.port)).collect();
    assert_eq!(peers, [("a", 8443), ("b", 11), ("fd00::1", 12), ("fd00::2", 8443), ("c", 8443)]);

    for (settings, peers, start) in [
        (&[("port", "x")][..], &[][..], "--port: section `node`, option `port`: `x`"),
        (&[], &["a:b"], "--peer: section `peer`, option `port`: `a:b`"),
        (&[], &["a b:1"], "--peer: section `peer`, option `address`: `a b:1`"),
    ] {
        let error = Config::read(Path::new("truca"), b"", &over(settings, peers)).unwrap_err();
        assert!(error.to_string().starts_with(start), "{error}");
    }
}

#[test]
fn a_named_file_must_exist_and_the_default_one_need_not() {
    let overrides = Overrides { file: Some("/nonexistent/truca".into()), ..Overrides::default() };
    let error = Config::load(&overrides).unwrap_err();
    assert!(error.to_string().starts_with("cannot read /nonexistent/truca: "), "{error}");
    if !Path::new(DEFAULT_FILE).exists() {
        assert!(Config::load(&Overrides::default()).is_ok());
    }
}

#[test]
fn a_host_name_becomes_a_node_name() {
    assert_eq!(node_name("OpenWrt\n"), "openwrt");
    assert_eq!(node_name("Casa de l'Àvia"), "casa-de-l--via");
    assert_eq!(node_name("--ñ--"), "truca");
    assert_eq!(node_name(""), "truca");
    assert_eq!(node_name(&"a".repeat(64)).len(), 32);
}

#[test]
fn the_reference_names_every_option() {
    let text = options::reference();
    assert_eq!(text.lines().count(), TABLE.len() + 2);
    assert!(text.contains("| `node` | `listen` (list) | 0.0.0.0 :: | an IPv4 or IPv6 address |"));
}

#[test]
fn what_only_a_restart_takes_over_is_named_and_stays() {
    let (old, _) = read("");
    let (mut new, _) = read(
        "config node
    option name 'torre'
    list listen '10.9.8.7'
    option port '1'
    option http_port '2'
    option stun_port '3'
    option state '/tmp/state'
    option run_dir '/tmp/run'
config federation
    option admission 'secret'
    option secret 'correct horse battery'
config discovery
    option mdns '0'
",
    );
    let (name, admission) = (new.name.clone(), new.admission.clone());
    assert_ne!(admission, old.admission);
    let fixed: Vec<String> = TABLE
        .iter()
        .filter(|row| row.restarts())
        .map(|row| format!("{}.{}", row.section, row.option))
        .collect();
    assert_eq!(options::keep_until_restart(&old, &mut new), fixed);
    assert_eq!(fixed.len(), 7);
    assert_eq!(new, Config { name, admission, ..old.clone() }, "and the rest is taken over");
    assert_eq!(options::keep_until_restart(&old, &mut new), [""; 0]);
}

/// What the words of `Row::allowed` mean to a program that checks values.
fn kind(row: &Row) -> serde_json::Value {
    let allowed = row.allowed;
    let bounds = allowed.split_once(" from ").and_then(|(_, rest)| rest.split_once(" to "));
    if allowed == "1 or 0" {
        return serde_json::json!({"type": "boolean"});
    }
    if let Some((least, rest)) = bounds {
        let most: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let number = |text: &str| text.parse::<u32>().unwrap();
        return serde_json::json!({
            "type": "number", "min": number(least), "max": number(&most), "zero": rest.contains("or 0"),
        });
    }
    match allowed.split_once(" or ") {
        Some((words, last)) if words.contains(", ") && !last.contains(' ') => {
            let words: Vec<&str> = words.split(", ").chain([last]).collect();
            serde_json::json!({"type": "word", "words": words})
        }
        _ => serde_json::json!({"type": "string"}),
    }
}

#[test]
fn the_document_is_the_table() {
    let rows: Vec<serde_json::Value> = TABLE
        .iter()
        .map(|row| {
            let mut entry = serde_json::json!({
                "section": row.section, "option": row.option, "list": row.list, "default": row.default,
                "allowed": row.allowed, "help": row.help, "secret": row.secret, "restart": row.restarts(),
            });
            entry.as_object_mut().unwrap().extend(kind(row).as_object().unwrap().clone());
            entry
        })
        .collect();
    crate::documents::check("options.json", &serde_json::json!({ "options": rows }));
}

#[test]
fn what_the_document_calls_a_type_is_what_is_taken() {
    let takes = |row: &Row, value: &str| (row.put)(&mut Draft::new(), value).is_some();
    for row in TABLE {
        let kind = kind(row);
        let name = format!("{} {}", row.section, row.option);
        match kind["type"].as_str().unwrap() {
            "number" => {
                let (least, most) = (kind["min"].as_u64().unwrap(), kind["max"].as_u64().unwrap());
                assert!(takes(row, &least.to_string()) && takes(row, &most.to_string()), "{name}");
                assert!(!takes(row, &(most + 1).to_string()) && !takes(row, "-1"), "{name}");
                assert_eq!(takes(row, "0"), least == 0 || kind["zero"].as_bool().unwrap(), "{name}");
                assert!(least < 2 || !takes(row, &(least - 1).to_string()), "{name}");
            }
            "boolean" => assert!(takes(row, "1") && takes(row, "off") && !takes(row, "2"), "{name}"),
            "word" => {
                for word in kind["words"].as_array().unwrap() {
                    assert!(takes(row, word.as_str().unwrap()), "{name} {word}");
                }
                assert!(!takes(row, "none of them"), "{name}");
            }
            _ => assert!(!takes(row, ""), "{name}"),
        }
    }
}
