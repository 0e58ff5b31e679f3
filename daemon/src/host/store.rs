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

const FILE: &str = "state";

/// Reads what was saved in a state directory. Nothing yet, or nothing readable: starts anew.
pub fn load(state_dir: &Path) -> Saved {
    let path = state_dir.join(FILE);
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                log::error!("cannot read {}: {error}; starting without it", path.display());
            }
            return Saved::default();
        }
    };
    Saved::decode(&content).unwrap_or_else(|| {
        let aside = path.with_extension("broken");
        log::error!("{} is broken; kept as {}, starting without it", path.display(), aside.display());
        if let Err(error) = fs::rename(&path, &aside) {
            log::error!("cannot keep it: {error}");
        }
        Saved::default()
    })
}

/// Replaces the state file. Blocks on flash: call it off the runtime thread, except at the very end.
///
/// # Errors
/// What the system says; the old file is as it was.
pub fn save(state_dir: &Path, saved: &Saved) -> io::Result<()> {
    let path: PathBuf = state_dir.join(FILE);
    let fresh = path.with_extension("new");
    // what is kept of passwords is nobody else's business
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&saved.encode())?;
    file.sync_all()?;
    fs::rename(&fresh, &path)?;
    // the rename itself must survive a power cut too
    File::open(state_dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_was_saved_is_loaded_and_a_broken_file_is_kept_aside() {
        let dir = std::env::temp_dir().join(format!("truca-store-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        assert_eq!(load(&dir), Saved::default());
        let saved = Saved { boot: 7, ..Saved::default() };
        save(&dir, &saved).unwrap();
        assert_eq!(load(&dir), saved);
        assert_eq!(fs::metadata(dir.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(dir.join(FILE), b"trash").unwrap();
        assert_eq!(load(&dir), Saved::default());
        assert_eq!(fs::read(dir.join("state.broken")).unwrap(), b"trash");
        fs::remove_dir_all(&dir).unwrap();
    }
}
