//! Looks at the files that the configuration names as the daemon will: as its own user, through every directory and
//! link on the way. What root can read, and the user `truca` cannot, is what nobody notices before the next start.
//!
//! Driven by `trucad --check`. Run by root on a router, it asks for the user `truca`; otherwise for whoever runs it. It
//! opens what it can, and of what only the other user may open it reads owners and modes (no ACLs, which OpenWrt has
//! not). In the jail are the directories that the way goes through, which `/etc/init.d/truca` finds by the same steps.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Component, Path, PathBuf},
};

use super::config::Config;
use super::identity::KEY_FILE;
use super::store;
use crate::tls::certificate;

/// The daemon's user on a router.
const USER: &str = "truca";
/// Links on one way, as in the kernel (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// What `--check` ends with when the daemon would start, and something that it is to use cannot be used.
pub const EXIT_CODE: u8 = 3;

const READ: u32 = 4;
const WRITE: u32 = 2;
const ENTER: u32 = 1;

/// As whom to look.
#[derive(Debug, Clone)]
pub struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl User {
    /// The user of the daemon, when root asks where there is one; otherwise nobody else than who asks.
    pub fn of_daemon() -> Option<Self> {
        // without /proc: who could run this there but root?
        let own = fs::metadata("/proc/self").map_or(0, |meta| meta.uid());
        (own == 0).then(|| Self::find(USER, &fs::read_to_string("/etc/passwd").unwrap_or_default()))?
    }

    /// A user of passwd(5).
    fn find(name: &str, passwd: &str) -> Option<Self> {
        let mut fields =
            passwd.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?;
        let (uid, gid) = (fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Self { name: name.into(), uid, gid })
    }

    fn may(&self, meta: &Metadata, right: u32) -> bool {
        let shift = match () {
            () if self.uid == 0 => return true,
            () if meta.uid() == self.uid => 6,
            () if meta.gid() == self.gid => 3,
            () => 0,
        };
        meta.permissions().mode() >> shift & right == right
    }

    fn must(&self, path: &Path, meta: &Metadata, right: u32) -> Result<(), String> {
        if self.may(meta, right) {
            return Ok(());
        }
        let (verb, letters) = match right {
            READ => ("read", "r"),
            ENTER => ("enter", "x"),
            _ => ("write to", "rwx"),
        };
        let (name, path, mode) = (&self.name, path.display(), meta.permissions().mode() & 0o7777);
        Err(format!(
            "the user {name} cannot {verb} {path} (mode {mode:o}, of user {}): chgrp {name} {path}; chmod g+{letters} {path}",
            meta.uid()
        ))
    }

    /// Goes to where a path leads as this user; what is there, without links.
    fn walk(&self, path: &Path) -> Result<(PathBuf, Metadata), String> {
        let said = |path: &Path, why: &io::Error| format!("cannot read {}: {why}", path.display());
        let absolute = std::path::absolute(path).map_err(|why| said(path, &why))?;
        let mut ahead: Vec<PathBuf> = steps(&absolute);
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        let mut meta = fs::metadata(&at).map_err(|why| said(&at, &why))?;
        while let Some(step) = ahead.pop() {
            self.must(&at, &meta, ENTER)?;
            if step.as_os_str() == ".." {
                at.pop();
            } else {
                at.push(step);
            }
            meta = fs::symlink_metadata(&at).map_err(|why| said(&at, &why))?;
            if meta.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(format!("{} leads in a circle", path.display()));
                }
                let target = fs::read_link(&at).map_err(|why| said(&at, &why))?;
                at.pop();
                if target.is_absolute() {
                    at = "/".into();
                }
                ahead.extend(steps(&target));
                meta = fs::metadata(&at).map_err(|why| said(&at, &why))?;
            }
        }
        Ok((at, meta))
    }

    /// Whether this user can read the file that a path leads to.
    fn reads(&self, path: &Path) -> Result<(), String> {
        let (at, meta) = self.walk(path)?;
        self.must(&at, &meta, READ)
    }
}

/// The names on a path, the last one first.
fn steps(path: &Path) -> Vec<PathBuf> {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let mut names: Vec<PathBuf> = names.map(|part| part.as_os_str().into()).collect();
    names.reverse();
    names
}

/// What is wrong with files that the configuration names, each in words that say what to do; the daemon starts
/// without a certificate, and says the rest itself.
pub fn faults(config: &Config, user: Option<&User>) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some((chain, key)) = &config.certificate {
        let reads = |path: &Path| user.map_or(Ok(()), |user| user.reads(path));
        let whole = reads(chain)
            .and_then(|()| reads(key))
            .and_then(|()| certificate::load(chain, key).map(drop).map_err(|why| why.to_string()));
        if let Err(why) = whole {
            faults.push(format!("the certificate cannot be used, and pages are shown the node's own: {why}"));
        }
    }
    // what is not there yet is made at the start
    if config.state.exists()
        && let Some(user) = user
    {
        let writes =
            user.walk(&config.state).and_then(|(at, meta)| user.must(&at, &meta, READ | WRITE | ENTER));
        let kept = [KEY_FILE, store::FILE].map(|name| config.state.join(name));
        let reads = kept.iter().filter(|path| path.exists()).try_for_each(|path| user.reads(path));
        if let Err(why) = writes.and(reads) {
            faults.push(format!("the state: {why}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const STRANGER: (u32, u32) = (843, 843);

    fn stranger() -> User {
        User { name: "truca".into(), uid: STRANGER.0, gid: STRANGER.1 }
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_user_is_found_where_passwd_has_it() {
        let passwd = "root:x:0:0:root:/root:/bin/ash\ntruca:x:843:844:truca:/var:/bin/false\ntrucabroken:x\n";
        let user = User::find("truca", passwd).unwrap();
        assert_eq!((user.uid, user.gid), (843, 844));
        assert!(User::find("truc", passwd).is_none() && User::find("trucabroken", passwd).is_none());
    }

    #[test]
    fn the_way_is_gone_as_another_user_through_every_directory_and_link() {
        let dir = std::env::temp_dir().join(format!("truca-look-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("ssl/acme")).unwrap();
        fs::create_dir_all(dir.join("acme/casa_ecc")).unwrap();
        let (link, file) = (dir.join("ssl/acme/casa.key"), dir.join("acme/casa_ecc/casa.key"));
        fs::write(&file, "key").unwrap();
        symlink("../../acme/casa_ecc/casa.key", &link).unwrap();
        for path in
            [&dir, &dir.join("ssl"), &dir.join("ssl/acme"), &dir.join("acme"), &dir.join("acme/casa_ecc")]
        {
            mode(path, 0o755);
        }
        mode(&file, 0o644);
        assert_eq!(stranger().reads(&link), Ok(()));
        // what acme.sh makes
        mode(&file, 0o600);
        let said = stranger().reads(&link).unwrap_err();
        assert!(said.contains(&format!("the user truca cannot read {}", file.display())), "{said}");
        assert!(said.ends_with(&format!("chmod g+r {}", file.display())), "{said}");
        mode(&file, 0o644);
        mode(&dir.join("acme"), 0o700);
        let said = stranger().reads(&link).unwrap_err();
        assert!(said.contains(&format!("cannot enter {} (mode 700", dir.join("acme").display())), "{said}");
        // its owner still may
        let owner = fs::metadata(&dir).unwrap();
        assert_eq!(User { name: "me".into(), uid: owner.uid(), gid: owner.gid() }.reads(&link), Ok(()));
        mode(&dir.join("acme"), 0o755);
        fs::remove_file(&file).unwrap();
        let said = stranger().reads(&link).unwrap_err();
        assert!(said.contains(&format!("cannot read {}", file.display())), "the target is named: {said}");
        symlink("casa.key", dir.join("ssl/acme/other")).unwrap();
        fs::remove_file(&link).unwrap();
        symlink("other", &link).unwrap();
        assert!(stranger().reads(&link).unwrap_err().ends_with("leads in a circle"));
        fs::remove_dir_all(&dir).unwrap();
    }
}
