//! Layers laid over each other in one tree, as a function finds them under /opt.
//!
//! The merged tree is made of hard links to the files of the layers' own trees: a layer is on the disk, and in
//! memory, once, however many functions use it and in whatever company.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Lays `layers` over each other in a directory that does not exist yet; of two that have the same path the later
/// one wins. Directories merge. Nothing outside of `target` is ever touched: links are copied, not followed.
pub(super) fn merge(layers: &[impl AsRef<Path>], target: &Path) -> io::Result<()> {
    super::disk::make_directory(target)?;
    layers.iter().try_for_each(|layer| lay(layer.as_ref(), target))
}

fn lay(source: &Path, target: &Path) -> io::Result<()> {
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        // Both without following links.
        let (new, old) = (entry.metadata()?, fs::symlink_metadata(&to).ok());
        if old.as_ref().is_some_and(|old| !(old.is_dir() && new.is_dir())) {
            remove(&to, old.as_ref())?;
        }
        if new.is_dir() {
            super::disk::make_directory(&to)?;
            lay(&from, &to)?;
        } else if new.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if fs::hard_link(&from, &to).is_err() {
            // A file system without hard links, or a file with too many.
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

fn remove(path: &Path, old: Option<&Metadata>) -> io::Result<()> {
    if old.is_some_and(Metadata::is_dir) { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    /// What lies at a path.
    #[derive(Clone, Debug, PartialEq, Eq)]
    enum Item {
        File(u8),
        Link(&'static str),
        Directory,
    }

    type Tree = BTreeMap<String, Item>;

    fn write(root: &Path, tree: &Tree) {
        fs::create_dir_all(root).expect("a directory");
        for (path, item) in tree {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            match item {
                Item::File(byte) => fs::write(path, [*byte]).expect("a file"),
                Item::Link(to) => symlink(to, path).expect("a link"),
                Item::Directory => fs::create_dir_all(path).expect("a directory"),
            }
        }
    }

    fn read(root: &Path, below: &str, tree: &mut Tree) {
        for entry in fs::read_dir(root.join(below)).expect("readable") {
            let entry = entry.expect("readable");
            let name = entry.file_name().into_string().expect("text");
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type().expect("known");
            if kind.is_dir() {
                tree.insert(path.clone(), Item::Directory);
                read(root, &path, tree);
            } else if kind.is_symlink() {
                tree.insert(path, Item::Link("a"));
            } else {
                tree.insert(path, Item::File(fs::read(entry.path()).expect("readable")[0]));
            }
        }
    }

    /// The same, item by item, without a disk.
    fn naive(layers: &[Tree]) -> Tree {
        let mut merged = Tree::new();
        for (path, item) in layers.iter().flatten() {
            let mut parent = path.as_str();
            while let Some((above, _)) = parent.rsplit_once('/') {
                merged.insert(above.to_owned(), Item::Directory);
                parent = above;
            }
            if *item == Item::Directory && merged.get(path) == Some(&Item::Directory) {
                continue;
            }
            merged.retain(|other, _| !other.starts_with(&format!("{path}/")));
            merged.insert(path.clone(), item.clone());
        }
        merged
    }

    fn layer() -> impl Strategy<Value = Tree> {
        let item = prop_oneof![any::<u8>().prop_map(Item::File), Just(Item::Link("a")), Just(Item::Directory)];
        proptest::collection::btree_map("[ab](/[ab]){0,3}", item, 0..6).prop_map(|tree| {
            // What is inside of something that is no directory cannot be in a zip that was unpacked.
            let fits = |path: &str| {
                let mut parent = path;
                while let Some((above, _)) = parent.rsplit_once('/') {
                    if tree.get(above).is_some_and(|item| *item != Item::Directory) {
                        return false;
                    }
                    parent = above;
                }
                true
            };
            tree.iter().filter(|(path, _)| fits(path)).map(|(path, item)| (path.clone(), item.clone())).collect()
        })
    }

    fn merged(layers: &[Tree]) -> Tree {
        let directory = tempfile::tempdir().expect("a directory");
        let roots: Vec<PathBuf> = (0..layers.len()).map(|number| directory.path().join(number.to_string())).collect();
        for (root, layer) in roots.iter().zip(layers) {
            write(root, layer);
        }
        let target = directory.path().join("merged");
        merge(&roots, &target).expect("they merge");
        let mut tree = Tree::new();
        read(&target, "", &mut tree);
        tree
    }

    proptest! {
        #[test]
        fn later_layers_win_path_by_path(layers in proptest::collection::vec(layer(), 0..4)) {
            prop_assert_eq!(merged(&layers), naive(&layers));
        }
    }

    #[test]
    fn files_are_shared_and_links_lead_nowhere() {
        let directory = tempfile::tempdir().expect("a directory");
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let outside = directory.path().join("outside");
        fs::create_dir(&outside).expect("a directory");
        write(&one, &Tree::from([("file".to_owned(), Item::File(1))]));
        symlink(&outside, one.join("a")).expect("a link");
        write(&two, &Tree::from([("a/inside".to_owned(), Item::File(2))]));
        let target = directory.path().join("merged");
        merge(&[&one, &two], &target).expect("they merge");
        assert_eq!(fs::read_dir(&outside).expect("readable").count(), 0);
        assert_eq!(fs::read(target.join("a/inside")).expect("readable"), [2]);
        let inode = |path: PathBuf| fs::metadata(path).expect("there").ino();
        assert_eq!(inode(target.join("file")), inode(one.join("file")));
    }
}
