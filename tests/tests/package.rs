//! What the package says against what the daemon does: one source of truth, held by tests. The scripts of the
//! package are run by `tests/package/run.sh`.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::Path,
};

use trucad::host::config::{Config, Overrides, options::TABLE};

/// A path in the source tree.
fn tree(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

const HEAD: &str = "\
# Truca: the phone exchange of a community mesh. Every option is here with its default; take the `#` away and
# change what you want, then: reload_config (what is wrong is in logread, and: /etc/init.d/truca check).
";

/// `/etc/config/truca`, every option with its default in a comment.
fn packaged_config() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for row in TABLE {
        // A peer that is not filled in would be wrong, so its section sleeps too; there may be several
        let asleep = row.section == "peer";
        if row.section != section {
            section = row.section;
            let _ = match asleep {
                true => writeln!(text, "\n#config {section}"),
                false => writeln!(text, "\nconfig {section} '{section}'"),
            };
        }
        let _ =
            writeln!(text, "\t# {}{}. Takes {}", row.help[..1].to_uppercase(), &row.help[1..], row.allowed);
        let kind = if row.list { "list" } else { "option" };
        let mut line = |value: &str| {
            let _ = writeln!(text, "{}{kind} {} '{value}'", if asleep { "#\t" } else { "\t#" }, row.option);
        };
        match row.default.split(' ') {
            values if row.list => values.for_each(&mut line),
            _ => line(row.default),
        }
    }
    text
}

#[test]
fn the_packaged_configuration_has_every_option_with_its_default() {
    let path = tree("openwrt-feed/truca/files/truca.config");
    let text = packaged_config();
    if env::var_os("TRUCA_UPDATE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let packaged = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        packaged == text,
        "{} is not what the options say: TRUCA_UPDATE=1 cargo test -p truca-tests --test package writes it anew",
        path.display()
    );
    let (config, warnings) = Config::read(&path, text.as_bytes(), &Overrides::default()).unwrap();
    let (default, _) = Config::read(&path, b"", &Overrides::default()).unwrap();
    assert_eq!(config, default);
    assert_eq!(warnings, []);
}

#[test]
fn waking_every_option_up_changes_nothing() {
    // without the peer, and without empty defaults, which stand for what the daemon finds out by itself
    let text = packaged_config();
    let (own, _) = text.split_once("\n#config").unwrap();
    let awake: String = own
        .lines()
        .filter(|line| !line.ends_with("''"))
        .map(|line| match line.strip_prefix("\t#") {
            Some(option) if !option.starts_with(' ') => format!("{option}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(awake.contains("\noption port '8443'\n") && awake.contains("\nlist listen '::'\n"), "{awake}");
    let path = Path::new("woken");
    let (config, warnings) = Config::read(path, awake.as_bytes(), &Overrides::default()).unwrap();
    assert_eq!(config, Config::read(path, b"", &Overrides::default()).unwrap().0, "{awake}");
    assert_eq!(warnings, []);
}

#[test]
fn the_scripts_know_the_daemons_defaults() {
    let functions = fs::read_to_string(tree("openwrt-feed/truca/files/functions.sh")).unwrap();
    for (variable, section, option) in [
        ("truca_port", "node", "port"),
        ("truca_http_port", "node", "http_port"),
        ("truca_stun_port", "node", "stun_port"),
        ("truca_state", "node", "state"),
        ("truca_run_dir", "node", "run_dir"),
        ("truca_mdns", "discovery", "mdns"),
        ("truca_publish", "discovery", "publish"),
        ("truca_reflexive", "ice", "reflexive"),
        ("truca_reflexive_ports", "ice", "reflexive_ports"),
        ("truca_turn", "turn", "enabled"),
        ("truca_relays", "turn", "ports"),
        ("truca_reject_stray", "firewall", "reject_stray"),
    ] {
        let row = TABLE.iter().find(|row| row.section == section && row.option == option).unwrap();
        let wanted = format!("{variable}={}", row.default);
        assert!(functions.split_whitespace().any(|word| word == wanted), "{wanted} is not in functions.sh");
    }
}

/// What the service restarts the daemon for, as `section.option`: the variables of `truca_fixed`, and where
/// `functions.sh` reads each.
fn restarted_for(functions: &str) -> BTreeSet<String> {
    let fixed = functions.lines().find_map(|line| line.trim().strip_prefix("truca_fixed="));
    let fixed = fixed.expect("truca_fixed in functions.sh");
    let variables = fixed.trim_matches('"').split_whitespace().map(|word| word.trim_start_matches('$'));
    let mut read = BTreeMap::new();
    let mut section = "";
    for line in functions.lines() {
        if let Some(name) = line.strip_prefix("_truca_").and_then(|rest| rest.strip_suffix("() {")) {
            section = name;
        }
        if let ["config_get" | "config_get_bool", variable, _, option, _] =
            line.split_whitespace().collect::<Vec<_>>()[..]
        {
            read.insert(variable, format!("{section}.{option}"));
        }
    }
    variables.map(|variable| read[variable].clone()).collect()
}

#[test]
fn the_service_restarts_the_daemon_for_what_it_takes_over_only_at_a_start() {
    let functions = fs::read_to_string(tree("openwrt-feed/truca/files/functions.sh")).unwrap();
    let fixed = TABLE.iter().filter(|row| row.restarts());
    let fixed: BTreeSet<String> = fixed.map(|row| format!("{}.{}", row.section, row.option)).collect();
    assert_eq!(restarted_for(&functions), fixed);
}

#[test]
fn the_feed_has_the_version_of_the_workspace() {
    let makefile = fs::read_to_string(tree("openwrt-feed/truca/Makefile")).unwrap();
    let wanted = format!("PKG_VERSION:={}", env!("CARGO_PKG_VERSION"));
    assert!(makefile.lines().any(|line| line == wanted), "no line {wanted}");
}
