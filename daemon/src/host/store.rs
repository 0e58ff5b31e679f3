//! The state file: read at the start, replaced atomically after that.
//!
//! Written under another name, synced, and renamed, so that a power cut at any byte leaves the old file or the
//! new one. A file that cannot be read is kept beside the new one, never lost. Flash that cannot be written is
//! said in the log; the node goes on, and its accounts come back from the mesh.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::node::state::Saved;

/// The state file, in the state directory.
pub const FILE: &str = "state";

/// Reads what was saved in a state directory. Nothing yet, or nothing readable: starts anew; for the second there are
/// words.
pub fn load(state_dir: &Path) -> (Saved, Option<String>) {
    let path = state_dir.join(FILE);
    let why = match fs::read(&path) {
        Ok(content) => match Saved::decode(&content) {
            Some(saved) => return (saved, None),
            None => format!("{} is broken", path.display()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Saved::default(), None),
        Err(error) => format!("cannot read {}: {error}", path.display()),
    };
    // the next save would put another in its place
    let aside = path.with_extension("broken");
    let kept = match fs::rename(&path, &aside) {
        Ok(()) => format!("{why}; kept as {}, starting without it", aside.display()),
        Err(error) => format!("{why}; starting without it, and it cannot be kept: {error}"),
    };
    log::error!("{kept}");
    (Saved::default(), Some(kept))
}

/// Replaces the state file. Blocks on flash: call it off the runtime thread, except at the very end.
///
/// # Errors
/// What the system says; the old file is as it was.
pub fn save(state_dir: &Path, saved: &Saved) -> io::Result<()> {
    replace(&mut Disk::default(), state_dir, &saved.encode())
}

/// The steps of a replacement. A power cut may come between any two of them, and what was not synced may be lost or
/// half there.
fn replace(disk: &mut impl Steps, state_dir: &Path, content: &[u8]) -> io::Result<()> {
    let path: PathBuf = state_dir.join(FILE);
    let fresh = path.with_extension("new");
    disk.create(&fresh)?;
    disk.write(content)?;
    disk.sync()?;
    disk.rename(&fresh, &path)?;
    // the rename itself must survive a power cut too
    disk.sync_directory(state_dir)
}

/// What a replacement needs of a file system.
trait Steps {
    /// Makes an empty file, the one that is written and synced from now on.
    fn create(&mut self, path: &Path) -> io::Result<()>;
    fn write(&mut self, content: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_directory(&mut self, path: &Path) -> io::Result<()>;
}

/// The real one.
#[derive(Default)]
struct Disk(Option<File>);

impl Disk {
    fn file(&mut self) -> io::Result<&mut File> {
        self.0.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Steps for Disk {
    fn create(&mut self, path: &Path) -> io::Result<()> {
        // what is kept of passwords is nobody else's business
        self.0 = Some(File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?);
        Ok(())
    }

    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        self.file()?.write_all(content)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file()?.sync_all()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&mut self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

#[cfg(test)]
mod power;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_saved_is_loaded_and_a_broken_file_is_kept_aside() {
        let dir = std::env::temp_dir().join(format!("truca-store-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        assert_eq!(load(&dir), (Saved::default(), None));
        let saved = Saved { boot: 7, ..Saved::default() };
        save(&dir, &saved).unwrap();
        assert_eq!(load(&dir), (saved.clone(), None));
        assert_eq!(fs::metadata(dir.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(dir.join(FILE), b"trash").unwrap();
        let (anew, said) = load(&dir);
        assert_eq!(anew, Saved::default());
        assert!(said.unwrap().contains("state is broken; kept as"));
        assert_eq!(fs::read(dir.join("state.broken")).unwrap(), b"trash");
        // one that cannot be read (a directory stands for it, which root cannot read either) is not overwritten
        fs::remove_file(dir.join("state.broken")).unwrap();
        fs::create_dir_all(dir.join("state/full")).unwrap();
        assert!(load(&dir).1.unwrap().contains("cannot read"));
        save(&dir, &saved).unwrap();
        assert!(dir.join("state.broken/full").exists());
        assert_eq!(load(&dir), (saved, None));
        fs::remove_dir_all(&dir).unwrap();
    }
}
