//! A disk whose power is cut: at every step of a replacement, with every part of what was not synced.

use std::collections::BTreeMap;

use super::*;

/// A file: what was written to it, and what of that is on the flash for certain.
#[derive(Debug, Clone, Default)]
struct Inode {
    written: Vec<u8>,
    synced: Vec<u8>,
}

/// A file system that keeps for certain only what was synced, as one may that is allowed to.
#[derive(Debug, Clone, Default)]
struct Flash {
    inodes: Vec<Inode>,
    /// Which file is being written.
    open: usize,
    /// The directory after each change of it since it was synced; the first is on the flash for certain.
    directory: Vec<BTreeMap<PathBuf, usize>>,
    /// Steps until the power is cut.
    left: usize,
}

impl Flash {
    /// One with a whole state file, or without any.
    fn with(state: Option<&[u8]>) -> Self {
        let mut flash = Self { directory: vec![BTreeMap::new()], ..Self::default() };
        if let Some(state) = state {
            flash.inodes.push(Inode { written: state.to_vec(), synced: state.to_vec() });
            flash.directory[0].insert(Path::new("/s").join(FILE), 0);
        }
        flash
    }

    fn step(&mut self) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("the power is cut"))?;
        Ok(())
    }

    fn now(&self) -> BTreeMap<PathBuf, usize> {
        self.directory.last().cloned().unwrap_or_default()
    }

    /// Everything that may be found on the flash after the power was cut.
    fn found(&self) -> Vec<Flash> {
        let mut all = Vec::new();
        for directory in &self.directory {
            for kept in 0..=self.inodes.iter().map(|inode| inode.written.len()).max().unwrap_or_default() {
                let inodes = self.inodes.iter().map(|inode| {
                    // what was synced is there; of what was written since as much as happened to be
                    let content = if inode.synced == inode.written {
                        inode.synced.clone()
                    } else {
                        inode.written[..kept.min(inode.written.len())].to_vec()
                    };
                    Inode { written: content.clone(), synced: content }
                });
                let directory = vec![directory.clone()];
                all.push(Flash { inodes: inodes.collect(), directory, ..Flash::default() });
            }
        }
        all
    }

    fn state(&self) -> Option<Vec<u8>> {
        self.now().get(&Path::new("/s").join(FILE)).map(|at| self.inodes[*at].written.clone())
    }
}

impl Steps for Flash {
    fn create(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        let mut now = self.now();
        self.open = *now.entry(path.to_owned()).or_insert_with(|| {
            self.inodes.push(Inode::default());
            self.inodes.len() - 1
        });
        self.inodes[self.open].written.clear();
        self.directory.push(now);
        Ok(())
    }

    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        self.step()?;
        self.inodes[self.open].written.extend_from_slice(content);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step()?;
        let open = &mut self.inodes[self.open];
        open.synced.clone_from(&open.written);
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        let mut now = self.now();
        let moved = now.remove(from).ok_or(io::ErrorKind::NotFound)?;
        now.insert(to.to_owned(), moved);
        self.directory.push(now);
        Ok(())
    }

    fn sync_directory(&mut self, _path: &Path) -> io::Result<()> {
        self.step()?;
        self.directory = vec![self.now()];
        Ok(())
    }
}

#[test]
fn a_power_cut_at_any_step_leaves_the_old_state_or_the_new_one() {
    let state_dir = Path::new("/s");
    let [old, new, later] = [7, 8, 9].map(|boot| Saved { boot, ..Saved::default() }.encode());
    for before in [None, Some(&old[..])] {
        for cut in 0.. {
            let mut flash = Flash { left: cut, ..Flash::with(before) };
            let saved = replace(&mut flash, state_dir, &new).is_ok();
            for mut found in flash.found() {
                let state = found.state();
                let is_old = state.as_deref() == before;
                assert!(is_old || state.as_deref() == Some(&new), "cut after {cut} steps: {state:?}");
                assert!(!saved || !is_old, "what was said to be saved is there");
                // and whatever lies beside it, the next start can save
                found.left = usize::MAX;
                assert!(replace(&mut found, state_dir, &later).is_ok());
                assert_eq!(found.state(), Some(later.clone()));
                assert_eq!(found.now().len(), 1, "nothing is left beside it");
            }
            if saved {
                assert!(cut > 3, "it takes some steps");
                break;
            }
        }
    }
}
