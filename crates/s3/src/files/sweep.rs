//! Removing what a server that was killed left behind, and everything for a reset.

use std::collections::HashSet;
use std::fs;
use std::io;

use uuid::Uuid;

use super::Files;

impl Files {
    /// All files that there are.
    pub(crate) fn all(&self) -> io::Result<Vec<Uuid>> {
        let mut all = Vec::new();
        for folder in fs::read_dir(&self.directory)? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                // A name that is none of ours is somebody else's file.
                let name = file?.file_name();
                all.extend(name.to_str().and_then(|name| Uuid::try_parse(name).ok()));
            }
        }
        Ok(all)
    }

    /// Removes all files but those. Nobody may write meanwhile.
    pub(crate) fn sweep(&self, named: &HashSet<Uuid>) -> io::Result<usize> {
        let orphans: Vec<Uuid> = self.all()?.into_iter().filter(|id| !named.contains(id)).collect();
        self.remove(&orphans);
        Ok(orphans.len())
    }
}
