//! What the package says against what the daemon does: one source of truth, held by tests. The scripts of the
//! package are run by `tests/package/run.sh`.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

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

/// A folder of programs that stand in for this machine's, and a shell that finds them first.
struct StandIns(std::path::PathBuf);

impl StandIns {
    fn new(name: &str, programs: &[(&str, &str)]) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = env::temp_dir().join(format!("truca-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (program, script) in programs {
            fs::write(folder.join(program), format!("#!/bin/bash\n{script}\n")).unwrap();
            fs::set_permissions(folder.join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    /// Runs a script of bash in the source tree: whether it ended well, and what it printed.
    fn run(&self, script: &str) -> (bool, String) {
        let path = format!("{}:{}", self.0.display(), env::var("PATH").unwrap());
        let output = std::process::Command::new("bash")
            .args(["-c", &format!("{script}\n")])
            .current_dir(tree(""))
            .env("PATH", path)
            .env("HERE", &self.0)
            .env("TRUCA_DIST", self.0.join("dist"))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Packs the last argument, quickly.
const GZIP: &str = r#"exec gzip -9nc "${@: -1}""#;

#[test]
fn one_command_packs_several_targets_or_none_when_one_is_not_there() {
    let here = StandIns::new("targets", &[("libdeflate-gzip", GZIP), ("zopfli", GZIP)]);
    fs::write(here.0.join("trucad"), b"a program").unwrap();
    let pack = |targets: &str| here.run(&format!("TRUCAD=$HERE/trucad make -s ipk TARGET='{targets}'"));
    let (well, said) = pack("mips nosuch");
    assert!(!well && said.contains("no target 'nosuch'") && !here.0.join("dist").exists(), "{said}");
    let (well, said) = pack("mips mipsel");
    assert!(well, "{said}");
    let mut names: Vec<_> = fs::read_dir(here.0.join("dist"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let version = concat!(env!("CARGO_PKG_VERSION"), "-r1");
    assert_eq!(
        names,
        ["luci-app-truca_VERSION_all.ipk", "truca_VERSION_mips_24kc.ipk", "truca_VERSION_mipsel_24kc.ipk"]
            .map(|name| name.replace("VERSION", version))
    );
    let (well, said) = pack("");
    assert!(!well && said.contains("which target?"), "{said}");
    // apk's tool is a stand-in here: what it is asked to write is what counts
    let apk = StandIns::new(
        "apk-targets",
        &[
            (
                "apk",
                r#"case $1 in --version) echo "apk-tools 3.0.0" ;; *) while [ $# != 1 ]; do shift; done; : >"$1" ;; esac"#,
            ),
            ("fakeroot", r#"exec "$@""#),
            ("libdeflate-gzip", GZIP),
            ("zopfli", GZIP),
        ],
    );
    fs::write(apk.0.join("trucad"), b"a program").unwrap();
    let (well, said) = apk.run("TRUCAD=$HERE/trucad make -s apk TARGET='mips mipsel'");
    assert!(well, "{said}");
    let made = ["mips_24kc", "mipsel_24kc"]
        .map(|arch| apk.0.join("dist").join(arch).join(format!("truca-{version}.apk")).exists());
    assert_eq!(made, [true; 2], "{said}");
}

/// Plays an apt that another one keeps waiting `LOCKED` times, and that cannot install what is called `missing`.
const APT: &str = r#"
case "$*" in *DPkg::Lock::Timeout=*) ;; *) echo "E: no patience"; exit 100 ;; esac
tries=$(cat "$HERE/tries" 2>/dev/null || echo 0)
echo $((tries + 1)) >"$HERE/tries"
[ "$tries" -ge "${LOCKED:-0}" ] || { echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"; exit 100; }
case "$*" in *install*missing) echo "Reading…"; echo "E: Unable to locate package missing"; echo "after"; exit 100 ;; esac
"#;

#[test]
fn scripts_wait_for_another_apt_and_say_why_it_failed() {
    let here = StandIns::new("apt", &[("apt-get", APT), ("id", "echo 0"), ("sleep", ":")]);
    let (well, said) = here.run(". tools/apt.sh; LOCKED=3 apt_install there");
    assert!(well && said.matches("waiting for another apt: E: Could not get lock").count() == 3, "{said}");
    let (well, said) = here.run("rm $HERE/tries; . tools/apt.sh; APT_PATIENCE=0; LOCKED=9 apt_install there");
    assert!(!well && said.contains("apt cannot install there: E: Could not get lock"), "{said}");
    // through a script that installs: apt's own words stand before ours
    let (well, said) = here.run(
        "source cross/lib.sh; cross_install nosuchprogram missing || cross_die 'this machine cannot build'",
    );
    assert!(!well, "{said}");
    let (apt, ours) = said.split_once("this machine cannot build").unwrap();
    assert!(apt.contains("apt cannot install missing: E: Unable to locate package missing"), "{apt}");
    assert_eq!(ours.trim(), "");
}

#[test]
fn nothing_installs_past_the_script_that_waits() {
    // tests/router has an apt of its own folder, whose lock nobody else takes
    let (_, found) = StandIns::new("grep", &[]).run(
        "git grep -nE '^[^#]*apt-get (-[^ ]+ )*(install|update) -' -- '*.sh' .ci Makefile '*.mk' ':!tools/apt.sh' ':!tests/router' || true",
    );
    assert_eq!(found, "");
}
