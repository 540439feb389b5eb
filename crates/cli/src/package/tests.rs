//! Packages of small folders.

use super::*;
use std::io::Read as _;

/// A folder with these files, removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("tindra-package-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        for (file, content) in files {
            let file = path.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, content).unwrap();
        }
        Self(path.canonicalize().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn names(zip: &[u8]) -> Vec<String> {
    let archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    archive.file_names().map(str::to_owned).collect()
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let files = [("app.py", "x = 1\n"), ("lib/b.py", ""), ("lib/a.py", "1"), ("__pycache__/app.pyc", "?")];
    let (one, two) = (Folder::with("one", &files), Folder::with("two", &files));
    let zip = make(&one.0, &[]).unwrap();
    assert_eq!(zip, make(&two.0, &[]).unwrap());
    let mut found = names(&zip);
    found.sort();
    assert_eq!(found, ["app.py", "lib/a.py", "lib/b.py"]);
}

#[test]
fn modes_and_links_are_kept() {
    let folder = Folder::with("modes", &[("bootstrap", "#!/bin/sh\n"), ("bin/tool", "t"), ("plain", "p")]);
    let outside = Folder::with("outside", &[("shared.py", "shared")]);
    fs::set_permissions(folder.0.join("bootstrap"), fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink("bin/tool", folder.0.join("inner")).unwrap();
    std::os::unix::fs::symlink(outside.0.join("shared.py"), folder.0.join("outer.py")).unwrap();
    let zip = make(&folder.0, &[]).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut content = |name: &str| {
        let mut file = archive.by_name(name).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        (text, file.unix_mode().unwrap())
    };
    assert_eq!(content("bootstrap").1 & 0o777, 0o755);
    assert_eq!(content("plain").1 & 0o777, 0o644);
    assert_eq!((content("inner").0.as_str(), content("inner").1 & 0o170_000), ("bin/tool", 0o120_000));
    assert_eq!((content("outer.py").0.as_str(), content("outer.py").1 & 0o170_000), ("shared", 0o100_000));
}

#[test]
fn what_cannot_be_packaged_is_refused() {
    let folder = Folder::with("loop", &[(".git/config", "")]);
    assert!(make(&folder.0, &[]).unwrap_err().to_string().contains("no file"));
    std::os::unix::fs::symlink(std::env::temp_dir().join("tindra-no-such-file"), folder.0.join("dangling")).unwrap();
    assert!(make(&folder.0, &[]).is_err());
    assert!(make(Path::new("/no/such/folder"), &[]).is_err());
}
